// Pods, Services and namespaces as the network sees them: of everything rendered, or of a running cluster. Pure.
import { at, type K8sObject, listAt, mapAt, selects, textAt } from '../k8s.ts'

export type Protocol = 'TCP' | 'UDP'

/** A pod of a workload; all of its replicas are alike. */
export interface Pod {
  /** `namespace/name` of its workload; of a StatefulSet with several, with the number. */
  name: string
  namespace: string
  labels: Readonly<Record<string, string>>
  ports: readonly { name: string; number: number; protocol: Protocol }[]
  spec: unknown
}

/** Whatever is not a pod with an address of its own: the internet, a device of the house, a node, the API server. */
export interface Outside {
  outside: string
  /** Where it is known. */
  address?: string
}

export type Peer = Pod | Outside

export const isPod = (peer: Peer): peer is Pod => !('outside' in peer)
export const peerName = (peer: Peer): string => (isPod(peer) ? peer.name : peer.outside)

export interface World {
  objects: readonly K8sObject[]
  /** Those with an address of their own. No policy reaches the others (hostNetwork): they are the node. */
  pods: readonly Pod[]
  onNode: readonly Pod[]
  services: readonly K8sObject[]
  /** The labels of each namespace. */
  namespaces: ReadonlyMap<string, Readonly<Record<string, string>>>
}

const workloads = /^(Deployment|StatefulSet|DaemonSet|ReplicaSet|Job|CronJob|Pod|Prometheus|Alertmanager)$/

/** @param objects rendered or read, each with its namespace */
export function readWorld(objects: readonly K8sObject[]): World {
  const names = new Set(objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`))
  const pods = objects
    .filter(({ kind, metadata }) => workloads.test(kind) && !metadata.ownerReferences?.length)
    // What its operator has made of it is there itself.
    .filter(
      ({ kind, metadata: { namespace, name } }) => !names.has(`StatefulSet ${namespace}/${kind.toLowerCase()}-${name}`),
    )
    .flatMap(podsOf)
  // What has an owner is there by its owner, except what an operator made from a kind of its own.
  const made = objects
    .filter(({ kind, metadata }) => kind === 'StatefulSet' && metadata.ownerReferences?.length)
    .flatMap(podsOf)
  const all = [...pods, ...made]
  const namespaces = new Map(
    [...all.map(({ namespace }) => namespace), 'kube-system'].map(name => [
      name,
      { 'kubernetes.io/metadata.name': name },
    ]),
  )
  for (const { kind, metadata } of objects)
    if (kind === 'Namespace')
      namespaces.set(metadata.name, { ...metadata.labels, 'kubernetes.io/metadata.name': metadata.name })
  return {
    objects,
    pods: all.filter(pod => at(pod.spec, 'hostNetwork') !== true),
    onNode: all.filter(pod => at(pod.spec, 'hostNetwork') === true),
    services: objects.filter(({ kind }) => kind === 'Service'),
    namespaces,
  }
}

/** The pods that an object makes, by its own controller or by its operator. */
export function podsOf(object: K8sObject): Pod[] {
  const { kind, metadata } = object
  const namespace = metadata.namespace ?? 'default'
  if (kind === 'Prometheus' || kind === 'Alertmanager') return [ofOperator(object, namespace)]
  const template =
    kind === 'Pod'
      ? object
      : at(object.spec, ...(kind === 'CronJob' ? ['jobTemplate', 'spec', 'template'] : ['template']))
  const spec = at(template, 'spec')
  const ports = listAt(spec, 'containers').flatMap(container =>
    listAt(container, 'ports').map(port => ({
      name: textAt(port, 'name') ?? '',
      number: Number(at(port, 'containerPort')),
      protocol: protocolOf(port),
    })),
  )
  const name = `${namespace}/${metadata.name}`
  const labels = podLabels(object, mapAt(template, 'metadata', 'labels'))
  if (kind === 'StatefulSet')
    return labels.map((one, i) => ({
      name: labels.length > 1 ? `${name}-${i}` : name,
      ...{ namespace, labels: one, ports, spec },
    }))
  // Two stand for any number: what one of them may ask of the others shows.
  const several = kind === 'DaemonSet' || Number(at(object.spec, 'replicas') ?? 1) > 1
  return [name, ...(several ? [`${name} (another)`] : [])].map(one => ({
    ...{ name: one, namespace, labels: labels[0] ?? {}, ports, spec },
  }))
}

/** A StatefulSet's pods are labelled one by one, and Services and policies may select one of them. */
export function podLabels(object: K8sObject, labels: Record<string, string>): Record<string, string>[] {
  if (object.kind !== 'StatefulSet') return [labels]
  const replicas = Number(at(object.spec, 'replicas') ?? 1)
  return Array.from({ length: replicas }, (_, i) => ({
    ...labels,
    'statefulset.kubernetes.io/pod-name': `${object.metadata.name}-${i}`,
    'apps.kubernetes.io/pod-index': String(i),
  }))
}

/** What Prometheus' operator makes of its own kinds (prometheus-operator/pkg/prometheus/server/statefulset.go). */
function ofOperator({ kind, metadata, spec }: K8sObject, namespace: string): Pod {
  const name = kind.toLowerCase()
  const web = textAt(spec, 'portName') ?? 'web'
  const tcp = (port: string, number: number) => ({ name: port, number, protocol: 'TCP' as const })
  const mesh = [tcp('mesh-tcp', 9094), { name: 'mesh-udp', number: 9094, protocol: 'UDP' as const }]
  return {
    name: `${namespace}/${name}-${metadata.name}`,
    namespace,
    labels: {
      'app.kubernetes.io/name': name,
      'app.kubernetes.io/managed-by': 'prometheus-operator',
      'app.kubernetes.io/instance': metadata.name,
      [name]: metadata.name,
      ...(kind === 'Prometheus' ? { 'operator.prometheus.io/name': metadata.name } : {}),
    },
    ports: [
      tcp(web, kind === 'Prometheus' ? 9090 : 9093),
      tcp('reloader-web', 8080),
      ...(kind === 'Prometheus' ? [] : mesh),
    ],
    spec: {
      serviceAccountName: at(spec, 'serviceAccountName'),
      automountServiceAccountToken: at(spec, 'automountServiceAccountToken'),
      alerting: at(spec, 'alerting'),
    },
  }
}

export const protocolOf = (port: unknown): Protocol => (textAt(port, 'protocol') === 'UDP' ? 'UDP' : 'TCP')

/** The pods behind a Service; none for one that somebody fills by hand. */
export function podsBehind(world: World, service: K8sObject): Pod[] {
  const selector = mapAt(service.spec, 'selector')
  if (!Object.keys(selector).length) return []
  return [...world.pods, ...world.onNode].filter(
    pod => pod.namespace === service.metadata.namespace && selects({ matchLabels: selector }, pod.labels),
  )
}

/** The number of a port of a pod, given as number or name. */
export function portNumber(pod: Pod, port: unknown, protocol?: Protocol): number | undefined {
  if (typeof port === 'number') return port
  return pod.ports.find(one => one.name === port && (!protocol || one.protocol === protocol))?.number
}
