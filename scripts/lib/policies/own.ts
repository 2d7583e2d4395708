// The lab's own network policies as they stand in a cluster, and bringing a namespace's there.
import type { Cluster } from '../cluster.ts'
import { readPolicies } from '../guardrails.ts'
import { type K8sObject, textAt } from '../k8s.ts'

const kind = 'networkpolicies.networking.k8s.io'
/** Theirs too, in each file: what bears it and is in no file any more is taken away. */
const label = 'app.kubernetes.io/part-of=homelab'

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
