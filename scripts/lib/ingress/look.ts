// Looks at published hosts as a device in the house does, all at once, each look with a deadline. Judges nothing.
import { randomBytes } from 'node:crypto'
import type { Outside, Seen } from '../outside/outside.ts'
import type { CertificateFacts } from '../outside/tls.ts'
import type { Host } from './hosts.ts'
import { openPage, type PageLook } from './page.ts'

/** Where to look, and what should be there. */
export interface Target {
  domain: string
  /** Traefik's address: where every host must lead. */
  traefik: string
  /** AdGuard's addresses. */
  resolvers: readonly string[]
  /** Whose certificates are right: those of this authority (PEM), or of the public ones when it is undefined. */
  ca?: string
  /** Certificates of Let's Encrypt's staging will do: it is a trial, and nobody trusts them. */
  staging?: true
}

export type Answer = Seen & { addresses: string[]; code?: number }
export interface DnsLook extends Answer {
  resolver: string
  protocol: 'udp' | 'tcp'
}

/** A look that is not there was not worth it: nothing answered on the way to it. */
export interface HostLook {
  host: Host
  dns: DnsLook[]
  tcp: Seen
  certificate?: Seen & { certificate?: CertificateFacts }
  redirect: Seen & { status?: number }
  page?: PageLook
}

/** What each AdGuard says of names that no host has. */
export interface ResolverLook {
  address: string
  /** A name below DOMAIN that nobody publishes, over UDP and TCP. */
  wildcard: DnsLook[]
  /** A name of the internet that always exists. */
  internet: Answer
  /** A name that cannot exist (RFC 6761 section 6.4). */
  nowhere: Answer
}

export interface Look {
  hosts: HostLook[]
  resolvers: ResolverLook[]
  /** The name that nobody publishes. */
  unpublished: string
  /** How long everything took. */
  ms: number
}

/**
 * Milliseconds. Connecting and the slowest page that follows it are under six seconds together. A connection in the
 * house takes one; two seconds leave room for a lost packet. Whoever answers
 * for the house in time and not for the internet waits for its upstreams.
 */
const limits = { dns: 2500, internet: 2500, connect: 2000, handshake: 3000, redirect: 3000, page: 3500 }

const internetName = 'example.com'

/**
 * @param progress told after each host how many are done
 */
export async function lookAtHosts(
  hosts: readonly Host[],
  target: Target,
  from: Outside,
  progress: (done: number) => void = () => {},
): Promise<Look> {
  const started = performance.now()
  const unpublished = `nobody-${randomBytes(4).toString('hex')}.${target.domain}`
  const names = new Set(hosts.map(host => host.name))
  const known = (name: string) => names.has(name) || name.endsWith(`.${target.domain}`)
  let done = 0
  const [looked, resolvers] = await Promise.all([
    Promise.all(
      hosts.map(async host => {
        const look = await lookAtHost(host, target, known, from)
        progress(++done)
        return look
      }),
    ),
    Promise.all(target.resolvers.map(address => lookAtResolver(address, unpublished, target, from))),
  ])
  return { hosts: looked, resolvers, unpublished, ms: Math.round(performance.now() - started) }
}

async function lookAtHost(
  host: Host,
  target: Target,
  known: (name: string) => boolean,
  from: Outside,
): Promise<HostLook> {
  const { name } = host
  const address = target.traefik
  const url = `http://${name}/`
  const dns = Promise.all(
    target.resolvers.flatMap(resolver =>
      // Of a foreign name nothing is expected, so one question is enough.
      host.ours
        ? (['udp', 'tcp'] as const).map(protocol => ask(name, resolver, protocol, from, target.traefik))
        : [ask(name, resolver, 'udp', from)],
    ),
  )
  const redirect = from.httpCheck({
    ...{ url, address, timeout: limits.redirect },
    expectRedirectTo: url.replace('http:', 'https:'),
  })
  const tcp = await from.tcpConnect(address, 443, { timeout: limits.connect })
  if (!tcp.ok && !tcp.notMeasurable) return { host, dns: await dns, tcp, redirect: await redirect }
  const certificate = lookAtCertificate(name, target, from)
  const page = openPage({ url: `https://${name}${host.path}`, address, known }, from, limits.page)
  return {
    ...{ host, tcp, dns: await dns, redirect: await redirect },
    ...{ certificate: await certificate, page: await page },
  }
}

async function lookAtCertificate(servername: string, { traefik, ca, staging }: Target, from: Outside) {
  const to = { address: traefik, port: 443, servername, timeout: limits.handshake }
  const { cause, fix, ...seen } = await from.tlsCheck({ ...to, ...(ca === undefined ? {} : { ca }) })
  const trial = staging && /not trusted here/.test(cause ?? '') && /^\(STAGING\)/.test(seen.certificate?.issuer ?? '')
  if (trial || cause === undefined) return { ...seen, ok: true }
  return { ...seen, cause, ...(fix === undefined ? {} : { fix }) }
}

async function ask(
  name: string,
  resolver: string,
  protocol: 'udp' | 'tcp',
  from: Outside,
  expect?: string,
  timeout = limits.dns,
): Promise<DnsLook> {
  const server = { address: resolver, protocol }
  const seen = await from.resolveName(name, server, { timeout, ...(expect === undefined ? {} : { expect }) })
  return { ...seen, resolver, protocol }
}

async function lookAtResolver(
  address: string,
  unpublished: string,
  target: Target,
  from: Outside,
): Promise<ResolverLook> {
  const far = `homelab-${randomBytes(4).toString('hex')}.invalid`
  const [udp, tcp, internet, nowhere] = await Promise.all([
    ask(unpublished, address, 'udp', from, target.traefik),
    ask(unpublished, address, 'tcp', from, target.traefik),
    ask(internetName, address, 'udp', from, undefined, limits.internet),
    ask(far, address, 'udp', from, undefined, limits.internet),
  ])
  return { address, wildcard: [udp, tcp], internet, nowhere }
}
