// The lab's own network policies: as the repository has them, and as they stand in a namespace.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Cluster } from '../cluster.ts'
import { readManifest } from '../fill.ts'
import { type K8sObject, textAt } from '../k8s.ts'
import { root } from '../root.ts'

export const folder = 'infrastructure/security/network-policies/base'
const kind = 'networkpolicies.networking.k8s.io'
/** Theirs too, in each file: what bears it and is in no file any more is taken away. */
const label = 'app.kubernetes.io/part-of=homelab'

/** The namespaces that have a file. */
export const namespaces = (): string[] =>
  readdirSync(join(root, folder))
    .filter(file => file.endsWith('.yaml'))
    .map(file => file.slice(0, -'.yaml'.length))
    .sort()

/** Those of a namespace; none where there is no file. They know no facts of a site: `kubectl apply -f` takes them as they are. */
export function readPolicies(namespace: string): K8sObject[] {
  const file = `${folder}/${namespace}.yaml`
  return existsSync(join(root, file)) ? readManifest(file, {}) : []
}

/** Ours that stand in a namespace. */
export const standing = (cluster: Cluster, namespace?: string): Promise<K8sObject[]> =>
  cluster.list(kind, { labels: label, ...(namespace ? { namespace } : {}) })

export interface Policies {
  wanted: K8sObject[]
  /** Of an earlier version. */
  gone: K8sObject[]
  /** Pods run there and nothing of ours holds them: to close it now could cut what somebody counts on. */
  inUse: boolean
}

export async function policiesOf(cluster: Cluster, namespace: string): Promise<Policies> {
  const wanted = readPolicies(namespace)
  const there = await standing(cluster, namespace)
  const names = new Set(wanted.map(({ metadata }) => metadata.name))
  const gone = there.filter(({ metadata }) => !names.has(metadata.name))
  const inUse = there.length === 0 && (await cluster.list('pods', { namespace })).some(isAlive)
  return { wanted, gone, inUse }
}

const isAlive = ({ status }: K8sObject) => !/^(Succeeded|Failed)$/.test(textAt(status, 'phase') ?? '')

/** Has the cluster hold them. @returns what it did, or with `plan` would do, a line each */
export async function applyPolicies(
  cluster: Cluster,
  wanted: readonly K8sObject[],
  gone: readonly K8sObject[],
  plan: boolean,
): Promise<string[]> {
  const applied = await cluster.apply(wanted, { plan })
  if (!plan) for (const one of gone) await cluster.delete(one)
  const namespace = wanted[0]?.metadata.namespace
  const made = applied.filter(({ result }) => result === 'created')
  return [
    ...(made.length ? [`+ ${made.length} network polic${made.length === 1 ? 'y' : 'ies'} of ${namespace}`] : []),
    ...applied
      .filter(({ result }) => result === 'changed')
      .map(({ object }) => `~ NetworkPolicy ${namespace}/${object.metadata.name}`),
    ...gone.map(({ metadata }) => `- NetworkPolicy ${namespace}/${metadata.name}`),
  ]
}
