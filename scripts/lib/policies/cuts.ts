// What closing the namespaces would change in a running cluster: which flows that are open now would be shut.
import type { Cluster } from '../cluster.ts'
import { at, type K8sObject } from '../k8s.ts'
import { closedBy } from './connect.ts'
import type { Flow } from './flow.ts'
import { neededFlows } from './needed.ts'
import { isPod, peerName, readWorld } from './world.ts'

const kinds = [
  ...['namespaces', 'services', 'configmaps', 'pods', 'deployments.apps', 'statefulsets.apps', 'daemonsets.apps'],
  ...['jobs.batch', 'cronjobs.batch', 'apiservices.apiregistration.k8s.io', 'networkpolicies.networking.k8s.io'],
  ...['validatingwebhookconfigurations', 'mutatingwebhookconfigurations'].map(
    one => `${one}.admissionregistration.k8s.io`,
  ),
  ...['roles', 'clusterroles', 'rolebindings', 'clusterrolebindings'].map(one => `${one}.rbac.authorization.k8s.io`),
  ...['ingresses.networking.k8s.io', 'ingressroutes.traefik.io', 'clusterissuers.cert-manager.io'],
  ...['servicemonitors', 'podmonitors', 'probes'].map(one => `${one}.monitoring.coreos.com`),
  ...['applications', 'appprojects'].map(one => `${one}.argoproj.io`),
]

/** Everything that tells of a flow, and the policies that stand. */
export async function readNetwork(cluster: Cluster): Promise<{ objects: K8sObject[]; policies: K8sObject[] }> {
  const [scrapes, ...all] = await Promise.all([
    cluster.find('secret/monitoring/additional-scrape-configs'),
    cluster.list(kinds.join(',')),
  ])
  const objects = all.flat().filter(({ status }) => at(status, 'completionTime') === undefined)
  return {
    objects: [...objects.filter(({ kind }) => kind !== 'NetworkPolicy'), ...(scrapes ? [scrapes] : [])],
    policies: objects.filter(({ kind }) => kind === 'NetworkPolicy'),
  }
}

export interface Cut extends Flow {
  /** It would take Argo CD away, or a namespace of ours its DNS. */
  vital: boolean
}

/**
 * The flows that are open by what stands and would be shut by what is wanted.
 * @param wanted ours, of the namespaces that are there
 */
export function cuts(
  objects: readonly K8sObject[],
  standing: readonly K8sObject[],
  wanted: readonly K8sObject[],
): Cut[] {
  const world = readWorld(objects)
  const id = ({ metadata }: K8sObject) => `${metadata.namespace}/${metadata.name}`
  const ours = new Set(wanted.map(id))
  const then = [...standing.filter(one => !ours.has(id(one))), ...wanted]
  return neededFlows(world)
    .filter(flow => !closedBy(flow, standing, world).length && closedBy(flow, then, world).length)
    .map(flow => {
      const from = isPod(flow.from) ? flow.from.namespace : ''
      const asksDns = isPod(flow.to) && flow.to.namespace === 'kube-system' && flow.port === 53
      return { ...flow, vital: from === 'argocd' || asksDns }
    })
}

/** `notes/notes → influxdb/influxdb 8086/TCP: an address in its configuration` */
export const told = ({ from, to, port, protocol, why }: Flow): string =>
  `${peerName(from)} → ${peerName(to)} ${port ?? 'any port'}${protocol ? `/${protocol}` : ''}: ${why}`
