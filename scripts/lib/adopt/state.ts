// What an adoption has begun and not yet finished: kept in the cluster, so that any later run can go on.
import type { Cluster } from '../cluster.ts'
import { type K8sObject, textAt } from '../k8s.ts'
import { ourLabels } from '../verbs.ts'

const where = { namespace: 'kube-system', name: 'homelab-adopt' }

export interface State {
  /** Those that have taken something over and have not run to their end since. */
  steps: readonly string[]
  /** The Applications that go: without their marks nothing else may tell any more what they held. */
  applications: readonly string[]
}

/** Empty when nothing is under way. */
export async function readState(cluster: Cluster): Promise<State> {
  const found = await cluster.find(`configmap/${where.namespace}/${where.name}`)
  const words = (key: string) => (textAt(found, 'data', key) ?? '').split(' ').filter(Boolean)
  return { steps: words('steps'), applications: words('applications') }
}

/** Before anything is changed. */
export async function keepState(cluster: Cluster, { steps, applications }: State): Promise<void> {
  await cluster.apply([state({ steps: steps.join(' '), applications: applications.join(' ') })])
}

/** When the steps have run. */
export async function dropState(cluster: Cluster): Promise<void> {
  await cluster.delete(state({}))
}

function state(data: Record<string, string>): K8sObject {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...where, labels: { ...ourLabels } }, data }
}
