// What becomes of a kind when its CRD is replaced, as far as two CRDs tell: versions, stored objects, removed fields. Pure.
import { at, type K8sObject, listAt, textAt } from '../k8s.ts'

export interface CrdDiff {
  /** `middlewares.traefik.io` */
  name: string
  kind: 'new' | 'changed'
  added: string[]
  /** Versions that are no longer served, or gone. */
  removed: string[]
  /** Fields of a version that is served before and after: `v1alpha1 spec.errors.query`. */
  fields: Field[]
  /** Versions in which objects may be stored and that the new CRD has not: the API server refuses it. */
  lost: string[]
  /** The version in which the API server stores now. */
  storage: string
}

export interface Field {
  version: string
  /** Parts of the path; `[]` stands for each entry of a list, `*` for each of a map. */
  path: string[]
}

/** @param current as it is in the cluster, with its status */
export function compareCrd(current: K8sObject | undefined, wanted: K8sObject): CrdDiff | undefined {
  const { name } = wanted.metadata
  const after = versionsOf(wanted)
  if (!current) return { name, kind: 'new', added: [...after.keys()], removed: [], fields: [], lost: [], storage: '' }
  const before = versionsOf(current)
  const served = (versions: Map<string, unknown>) =>
    [...versions].filter(([, version]) => at(version, 'served') === true).map(([version]) => version)
  const added = served(after).filter(version => !served(before).includes(version))
  const removed = served(before).filter(version => !served(after).includes(version))
  const fields = served(before)
    .filter(version => served(after).includes(version))
    .flatMap(version => {
      const schema = (versions: Map<string, unknown>) => at(versions.get(version), 'schema', 'openAPIV3Schema')
      return removedFields(schema(before), schema(after)).map(path => ({ version, path }))
    })
  const stored = listAt(current.status, 'storedVersions').map(String)
  const lost = stored.filter(version => !after.has(version))
  const storage = [...before].find(([, version]) => at(version, 'storage') === true)?.[0] ?? ''
  if (!added.length && !removed.length && !fields.length && !lost.length) return undefined
  return { name, kind: 'changed', added, removed, fields, lost, storage }
}

function versionsOf(crd: K8sObject): Map<string, unknown> {
  return new Map(listAt(crd.spec, 'versions').map(version => [textAt(version, 'name') ?? '', version]))
}

/** Paths that the old schema knows and the new one would drop without a word. */
export function removedFields(before: unknown, after: unknown): string[][] {
  if (at(after, 'x-kubernetes-preserve-unknown-fields') === true) return []
  const found: string[][] = []
  const into = (step: string, a: unknown, b: unknown) => {
    for (const path of removedFields(a, b)) found.push([step, ...path])
  }
  const known = at(after, 'properties')
  const rest = at(after, 'additionalProperties')
  for (const [name, schema] of Object.entries(at(before, 'properties') ?? {})) {
    const now = at(known, name) ?? (typeof rest === 'object' ? rest : undefined)
    if (now !== undefined) into(name, schema, now)
    else if (rest !== true) found.push([name])
  }
  const items = at(before, 'items')
  if (items !== undefined && at(after, 'items') !== undefined) into('[]', items, at(after, 'items'))
  const map = at(before, 'additionalProperties')
  if (typeof map === 'object' && map !== null && typeof rest === 'object') into('*', map, rest)
  return found
}

/** Whether an object has something at a path. */
export function uses(object: unknown, [step, ...rest]: readonly string[]): boolean {
  if (step === undefined) return object !== undefined
  if (step === '[]') return Array.isArray(object) && object.some(item => uses(item, rest))
  if (typeof object !== 'object' || object === null) return false
  if (step === '*') return Object.values(object).some(item => uses(item, rest))
  return uses(at(object, step), rest)
}

export const fieldText = ({ version, path }: Field): string => `${version} ${path.join('.').replaceAll('.[]', '[]')}`
