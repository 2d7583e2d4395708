// Looks at the lab as a device in the house does: DNS, TCP, TLS and HTTP. Reads only, and every look has a deadline.
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { performance } from 'node:perf_hooks'
import { askDns, networkCause } from './dns.ts'
import { request } from './http.ts'
import { type CertificateFacts, inspectTls } from './tls.ts'

/** What was seen. */
export interface Seen {
  ok: boolean
  /** How long the look took. */
  ms: number
  /** What was seen, for the line of a report. */
  detail: string
  cause?: string
  /** The next command. */
  fix?: string
  /** In a rehearsal no real program stands behind this address: neither right nor wrong. */
  notMeasurable?: true
}

type Protocol = 'udp' | 'tcp'

/** `192.168.77.201:53/udp` → `127.0.0.1:41234`: where, in a rehearsal, the program behind an address really listens. */
export type Routes = Record<string, string>

export interface Outside {
  /** Whether a look at this address can show anything. Always on a real cluster; in a rehearsal where a program stands behind it. */
  measurable(address: string, port: number, protocol: Protocol): boolean
  /** The IPv4 addresses of a name as this server gives them. `expect`: the one that must be among them. */
  resolveName(
    name: string,
    server: { address: string; port?: number; protocol: Protocol },
    options?: { expect?: string; timeout?: number },
  ): Promise<Seen & { addresses: string[]; code?: number }>
  tcpConnect(address: string, port: number, options?: { timeout?: number }): Promise<Seen>
  /** The server's certificate: it chains to `ca` (PEM), is for `servername`, and has not expired. */
  tlsCheck(to: {
    address: string
    port: number
    servername: string
    ca?: string
    timeout?: number
  }): Promise<Seen & { certificate?: CertificateFacts }>
  /** One GET. Without an expectation any status below 400 but no redirect is right. */
  httpCheck(to: {
    url: string
    /** Connect to this address, whatever the name resolves to here. */
    address?: string
    ca?: string
    expectStatus?: number
    expectRedirectTo?: string
    /** A text that must stand in the answer. */
    expectBody?: string
    /** Any answer is right: the caller judges it. */
    anyStatus?: true
    /** Whoever answers is heard: the certificate is looked at by itself, so that its fault does not hide another. */
    anyCertificate?: true
    timeout?: number
  }): Promise<Seen & { status?: number; body?: string; location?: string }>
}

const patience = 5000

/** The way out for one site: directly, or in a rehearsal (`routes` names a JSON file) to the local programs only. */
export function outside(site: { sandbox?: { routes: string } }): Outside {
  const file = site.sandbox?.routes
  // Read at each look: programs come and go with their pods.
  const real = (address: string, port: number, protocol: Protocol) => {
    if (file === undefined) return { address, port }
    const local = readRoutes(file)[`${address}:${port}/${protocol}`]
    const [, host = '', number = ''] = /^(.+):(\d+)$/.exec(local ?? '') ?? []
    return local === undefined ? undefined : { address: host, port: Number(number) }
  }

  return {
    measurable: (address, port, protocol) => real(address, port, protocol) !== undefined,

    async resolveName(name, server, { expect, timeout = patience } = {}) {
      const stop = clock()
      const { address, port = 53, protocol } = server
      const where = `${address}:${port}/${protocol}`
      const local = real(address, port, protocol)
      if (local === undefined) return { ...notMeasurable(where), addresses: [] }
      let answer = await askDns(name, { ...local, protocol }, timeout)
      let how: string = protocol
      if (answer.truncated) {
        // What every resolver does: a truncated datagram is asked again over TCP (RFC 7766 section 5).
        const tcp = real(address, port, 'tcp')
        how = 'udp truncated, then tcp'
        if (tcp) answer = await askDns(name, { ...tcp, protocol: 'tcp' }, timeout)
        if (answer.cause)
          answer = { ...answer, cause: `over UDP the answer is truncated, and over TCP: ${answer.cause}` }
      }
      const { addresses, cause } = answer
      const found = { addresses, ...(answer.code === undefined ? {} : { code: answer.code }) }
      const said = `${name} → ${addresses.join(', ') || 'nothing'} (${where}${how === protocol ? '' : `, ${how}`})`
      if (cause)
        return {
          ...bad(stop(), said, cause, `dig @${address} -p ${port} ${protocol === 'tcp' ? '+tcp ' : ''}${name}`),
          ...found,
        }
      if (expect !== undefined && !addresses.includes(expect))
        return {
          ...bad(
            stop(),
            said,
            `the name leads to ${addresses.join(', ')} instead of ${expect}`,
            './bootstrap/03-adguard.ts',
          ),
          ...found,
        }
      return { ok: true, ms: stop(), detail: said, ...found }
    },

    tcpConnect(address, port, { timeout = patience } = {}) {
      const where = `${address}:${port}/tcp`
      const local = real(address, port, 'tcp')
      if (local === undefined) return Promise.resolve(notMeasurable(where))
      const stop = clock()
      return new Promise(resolve => {
        const socket = connect({ host: local.address, port: local.port })
        const end = (cause?: string) => {
          clearTimeout(deadline)
          socket.destroy()
          resolve(
            cause === undefined ? { ok: true, ms: stop(), detail: `${where} answers` } : bad(stop(), where, cause),
          )
        }
        const deadline = setTimeout(() => end(`no answer within ${timeout} ms`), timeout)
        socket.on('connect', () => end())
        socket.on('error', error => end(networkCause(error)))
      })
    },

    async tlsCheck({ address, port, servername, ca, timeout = patience }) {
      const stop = clock()
      const local = real(address, port, 'tcp')
      if (local === undefined) return notMeasurable(`${address}:${port}/tcp`)
      const answer = await inspectTls({ ...local, servername, ...(ca === undefined ? {} : { ca }) }, timeout)
      const { certificate, cause } = answer
      const said = certificate
        ? `${servername}: from ${certificate.issuer}, ${certificate.daysLeft} days left`
        : `${servername} at ${address}:${port}`
      const seen = cause
        ? bad(stop(), said, cause, 'kubectl get certificates -A')
        : { ok: true, ms: stop(), detail: said }
      return { ...seen, ...(certificate ? { certificate } : {}) }
    },

    async httpCheck(wanted) {
      const stop = clock()
      const url = new URL(wanted.url)
      const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80)
      const address = wanted.address ?? url.hostname.replace(/^\[|\]$/g, '')
      const local = real(address, port, 'tcp')
      if (local === undefined) return notMeasurable(`${address}:${port}/tcp`)
      const { ca, anyCertificate = false } = wanted
      const to = { url, ...local, anyCertificate, ...(ca === undefined ? {} : { ca }) }
      const answer = await request(to, wanted.timeout ?? patience)
      if ('cause' in answer) return bad(stop(), wanted.url, answer.cause, `curl -v ${wanted.url}`)
      const { status, body, location } = answer
      const target =
        location !== undefined && URL.canParse(location, url.href) ? new URL(location, url).href : undefined
      const said = `${wanted.url} → ${status}${target ? ` ${target}` : ''}`
      const cause = whyUnexpected(wanted, url, answer.status, target, body)
      return {
        ...(cause ? bad(stop(), said, cause, `curl -v ${wanted.url}`) : { ok: true, ms: stop(), detail: said }),
        status,
        body,
        ...(target === undefined ? {} : { location: target }),
      }
    },
  }
}

function whyUnexpected(
  wanted: { expectStatus?: number; expectRedirectTo?: string; expectBody?: string; anyStatus?: true },
  url: URL,
  status: number,
  target: string | undefined,
  body: string,
): string | undefined {
  if (wanted.anyStatus) return undefined
  const redirected = status >= 300 && status < 400 && target !== undefined
  if (redirected && target === url.href) return 'it redirects to itself, for ever'
  if (wanted.expectRedirectTo !== undefined) {
    if (!redirected) return `it answers ${status} itself instead of redirecting to ${wanted.expectRedirectTo}`
    return target === new URL(wanted.expectRedirectTo).href
      ? undefined
      : `it redirects to ${target} instead of ${wanted.expectRedirectTo}`
  }
  if (wanted.expectStatus !== undefined ? status !== wanted.expectStatus : status >= 300) {
    if (redirected) return `it redirects to ${target}`
    return statusCause(status, wanted.expectStatus)
  }
  if (wanted.expectBody !== undefined && !body.includes(wanted.expectBody))
    return `the answer does not contain ${JSON.stringify(wanted.expectBody)}: something else answers there`
  return undefined
}

/** What a status that nobody wanted says of the way to it. */
export function statusCause(status: number, wanted?: number): string {
  if (status === 404) return 'nobody there knows this host or path (404)'
  if (status === 502 || status === 503 || status === 504)
    return `the ingress answers, but nothing behind it does (${status})`
  return `it answers ${status}${wanted === undefined ? '' : ` instead of ${wanted}`}`
}

function readRoutes(file: string): Routes {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Routes
  } catch {
    return {} // not written yet, or being written: nothing is behind any address
  }
}

function clock(): () => number {
  const start = performance.now()
  return () => Math.round(performance.now() - start)
}

function bad(ms: number, detail: string, cause: string, fix?: string): Seen {
  return { ok: false, ms, detail, cause, ...(fix === undefined ? {} : { fix }) }
}

function notMeasurable(where: string): Seen {
  return {
    ok: false,
    ms: 0,
    detail: `${where}: not measurable here`,
    cause: 'in a rehearsal no real program stands behind this address',
    notMeasurable: true,
  }
}
