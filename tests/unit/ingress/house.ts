// A house on loopback for the tests of test-ingress: two servers for names, and a stand-in for Traefik with real TLS.
import { writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { Snapshot } from '../../../scripts/lib/health/snapshot.ts'
import { findings, type World } from '../../../scripts/lib/ingress/findings.ts'
import { published } from '../../../scripts/lib/ingress/hosts.ts'
import { lookAtHosts, type Target } from '../../../scripts/lib/ingress/look.ts'
import type { K8sObject } from '../../../scripts/lib/k8s.ts'
import { outside } from '../../../scripts/lib/outside/outside.ts'
import { temporaryFolder } from '../../temporary.ts'
import { type Certificates, dnsServer, listen, local, makeCertificates, questionOf, type Reply } from '../servers.ts'

export const domain = 'lab.home.arpa'
export const traefik = '192.168.77.200'
export const resolvers = ['192.168.77.201', '192.168.77.202'] as const
export const site: World['site'] = {
  ...{ domain, traefikAddress: traefik, adguardAddresses: resolvers },
  ...{ dnsUpstreams: ['9.9.9.9', '1.1.1.1'], issuer: { name: 'internal-ca' } },
}

const folder = temporaryFolder('house')

let made: Certificates | undefined
export function certificates(): Certificates {
  made ??= makeCertificates(folder)
  return made
}

/** Addresses, a code of RFC 1035, or silence. */
export type Naming = string | number | undefined
/** What AdGuard answers in a healthy house. */
export function healthy(name: string): Naming {
  if (name === 'example.com') return '93.184.215.14'
  return name === domain || name.endsWith(`.${domain}`) ? traefik : 3
}

const naming =
  (answer: (name: string, protocol: 'udp' | 'tcp') => Naming): Reply =>
  (query, protocol) => {
    const said = answer(questionOf(query), protocol)
    if (said === undefined) return undefined
    const header = Buffer.from(query)
    header.writeUInt16BE(typeof said === 'number' ? 0x8180 | said : 0x8180, 2)
    if (typeof said === 'number') return header
    header.writeUInt16BE(1, 6)
    const record = [0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...said.split('.').map(Number)]
    return Buffer.concat([header, Buffer.from(record)])
  }

export interface House {
  /** What both servers for names say; `at` is the one that is asked. */
  names?: (name: string, at: string, protocol: 'udp' | 'tcp') => Naming
  /** Whether the first of them answers over TCP. */
  tcp?: boolean
  /** Which certificate a host is shown. */
  shown?: (host: string, all: Certificates) => { key: string; cert: string }
  /** What answers over HTTPS and over HTTP. */
  page?: RequestListener
  plain?: RequestListener
  /** Routes beside or instead of those of a healthy house, by `address:port/protocol`; undefined: not measurable. */
  routes?: Record<string, string | undefined>
}

/** Starts it, and gives the way to it. */
export async function build(house: House = {}) {
  const { names = healthy, tcp = true, routes = {}, shown = (_, all) => all.fresh } = house
  const page: RequestListener = house.page ?? ((_, response) => response.end('hello'))
  const plain: RequestListener =
    house.plain ??
    (({ headers, url }, response) => response.writeHead(301, { location: `https://${headers.host}${url}` }).end())
  const all = certificates()
  const secure = createHttpsServer(
    {
      ...all.fresh,
      SNICallback: (name, done) => done(null, createSecureContext(shown(name, all))),
    },
    page,
  )
  const [first, second, http, https] = await Promise.all([
    dnsServer(
      naming((name, protocol) => names(name, resolvers[0], protocol)),
      { tcp },
    ),
    dnsServer(
      naming((name, protocol) => names(name, resolvers[1], protocol)),
      { tcp: true },
    ),
    listen(createHttpServer(plain)),
    listen(secure),
  ])
  const nobody = `${local}:1` // port 1 (tcpmux): nothing has listened there for decades
  const file = join(folder, `routes-${https}.json`)
  writeFileSync(
    file,
    JSON.stringify({
      ...{ [`${resolvers[0]}:53/udp`]: `${local}:${first}`, [`${resolvers[1]}:53/udp`]: `${local}:${second}` },
      ...{ [`${resolvers[0]}:53/tcp`]: tcp ? `${local}:${first}` : nobody },
      ...{ [`${resolvers[1]}:53/tcp`]: `${local}:${second}` },
      ...{ [`${traefik}:80/tcp`]: `${local}:${http}`, [`${traefik}:443/tcp`]: `${local}:${https}` },
      ...routes,
    }),
  )
  return outside({ sandbox: { routes: file } })
}

/** Looks at the hosts of `objects` in a house, and gives what was seen and what is wrong. */
export async function test(
  house: House,
  objects: readonly K8sObject[],
  other: Partial<World> & { target?: Partial<Target> } = {},
) {
  const from = await build(house)
  const { hosts, ignored } = published(objects, domain)
  const target = { domain, traefik, resolvers, ca: certificates().ca, ...other.target }
  const look = await lookAtHosts(hosts, target, from)
  const world: World = { site, snapshot: new Snapshot(objects, { known }), networks: ['192.168.77.9/24'], ...other }
  const found = findings(look, world)
  return { look, ignored, found, said: found.map(({ level, what, why, fix }) => [level, what, why, fix]) }
}

export const known = [
  'Service',
  'EndpointSlice',
  'IngressClass',
  'Ingress',
  'IngressRoute',
  'Middleware',
  'Certificate',
  'ClusterIssuer',
]

// --- objects --------------------------------------------------------------------------------------------------------

export function object(
  kind: string,
  name: string,
  namespace: string | undefined,
  rest: Record<string, unknown>,
): K8sObject {
  return { apiVersion: 'v1', kind, metadata: { name, ...(namespace ? { namespace } : {}) }, ...rest }
}

/** An Ingress `NAME/NAME` for `NAME.lab.home.arpa`, which leads to a Service of the same name. */
export function ingress(
  name: string,
  spec: Record<string, unknown> = {},
  paths = ['/'],
  host = `${name}.${domain}`,
): K8sObject {
  const backend = { service: { name, port: { name: 'http' } } }
  const rules = [{ host, http: { paths: paths.map(path => ({ path, pathType: 'Prefix', backend })) } }]
  return object('Ingress', name, name, { spec: { ingressClassName: 'traefik', rules, ...spec } })
}

export function service(name: string, spec: Record<string, unknown> = {}): K8sObject {
  return object('Service', name, name, {
    spec: { selector: { app: name }, ports: [{ name: 'http', port: 80 }], ...spec },
  })
}

export function slice(name: string, ready = true, port = 'http'): K8sObject {
  return {
    ...object('EndpointSlice', `${name}-1`, name, { ports: [{ name: port }], endpoints: [{ conditions: { ready } }] }),
    metadata: { name: `${name}-1`, namespace: name, labels: { 'kubernetes.io/service-name': name } },
  }
}

/** Ingress, Service and a ready pod. */
export const app = (name: string): K8sObject[] => [ingress(name), service(name), slice(name)]

export function certificate(more: { status?: Record<string, unknown>; [key: string]: unknown } = {}): K8sObject {
  const { status, ...rest } = more
  return object('Certificate', 'wildcard', 'traefik', {
    spec: { secretName: 'wildcard', issuerRef: { kind: 'ClusterIssuer', name: 'internal-ca' } },
    status: {
      conditions: [{ type: 'Ready', status: 'True' }],
      renewalTime: new Date(Date.now() + 10 * 86_400_000).toISOString(),
      ...status,
    },
    ...rest,
  })
}

/** What every healthy cluster has. */
export const platform = (): K8sObject[] => [
  object('IngressClass', 'traefik', undefined, { spec: { controller: 'traefik.io/ingress-controller' } }),
  certificate(),
  ...(['traefik/traefik', 'adguard/adguard-0', 'adguard/adguard-1'] as const).flatMap((ref, i) => {
    const [namespace = '', name = ''] = ref.split('/')
    const balanced = object('Service', name, namespace, {
      spec: { type: 'LoadBalancer', selector: { app: name } },
      status: { loadBalancer: { ingress: [{ ip: [traefik, ...resolvers][i] }] } },
    })
    const pods = slice(name)
    return [balanced, { ...pods, metadata: { ...pods.metadata, namespace } }]
  }),
]
