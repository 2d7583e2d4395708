// What a document must be: a Kubernetes object, a map of values, the list of pinned charts.
import { at, textAt } from '../k8s.ts'
import { shown } from '../site/values.ts'
import type { Entry, Path, YamlDocument, YamlFlaw } from './parse.ts'

const places = new WeakMap<readonly Entry[], Map<string, Entry>>()

/** The entry at a path. */
function entryAt({ entries }: YamlDocument, path: Path): Entry | undefined {
  const index = places.get(entries) ?? new Map(entries.map(entry => [entry.path.join('\0'), entry]))
  places.set(entries, index)
  return index.get(path.join('\0'))
}

const lineOf = (document: YamlDocument, path: Path): number => entryAt(document, path)?.line ?? document.line
const kindAt = (document: YamlDocument, path: Path): Entry['kind'] | undefined => entryAt(document, path)?.kind

/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/, as far as people write it. */
const metadataFields = /^(name|generateName|namespace|labels|annotations|finalizers|ownerReferences)$/

/** What keeps a document from being a Kubernetes object. */
export function notObject(document: YamlDocument): YamlFlaw[] {
  const { value, line } = document
  if (value === undefined) return []
  const kind = kindAt(document, [])
  if (kind !== 'map')
    return [
      {
        line,
        problem: `${words(kind)}, where a Kubernetes object is wanted`,
        fix: 'begin it with apiVersion: and kind:',
      },
    ]
  const flaws: YamlFlaw[] = []
  for (const path of [['apiVersion'], ['kind'], ['metadata', 'name']])
    if (!textAt(value, ...path) && kindAt(document, path) !== 'value') {
      const inside = path.length === 2 && kindAt(document, ['metadata']) === 'map'
      flaws.push({
        line: inside ? lineOf(document, ['metadata']) : line,
        problem: `no Kubernetes object: ${path.join('.')} is missing`,
        fix: path.length === 2 ? 'write it, indented below metadata:' : 'write it, or remove the stray ---',
      })
    } else if (!textAt(value, ...path))
      flaws.push({
        line: lineOf(document, path),
        path,
        problem: `${shown(String(at(value, ...path)))} is no text`,
        fix: 'put it between quotes',
      })
  for (const field of Object.keys((at(value, 'metadata') as object | null) ?? {}))
    if (kindAt(document, ['metadata']) === 'map' && !metadataFields.test(field))
      flaws.push({
        line: lineOf(document, ['metadata', field]),
        path: ['metadata', field],
        problem: 'metadata has no such field',
        fix: 'if it belongs beside metadata, take the indentation away',
      })
  return flaws
}

/** What keeps a file from being one map of values; an empty one is allowed only where `empty` says so. */
export function notMap(documents: readonly YamlDocument[], empty = false): YamlFlaw[] {
  const [first, second] = documents.filter(({ entries }) =>
    entries.some(({ value, kind }) => kind !== 'value' || value !== null),
  )
  if (!first) return empty ? [] : [{ line: 0, problem: 'empty', fix: 'restore it: git checkout -- FILE' }]
  if (second) return [{ line: second.line, problem: 'a second document', fix: 'remove the --- before it' }]
  const kind = kindAt(first, [])
  return kind === 'map'
    ? []
    : [{ line: first.line, problem: `${words(kind)}, where a map is wanted`, fix: 'write key: value' }]
}

const words = (kind: Entry['kind'] | undefined): string =>
  kind === 'list' ? 'a list' : kind === 'map' ? 'a map' : 'a plain value'

/** A version that names one chart and no other: `1.2.3`, with a v where the chart's own versions have it (cert-manager). */
const exact = /^v?(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/

/** What is wrong with infrastructure/charts.yaml. */
export function notPins(documents: readonly YamlDocument[], needed: readonly string[]): YamlFlaw[] {
  const flaws = notMap(documents)
  const [document] = documents
  if (flaws.length || !document) return flaws
  const names = Object.keys(document.value as object)
  for (const name of needed)
    if (!names.includes(name))
      flaws.push({
        line: 0,
        problem: `the chart ${name} is missing`,
        fix: `add ${name}: with version: and repository:`,
      })
  for (const name of names) {
    const entry = at(document.value, name)
    const add = (field: string | undefined, problem: string, fix: string) => {
      const path = field === undefined ? [name] : [name, field]
      flaws.push({ line: lineOf(document, kindAt(document, path) ? path : [name]), path, problem, fix })
    }
    if (kindAt(document, [name]) !== 'map') {
      add(
        undefined,
        `${words(kindAt(document, [name]))}, where version: and repository: are wanted`,
        'write both below it, indented',
      )
      continue
    }
    for (const field of Object.keys(entry as object))
      if (field !== 'version' && field !== 'repository') add(field, 'unknown', 'only version: and repository: count')
    const version = at(entry, 'version')
    if (version === undefined || version === null) add('version', 'missing', 'write the exact x.y.z')
    else if (typeof version !== 'string' || !exact.test(version))
      add(
        'version',
        `${shown(String(version))} is not one version`,
        'write the exact x.y.z, as the repository lists it',
      )
    const repository = at(entry, 'repository')
    if (repository === undefined || repository === null) add('repository', 'missing', 'write https://… or oci://…')
    else if (
      typeof repository !== 'string' ||
      !/^((https|oci):\/\/[^\s/@]+|http:\/\/(127\.0\.0\.1|localhost)(:\d+)?)(\/\S*)?$/.test(repository) ||
      !URL.canParse(repository)
    )
      add(
        'repository',
        `${shown(String(repository))} is no address of a chart repository`,
        'write https://… or oci://…, without credentials',
      )
  }
  return flaws
}
