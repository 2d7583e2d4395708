// Real servers on loopback for the tests of what looks from outside: DNS over UDP and TCP, TCP, certificates from openssl.
import { execFileSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'

export const local = '127.0.0.1'

export function portOf(server: { address(): AddressInfo | string | null }): number {
  return (server.address() as AddressInfo).port
}

/** The server's port, once it listens; it holds no process back that is done. */
export async function listen(server: Server, port = 0): Promise<number> {
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, local, resolve))
  server.unref()
  return portOf(server)
}

/** A port on which nothing listens: it was free a moment ago. */
export async function closedPort(): Promise<number> {
  const server = createTcpServer()
  const port = await new Promise<number>(resolve => server.listen(0, local, () => resolve(portOf(server))))
  await new Promise(resolve => server.close(resolve))
  return port
}

/** What a DNS server answers to a query; nothing: it is silent. */
export type Reply = (query: Buffer, protocol: 'udp' | 'tcp') => Buffer | undefined

/** The name that a query asks for. */
export function questionOf(query: Buffer): string {
  const labels: string[] = []
  for (let at = 12, length = query[at] ?? 0; length > 0; at += 1 + length, length = query[at] ?? 0)
    labels.push(query.subarray(at + 1, at + 1 + length).toString())
  return labels.join('.')
}

/** Listens for names over UDP and, on the same port, over TCP. */
export async function dnsServer(reply: Reply, options: { tcp: boolean; loseFirst?: boolean }): Promise<number> {
  const udp = createSocket('udp4').unref()
  let lost = !options.loseFirst
  udp.on('message', (query, from) => {
    if (!lost) {
      lost = true
      return
    }
    const answer = reply(query, 'udp')
    if (answer) udp.send(answer, from.port, from.address)
  })
  const bind = (port: number) =>
    new Promise<number>((resolve, reject) => {
      udp.once('error', reject).bind(port, local, () => resolve(udp.address().port))
    })
  if (!options.tcp) {
    // Below those that the system gives out: another test's TCP server could come to have the same number.
    for (let port = 12_000 + (process.pid % 8000); ; port += 1) {
      const bound = await bind(port).catch(() => undefined)
      if (bound !== undefined) return bound
    }
  }
  // A port that is free for one protocol can be taken for the other.
  for (;;) {
    const port = await listen(createTcpServer(socket => answerOverTcp(socket, reply)))
    const bound = await bind(port).catch(() => undefined)
    if (bound === undefined) continue
    return bound
  }
}

function answerOverTcp(socket: Socket, reply: Reply): void {
  socket.on('error', () => {})
  let received = Buffer.alloc(0)
  socket.on('data', chunk => {
    received = Buffer.concat([received, chunk])
    if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return
    const answer = reply(received.subarray(2), 'tcp')
    if (!answer) return
    const length = Buffer.alloc(2)
    length.writeUInt16BE(answer.length)
    // In pieces: a resolver must not take the first segment for the whole.
    socket.write(length)
    socket.write(answer.subarray(0, 5))
    setTimeout(() => socket.end(answer.subarray(5)), 20)
  })
}

/** Whether certificates can be made here. */
export let openssl = true
try {
  execFileSync('openssl', ['version'], { stdio: 'ignore' })
} catch {
  openssl = false
}

/** A small authority and leaves of it, made by openssl in a folder of its own. */
export function makeCertificates(folder: string) {
  const ssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  const read = (name: string) => readFileSync(join(folder, name), 'utf8')
  const authority = (name: string, cn: string) => {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${name}.key`]
    ssl('req', '-x509', ...key, '-out', `${name}.pem`, '-days', '30', '-subj', `/CN=${cn}`)
  }
  const leaf = (name: string, ca: string, san: string, days = 10, subject = `/CN=${san}`) => {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${name}.key`]
    ssl('req', ...key, '-out', `${name}.csr`, '-subj', subject, '-addext', `subjectAltName=DNS:${san}`)
    const signed = ['-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-copy_extensions', 'copy']
    ssl('x509', '-req', '-in', `${name}.csr`, ...signed, '-days', String(days), '-out', `${name}.pem`)
    return { key: read(`${name}.key`), cert: read(`${name}.pem`) }
  }
  const alone = (name: string, cn: string) => {
    authority(name, cn)
    return { key: read(`${name}.key`), cert: read(`${name}.pem`) }
  }
  authority('lab', 'homelab internal CA')
  authority('foreign', 'somebody else')
  return {
    ca: read('lab.pem'),
    good: leaf('good', 'lab', '*.lab.home.arpa'),
    // As cert-manager issues ours: the names stand in the extension, and there is no subject.
    fresh: leaf('fresh', 'lab', '*.lab.home.arpa', 60),
    bare: leaf('bare', 'lab', '*.lab.home.arpa', 10, '/'),
    expired: leaf('expired', 'lab', '*.lab.home.arpa', -1),
    foreign: leaf('stranger', 'foreign', '*.lab.home.arpa'),
    other: leaf('other', 'lab', 'nas.example.org'),
    self: alone('self', 'argocd.lab.home.arpa'),
    traefik: alone('traefik', 'TRAEFIK DEFAULT CERT'),
  }
}

export type Certificates = ReturnType<typeof makeCertificates>

/** For tests that need openssl. */
export const secure = { skip: openssl ? false : 'openssl is not installed: certificates cannot be made here' }
