// Puts the site's facts into the YAML that owners edit: as data, never by pasting text.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseAllDocuments, type SchemaOptions, stringify, type Tags } from 'yaml'
import { exit, HomelabError } from './errors.ts'
import type { K8sObject } from './k8s.ts'
import { root } from './root.ts'

export type Vars = Readonly<Record<string, unknown>>

/** As kubectl and Helm read YAML (1.1, with `0400` an octal number), except that a date stays the text that it is. */
export const asKubectl = {
  schema: 'yaml-1.1',
  customTags: (tags: Tags) => tags.filter(tag => typeof tag === 'string' || !tag.tag.endsWith(':timestamp')),
} as const satisfies SchemaOptions

const placeholder = /\$\{([A-Za-z][A-Za-z0-9]*)\}/g

/**
 * A copy of `value` in which `${name}` in any string is replaced from `vars`. A string that is nothing but
 * `${name}` becomes the value itself, so a list stays a list. `$(X)` and `$X` are none of ours.
 * @throws HomelabError naming an unknown placeholder and where it stands
 */
export function fill<T>(value: T, vars: Vars, where = 'value'): T {
  return fillAny(value, vars, where) as T
}

function fillAny(value: unknown, vars: Vars, where: string): unknown {
  if (typeof value === 'string') return fillText(value, vars, where)
  if (Array.isArray(value)) return value.map((item, i) => fillAny(item, vars, `${where}[${i}]`))
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [
        String(fillText(key, vars, where)),
        fillAny(item, vars, `${where}.${key}`),
      ]),
    )
  return value
}

function fillText(text: string, vars: Vars, where: string): unknown {
  const read = (name: string): unknown => {
    if (!Object.hasOwn(vars, name) || vars[name] === undefined)
      throw new HomelabError({
        what: `${where}: nothing is called \${${name}}`,
        why: `the names are: ${Object.keys(vars).sort().join(', ')}`,
        fix: 'correct the name, or write the value itself',
        code: exit.usage,
      })
    return vars[name]
  }
  const whole = /^\$\{([A-Za-z][A-Za-z0-9]*)\}$/.exec(text)
  if (whole?.[1]) return read(whole[1])
  return text.replace(placeholder, (_, name: string) => String(read(name)))
}

/**
 * The documents of a YAML file, filled.
 * @param file path in the repository, for reading and for messages
 * @throws HomelabError (exit 2) with file and line when the YAML is malformed
 */
export function readYaml(file: string, vars: Vars): unknown[] {
  const documents = parseAllDocuments(readText(file), { ...asKubectl, prettyErrors: true })
  const out: unknown[] = []
  for (const document of Array.isArray(documents) ? documents : []) {
    const [error] = document.errors
    if (error)
      throw new HomelabError({
        what: `${file}: not valid YAML`,
        why: error.message.split('\n')[0]?.replace(/:$/, '') ?? error.code,
        fix: 'correct the file and run the same command again',
        code: exit.usage,
      })
    const value: unknown = document.toJS()
    if (value !== null && value !== undefined) out.push(fill(value, vars, file))
  }
  return out
}

/** The Kubernetes objects of a filled YAML file; every document must be one. */
export function readManifest(file: string, vars: Vars): K8sObject[] {
  return readYaml(file, vars).map(document => {
    const object = document as K8sObject
    if (typeof object?.kind !== 'string' || typeof object.apiVersion !== 'string' || !object.metadata?.name)
      throw new HomelabError({
        what: `${file}: a document is no Kubernetes object`,
        why: 'apiVersion, kind and metadata.name are needed in each',
        fix: 'correct the file, or remove the stray `---`',
        code: exit.usage,
      })
    return object
  })
}

/** The one document of a filled values file, as YAML text. */
export function readValues(file: string, vars: Vars): Record<string, unknown> {
  return (readYaml(file, vars)[0] ?? {}) as Record<string, unknown>
}

/** A filled YAML file as text again, for an application that keeps its configuration in YAML. */
export function fileText(file: string, vars: Vars): string {
  return readYaml(file, vars)
    .map(document => stringify(document, { version: '1.1', aliasDuplicateObjects: false }))
    .join('---\n')
}

function readText(file: string): string {
  try {
    return readFileSync(resolve(root, file), 'utf8')
  } catch (cause) {
    throw new HomelabError({
      what: `${file} cannot be read`,
      why: cause instanceof Error ? cause.message : String(cause),
      fix: `restore it: git checkout -- ${file}`,
      code: exit.usage,
      cause,
    })
  }
}
