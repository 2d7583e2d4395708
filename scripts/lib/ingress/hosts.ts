// Which hosts the cluster publishes, and what stands behind each: Ingresses and Traefik's IngressRoutes. Pure.
import { at, type K8sObject, listAt, nameOf, textAt } from '../k8s.ts'

/** Where a route leads: a Service's port by number or name; undefined where the object names none. */
export interface Backend {
  namespace: string
  service: string
  port: string | number | undefined
}

/** One rule for one host in one object. */
export interface Route {
  kind: 'Ingress' | 'IngressRoute'
  namespace: string
  name: string
  /** As the object says it: `/`, or of an IngressRoute what its rule says besides the host. */
  path: string
  backends: Backend[]
  /** Traefik's entry points; empty: all that are the default. */
  entryPoints: string[]
  /** What Traefik needs besides, as `NAMESPACE-NAME`, its own way to write it. */
  middlewares: string[]
  /** Of an Ingress. */
  className?: string
  /** The Secret with its certificate, as namespace/name; Traefik's default certificate where it names none. */
  secret?: string
}

/** A name that devices open, and every rule for it. */
export interface Host {
  name: string
  /** Below DOMAIN (or DOMAIN itself): then our DNS must lead it to Traefik. */
  ours: boolean
  /** The shortest path that is published: what is looked at. */
  path: string
  routes: Route[]
}

/** What publishes something that has no one name to be looked at. */
export interface Ignored {
  object: string
  why: string
}

/** Every host once, in alphabetical order. */
export function published(objects: readonly K8sObject[], domain: string): { hosts: Host[]; ignored: Ignored[] } {
  const routes: { host: string; route: Route }[] = []
  const ignored: Ignored[] = []
  for (const object of objects) {
    if (object.kind === 'Ingress') fromIngress(object, routes, ignored)
    if (object.kind === 'IngressRoute') fromIngressRoute(object, routes, ignored)
  }
  const byName = new Map<string, Route[]>()
  for (const { host, route } of routes) {
    if (isName(host)) byName.set(host, [...(byName.get(host) ?? []), route])
    else ignored.push({ object: `${route.kind} ${route.namespace}/${route.name}`, why: `${host} is no DNS name` })
  }
  const hosts = [...byName].map(([name, own]) => ({
    name,
    ours: name === domain || name.endsWith(`.${domain}`),
    path: own.map(({ path }) => (path.startsWith('/') ? path : '/')).sort((a, b) => a.length - b.length)[0] ?? '/',
    routes: own,
  }))
  return { hosts: hosts.sort((a, b) => a.name.localeCompare(b.name)), ignored }
}

const annotation = 'traefik.ingress.kubernetes.io/router'
const listed = (text = '') => text.split(',').flatMap(part => part.trim() || [])

function fromIngress(ingress: K8sObject, routes: { host: string; route: Route }[], ignored: Ignored[]): void {
  const { namespace = '', name, annotations = {} } = ingress.metadata
  const object = `Ingress ${nameOf(ingress)}`
  const className = textAt(ingress.spec, 'ingressClassName') ?? annotations['kubernetes.io/ingress.class']
  const rules = listAt(ingress.spec, 'rules')
  if (rules.length === 0) ignored.push({ object, why: 'it has a default backend only, and no host' })
  for (const rule of rules) {
    const host = textAt(rule, 'host')?.toLowerCase()
    if (host === undefined || host.startsWith('*')) {
      ignored.push({ object, why: host === undefined ? 'a rule of it is for any host' : `${host} is no single name` })
      continue
    }
    const tls = listAt(ingress.spec, 'tls').find(entry => listAt(entry, 'hosts').includes(host))
    const secret = textAt(tls, 'secretName')
    // An empty rule sends everything to the default backend; in a list of paths each is a route of its own.
    const paths = listAt(rule, 'http', 'paths')
    for (const path of paths.length ? paths : [{ backend: at(ingress.spec, 'defaultBackend') }]) {
      const service = textAt(path, 'backend', 'service', 'name')
      const port = at(path, 'backend', 'service', 'port', 'name') ?? at(path, 'backend', 'service', 'port', 'number')
      routes.push({
        host,
        route: {
          kind: 'Ingress',
          namespace,
          name,
          path: textAt(path, 'path') || '/',
          backends: service === undefined ? [] : [{ namespace, service, port: numberOrName(port) }],
          entryPoints: listed(annotations[`${annotation}.entrypoints`]),
          middlewares: listed(annotations[`${annotation}.middlewares`]).flatMap(text => {
            const [id = '', provider] = text.split('@')
            return provider === 'kubernetescrd' ? [id] : []
          }),
          ...(className === undefined ? {} : { className }),
          ...(secret === undefined ? {} : { secret: `${namespace}/${secret}` }),
        },
      })
    }
  }
}

function fromIngressRoute(object: K8sObject, routes: { host: string; route: Route }[], ignored: Ignored[]): void {
  const { namespace = '', name } = object.metadata
  const secret = textAt(object.spec, 'tls', 'secretName')
  for (const route of listAt(object.spec, 'routes')) {
    const match = textAt(route, 'match') ?? ''
    const { hosts, path, pattern } = readMatch(match)
    const from = `IngressRoute ${nameOf(object)}`
    if (pattern) ignored.push({ object: from, why: `${pattern} is no single name` })
    else if (hosts.length === 0) ignored.push({ object: from, why: `${match || 'a route without a rule'}: any host` })
    const backends = listAt(route, 'services').flatMap((service): Backend[] => {
      const of = textAt(service, 'name')
      // A TraefikService (`api@internal`, a weighted group) is Traefik's own.
      if (of === undefined || of.includes('@') || (textAt(service, 'kind') ?? 'Service') !== 'Service') return []
      const port = numberOrName(at(service, 'port'))
      return [{ namespace: textAt(service, 'namespace') ?? namespace, service: of, port }]
    })
    const middlewares = listAt(route, 'middlewares').flatMap(one => {
      const of = textAt(one, 'name')
      return of === undefined || of.includes('@') ? [] : [`${textAt(one, 'namespace') ?? namespace}-${of}`]
    })
    const entryPoints = listAt(object.spec, 'entryPoints').filter(one => typeof one === 'string')
    for (const host of hosts)
      routes.push({
        host,
        route: {
          kind: 'IngressRoute',
          ...{ namespace, name, path, backends, entryPoints, middlewares },
          ...(secret === undefined ? {} : { secret: `${namespace}/${secret}` }),
        },
      })
  }
}

/**
 * The hosts of a Traefik rule: Host(`a`), several of them, Host(`a`, `b`) as older versions wrote it. What is negated
 * publishes nothing. (https://doc.traefik.io/traefik/reference/routing-configuration/http/routing/rules-and-priority/)
 */
export function readMatch(match: string): { hosts: string[]; path: string; pattern?: string } {
  const matchers = [...match.matchAll(/(!?)\s*\b([A-Z]\w*)\(((?:`[^`]*`|"[^"]*"|[^()`"])*)\)/g)].map(
    ([whole, not, name, inside = '']) => ({
      ...{ whole: whole.trim(), name, not: not === '!' },
      values: [...inside.matchAll(/`([^`]*)`|"([^"]*)"/g)].map(([, a, b]) => a ?? b ?? ''),
    }),
  )
  const positive = matchers.filter(({ not }) => !not)
  const hosts = positive.filter(({ name }) => name === 'Host').flatMap(({ values }) => values)
  const pattern = positive.find(({ name }) => name === 'HostRegexp')?.whole
  const rest = matchers.filter(({ name }) => name !== 'Host' && name !== 'HostRegexp')
  const [first] = rest
  const plain = rest.length === 1 && first && !first.not && /^Path(Prefix)?$/.test(first.name ?? '')
  return {
    hosts: [...new Set(hosts.map(host => host.toLowerCase()))],
    path: rest.length === 0 ? '/' : plain ? (first.values[0] ?? '/') : rest.map(({ whole }) => whole).join(' '),
    ...(pattern === undefined ? {} : { pattern }),
  }
}

// The API server checks an Ingress's hosts, nobody those of a rule in a text (RFC 1123 section 2.1).
function isName(host: string): boolean {
  return host.length <= 253 && host.split('.').every(label => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))
}

function numberOrName(value: unknown): string | number | undefined {
  return typeof value === 'number' || typeof value === 'string' ? value : undefined
}
