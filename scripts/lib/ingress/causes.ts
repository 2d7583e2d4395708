// Why a host does not answer, as far as the cluster itself knows it. Pure: a snapshot in, causes with their next command out.
import { combine, type Health, judge, type Snapshot } from '../health/judge.ts'
import { addressesOf } from '../health/service.ts'
import { at, type K8sObject, listAt, mapAt, nameOf, textAt, timeAt } from '../k8s.ts'
import type { Backend, Host, Route } from './hosts.ts'

export interface Cause {
  why: string
  fix: string
}

/** The controller of Traefik's IngressClass (https://doc.traefik.io/traefik/reference/install-configuration/providers/kubernetes/kubernetes-ingress/). */
const traefikController = 'traefik.io/ingress-controller'

/** Certain faults in what publishes a host: with any of these, something of it cannot be served. */
export function routeFaults(host: Host, snapshot: Snapshot): Cause[] {
  const found = host.routes.flatMap(route => {
    const foreign = classFault(route, snapshot)
    return [
      ...(foreign ? [foreign] : []),
      ...route.middlewares.flatMap(one => middlewareFault(route, one, snapshot) ?? []),
      ...route.backends.flatMap(one => backendFault(route, one, snapshot) ?? []),
    ]
  })
  return found.filter(({ why }, i) => found.findIndex(other => other.why === why) === i)
}

/** What may be why Traefik itself knows nothing of a host; each of them can also be meant so. */
export function doubtsAbout(host: Host): Cause | undefined {
  const twice = clash(host)
  if (twice) return twice
  for (const route of host.routes) {
    const { kind, namespace, name, entryPoints, className } = route
    const object = `${kind} ${namespace}/${name}`
    const fix = `kubectl -n ${namespace} edit ${kind.toLowerCase()} ${name}`
    if (entryPoints.length && !entryPoints.includes('websecure'))
      return { why: `${object} is for the entry point ${entryPoints.join(', ')} only, HTTPS is websecure`, fix }
    if (kind === 'Ingress' && className === undefined)
      return { why: `${object} names no ingressClassName; Traefik's is traefik`, fix }
  }
  return undefined
}

/** Two objects with the same host and path: which of them Traefik serves is chance. */
export function clash(host: Host): Cause | undefined {
  for (const [i, a] of host.routes.entries()) {
    const b = host.routes.slice(i + 1).find(one => one.path === a.path && objectOf(one) !== objectOf(a))
    if (b)
      return {
        why: `${objectOf(a)} and ${objectOf(b)} both claim ${host.name}${a.path}: which one is served is chance`,
        fix: `kubectl -n ${b.namespace} edit ${b.kind.toLowerCase()} ${b.name}`,
      }
  }
  return undefined
}

const objectOf = ({ kind, namespace, name }: Route) => `${kind} ${namespace}/${name}`

function classFault({ kind, namespace, name, className }: Route, snapshot: Snapshot): Cause | undefined {
  if (kind !== 'Ingress' || className === undefined || !snapshot.knows('IngressClass')) return undefined
  const found = snapshot.find('IngressClass', undefined, className)
  const controller = textAt(found?.spec, 'controller')
  if (controller === traefikController) return undefined
  const fix = `kubectl -n ${namespace} edit ingress ${name}`
  return found
    ? { why: `Ingress ${namespace}/${name} is of the class ${className}, which belongs to ${controller}`, fix }
    : { why: `Ingress ${namespace}/${name} is of the class ${className}, which does not exist`, fix }
}

/** A route whose middleware is missing is no route to Traefik: it answers 404. */
function middlewareFault(route: Route, id: string, snapshot: Snapshot): Cause | undefined {
  if (!snapshot.knows('Middleware')) return undefined
  if (snapshot.of('Middleware').some(({ metadata }) => `${metadata.namespace}-${metadata.name}` === id))
    return undefined
  return {
    why: `${objectOf(route)} needs the Middleware ${id} (NAMESPACE-NAME), which does not exist`,
    fix: 'kubectl get middlewares.traefik.io -A',
  }
}

function backendFault(route: Route, { namespace, service: name, port }: Backend, snapshot: Snapshot) {
  const from = objectOf(route)
  const describe = `kubectl -n ${route.namespace} describe ${route.kind.toLowerCase()} ${route.name}`
  const service = snapshot.find('Service', namespace, name)
  if (service === undefined)
    return { why: `${from} leads to the Service ${namespace}/${name}, which does not exist`, fix: describe }
  const ports = listAt(service.spec, 'ports')
  const wanted = ports.find(one => port === undefined || at(one, 'port') === port || at(one, 'name') === port)
  if (textAt(service.spec, 'type') === 'ExternalName') return undefined
  if (wanted === undefined) {
    const has = ports.map(one => [textAt(one, 'name'), at(one, 'port')].filter(Boolean).join(' ')).join(', ')
    return { why: `${from} leads to port ${port} of the Service ${namespace}/${name}, which has ${has}`, fix: describe }
  }
  return notServed(service, textAt(wanted, 'name'), snapshot)
}

/** Why a Service has nobody who answers; undefined when a pod is ready. */
function notServed(service: K8sObject, port: string | undefined, snapshot: Snapshot): Cause | undefined {
  if (!snapshot.knows('EndpointSlice')) return undefined
  const { namespace, name } = service.metadata
  const slices = snapshot
    .of('EndpointSlice')
    .filter(({ metadata }) => metadata.namespace === namespace && metadata.labels?.[serviceName] === name)
  const ready = slices.filter(slice =>
    listAt(slice, 'endpoints').some(endpoint => at(endpoint, 'conditions', 'ready') !== false),
  )
  if (ready.length === 0) {
    const { cause = 'none has its labels', fix } = whyNoPod(service, snapshot) ?? {}
    return {
      why: `the Service ${nameOf(service)} has no ready pod: ${cause}`,
      fix: fix ?? `kubectl -n ${namespace} get pods`,
    }
  }
  const offered = ready.some(slice => listAt(slice, 'ports').some(one => (textAt(one, 'name') ?? '') === (port ?? '')))
  return offered || port === undefined
    ? undefined
    : {
        why: `no pod of the Service ${nameOf(service)} has the port that its port ${port} leads to`,
        fix: `kubectl -n ${namespace} describe service ${name}`,
      }
}

const serviceName = 'kubernetes.io/service-name'

/** The health of the worst of what a Service's selector takes: workloads first, as they know why there is no pod at all. */
function whyNoPod(service: K8sObject, snapshot: Snapshot): Health | undefined {
  const { namespace } = service.metadata
  const selector = Object.entries(mapAt(service.spec, 'selector'))
  if (selector.length === 0) return undefined // its endpoints are somebody else's work
  const workloads = ['Deployment', 'StatefulSet', 'DaemonSet']
    .flatMap(kind => snapshot.of(kind))
    .filter(one => {
      if (one.metadata.namespace !== namespace) return false
      // The label of one pod of a StatefulSet is not in its template.
      const labels = mapAt(one.spec, 'template', 'metadata', 'labels')
      return selector.every(([key, value]) => labels[key] === value || key === 'statefulset.kubernetes.io/pod-name')
    })
  const pods = snapshot.podsOf({ ...service, spec: { selector: { matchLabels: Object.fromEntries(selector) } } })
  const judged = [...workloads, ...pods].map(one => judge(one, snapshot)).filter(({ cause }) => cause !== undefined)
  return judged.length ? combine(judged) : undefined
}

/** Why nobody answers at an address of a LoadBalancer Service: it has none, another one, or no pod. */
export function addressCause(
  service: { namespace: string; name: string },
  address: string,
  step: string,
  snapshot: Snapshot,
): Cause | undefined {
  const script = `./bootstrap/${step}.ts`
  const found = snapshot.find('Service', service.namespace, service.name)
  if (!found) return { why: `the Service ${service.namespace}/${service.name} does not exist`, fix: script }
  const health = judge(found, snapshot)
  if (health.state !== 'ready' && health.cause) return { why: health.cause, fix: health.fix ?? script }
  const given = addressesOf(found)
  if (!given.includes(address))
    return { why: `the Service ${nameOf(found)} has ${given.join(', ') || 'no address'}, not ${address}`, fix: script }
  return notServed(found, undefined, snapshot)
}

/** The Certificate that fills a host's Secret, or Traefik's default one, and what is wrong with it. */
export function certificateOf(host: Host, snapshot: Snapshot) {
  const secret = host.routes.find(route => route.secret !== undefined)?.secret ?? 'traefik/wildcard'
  const [namespace = '', name = ''] = secret.split('/')
  const object = snapshot
    .of('Certificate')
    .find(one => one.metadata.namespace === namespace && textAt(one.spec, 'secretName') === name)
  const health: Health = judge(object, snapshot)
  return {
    secret,
    namespace,
    name,
    object,
    health,
    ends: timeAt(object?.status, 'notAfter'),
    renewal: timeAt(object?.status, 'renewalTime'),
  }
}
