// Flows to what is behind a Service. Pure.
import { at, type K8sObject, listAt } from '../k8s.ts'
import { type Flow, outside } from './flow.ts'
import { type Peer, type Pod, type Protocol, podsBehind, portNumber, protocolOf, type World } from './world.ts'

/** A pod on the node's own network is the node: no policy holds it, and it is no pod to others. */
export const reach = (world: World, pod: Pod): Peer => (world.onNode.includes(pod) ? outside : pod)

export const title = ({ kind, metadata: { namespace, name } }: K8sObject) =>
  `${kind} ${namespace ? `${namespace}/` : ''}${name}`

/** The pods behind a port of a Service, with their own port. */
function behind(world: World, service: K8sObject, wanted?: unknown): { pod: Pod; port: number; protocol: Protocol }[] {
  const ports = listAt(service.spec, 'ports').filter(
    one => wanted === undefined || at(one, 'port') === wanted || at(one, 'name') === wanted,
  )
  return podsBehind(world, service).flatMap(pod =>
    ports.flatMap(one => {
      const protocol = protocolOf(one)
      const port = portNumber(pod, at(one, 'targetPort') ?? at(one, 'port'), protocol)
      return port === undefined ? [] : [{ pod, port, protocol }]
    }),
  )
}

export function to(world: World, from: Peer, service: K8sObject, port: unknown, why: string): Flow[] {
  return behind(world, service, port).map(one => ({
    ...{ from, to: reach(world, one.pod), port: one.port, protocol: one.protocol, why },
  }))
}

export const serviceNamed = (world: World, namespace: string | undefined, service: string | undefined) =>
  world.services.find(({ metadata }) => metadata.namespace === namespace && metadata.name === service)

export const traefik = (world: World): Pod[] =>
  world.pods.filter(
    ({ namespace, labels }) => namespace === 'traefik' && labels['app.kubernetes.io/name'] === 'traefik',
  )

/** The pods by which a program is known: their label app.kubernetes.io/name. */
export const podsNamed = (world: World, name: string): Pod[] =>
  world.pods.filter(({ labels }) => labels['app.kubernetes.io/name'] === name)
