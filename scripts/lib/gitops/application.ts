// What an Argo CD Application says of where its content comes from, read from either of its two forms. Pure.
import { type K8sObject, listAt, mapAt, textAt } from '../k8s.ts'

/** One source of an Application. */
export interface Source {
  repository: string
  /** A chart's version, or a branch, tag or commit. */
  revision: string
  /** The chart's name, where the source is a chart repository. */
  chart?: string
  /** The folder, where it is a Git repository. */
  path?: string
  /** `values` of `$values/…` in the other source. */
  ref?: string
  /** Where it stands in the Application, as Kustomize and JSON patches write it: `/spec/source`, `/spec/sources/0`. */
  pointer: string
}

export const sourcesOf = ({ spec }: Pick<K8sObject, 'spec'>): Source[] => {
  const several = listAt(spec, 'sources')
  const list = several.length
    ? several.map((source, i) => [source, `/spec/sources/${i}`] as const)
    : [[mapAt(spec, 'source'), '/spec/source'] as const]
  return list.map(([source, pointer]) => ({
    repository: textAt(source, 'repoURL') ?? '',
    revision: textAt(source, 'targetRevision') ?? '',
    ...optional(source, 'chart', 'path', 'ref'),
    pointer,
  }))
}

/** The label by which `gitops/environments/site` finds the source that is this repository. */
export const ownSource = { label: 'homelab/source', value: 'this-repository' }
export const ownValues = { label: 'homelab/values', value: 'this-repository' }

/** The source whose repository and revision the environment fills in. */
export function sourceHere(application: K8sObject): Source | undefined {
  const labels = application.metadata.labels ?? {}
  const sources = sourcesOf(application)
  if (labels[ownSource.label] === ownSource.value) return sources.find(({ pointer }) => pointer === '/spec/source')
  if (labels[ownValues.label] === ownValues.value) return sources.find(({ pointer }) => pointer === '/spec/sources/1')
  return undefined
}

function optional<K extends string>(source: unknown, ...keys: K[]): Partial<Record<K, string>> {
  const found = keys.flatMap(key => {
    const text = textAt(source, key)
    return text === undefined ? [] : [[key, text] as const]
  })
  return Object.fromEntries(found) as Partial<Record<K, string>>
}
