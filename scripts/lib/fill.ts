// Puts the site's facts into the YAML that owners edit: as data, never by pasting text.
import { stringify } from 'yaml'
import { exit, HomelabError, throwProblems } from './errors.ts'
import type { K8sObject } from './k8s.ts'
import { root } from './root.ts'
import { nearest } from './site/read.ts'
import { problemsOf, readYamlFile } from './yaml/files.ts'
import type { Entry, YamlDocument, YamlFlaw } from './yaml/parse.ts'
import { notObject } from './yaml/shape.ts'

export { asKubectl } from './yaml/parse.ts'

export type Vars = Readonly<Record<string, unknown>>

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

/** The names in a document that nobody gives a value, each with its place. */
export function unknownNames({ entries }: YamlDocument, vars: Vars): YamlFlaw[] {
  return entries.flatMap(entry => {
    const names = textsOf(entry).flatMap(text => [...text.matchAll(placeholder)].map(([, name = '']) => name))
    return [...new Set(names)]
      .filter(name => !Object.hasOwn(vars, name) || vars[name] === undefined)
      .map(name => ({
        ...{ line: entry.line, path: entry.path },
        problem: `nothing is called \${${name.length > 60 ? `${name.slice(0, 60)}…` : name}}`,
        fix: otherName(name, vars),
      }))
  })
}

function otherName(name: string, vars: Vars): string {
  const names = Object.keys(vars).sort()
  const near = name.length > 60 ? undefined : nearest(name, names)
  return near ? `write \${${near}}, or the value itself` : `write the value itself, or one of ${names.join(', ')}`
}

/** A value's text, and the last key on the way to it. */
function textsOf({ value, path }: Entry): string[] {
  const key = path.at(-1)
  return [value, key].filter(text => typeof text === 'string')
}

/**
 * The documents of a YAML file, filled.
 * @param file path in the repository, for reading and for messages
 * @throws HomelabError (exit 2) with file and line of everything that is malformed
 */
export function readYaml(file: string, vars: Vars): unknown[] {
  return filled(file, vars).map(({ value }) => value)
}

/** The Kubernetes objects of a filled YAML file; every document must be one. */
export function readManifest(file: string, vars: Vars): K8sObject[] {
  const documents = filled(file, vars)
  throwProblems(problemsOf(file, documents.flatMap(notObject)))
  return documents.map(({ value }) => value as K8sObject)
}

function filled(file: string, vars: Vars): YamlDocument[] {
  const { documents, flaws } = readYamlFile(file, root)
  const unknown = documents.flatMap(document => unknownNames(document, vars))
  throwProblems(problemsOf(file, [...flaws, ...unknown]))
  return documents
    .filter(({ value }) => value !== undefined)
    .map(document => ({ ...document, value: fill(document.value, vars, file) }))
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
