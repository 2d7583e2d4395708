// Looks at real servers on loopback: DNS over UDP and TCP, TLS with certificates made by openssl, HTTP.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { outside } from '../../scripts/lib/outside/outside.ts'
import { temporaryFolder } from '../temporary.ts'
import { type Certificates, closedPort, dnsServer, listen, local, makeCertificates, secure } from './servers.ts'

const look = outside({})

// --- DNS ----------------------------------------------------------------------------------------------------------

/** What the test's DNS server does for the first label of the question. */
function reply(query: Buffer, protocol: 'udp' | 'tcp'): Buffer | undefined {
  const label = query.subarray(13, 13 + (query[12] ?? 0)).toString()
  const answer = Buffer.from(query)
  answer.writeUInt16BE(0x8180, 2)
  const code = (value: number) => answer.writeUInt16BE(0x8180 | value, 2)
  const record = (type: number, data: Buffer) => {
    const head = Buffer.from([0xc0, 0x0c, 0, type, 0, 1, 0, 0, 0, 60, 0, data.length]) // 0xc00c points at the question's name
    return Buffer.concat([head, data])
  }
  const withRecords = (...records: Buffer[]) => {
    answer.writeUInt16BE(records.length, 6)
    return Buffer.concat([answer, ...records])
  }
  const address = record(1, Buffer.from([192, 168, 77, 200]))
  switch (label) {
    case 'silent':
      return undefined
    case 'absent':
      code(3)
      return answer
    case 'broken':
      code(2)
      return answer
    case 'unwelcome':
      code(5)
      return answer
    case 'empty':
      return answer
    case 'stranger':
      answer.writeUInt16BE(query.readUInt16BE(0) ^ 1, 0)
      return withRecords(address)
    case 'alias':
      return withRecords(record(5, Buffer.from([1, 120, 0])), address)
    case 'large':
      if (protocol === 'tcp') return withRecords(address)
      answer.writeUInt16BE(0x8380, 2)
      return answer
    case 'damaged':
      return withRecords(address).subarray(0, -3)
    default:
      return withRecords(address)
  }
}

describe('resolveName', () => {
  let port = 0
  let udpOnly = 0
  before(async () => {
    port = await dnsServer(reply, { tcp: true })
    udpOnly = await dnsServer(reply, { tcp: false })
  })
  const ask = (label: string, protocol: 'udp' | 'tcp', at = port, expect?: string) =>
    look.resolveName(
      `${label}.lab.home.arpa`,
      { address: local, port: at, protocol },
      { timeout: 300, ...(expect ? { expect } : {}) },
    )

  for (const protocol of ['udp', 'tcp'] as const) {
    test(`gives the addresses over ${protocol}`, async () => {
      const seen = await ask('traefik', protocol, port, '192.168.77.200')
      assert.deepEqual([seen.ok, seen.addresses], [true, ['192.168.77.200']])
      assert.match(seen.detail, /traefik\.lab\.home\.arpa → 192\.168\.77\.200/)
    })
    test(`follows an alias over ${protocol}`, async () => {
      assert.deepEqual((await ask('alias', protocol)).addresses, ['192.168.77.200'])
    })
    for (const [label, cause, code] of [
      ['absent', /does not exist \(NXDOMAIN\)/, 3],
      ['broken', /SERVFAIL/, 2],
      ['unwelcome', /refuses to answer us \(REFUSED\)/, 5],
      ['empty', /exists, but has no IPv4 address/, 0],
      ['stranger', /wrong id/, undefined],
      ['damaged', /damaged/, undefined],
      ['silent', /no answer within 300 ms/, undefined],
    ] as const)
      test(`names it over ${protocol}: ${label}`, async () => {
        const seen = await ask(label, protocol)
        assert.deepEqual([seen.ok, seen.code], [false, code])
        assert.match(seen.cause ?? '', cause)
        assert.deepEqual(seen.addresses, [])
        assert.match(
          seen.fix ?? '',
          new RegExp(`^dig @127\\.0\\.0\\.1 -p ${port} ${protocol === 'tcp' ? '\\+tcp ' : ''}${label}`),
        )
      })
    test(`names it over ${protocol}: nothing listens`, async () => {
      const seen = await ask('traefik', protocol, await closedPort())
      assert.match(seen.cause ?? '', /connection refused/)
    })
  }
  test('an address, but not the one that should be there', async () => {
    const seen = await ask('traefik', 'udp', port, '192.168.77.201')
    assert.match(seen.cause ?? '', /leads to 192\.168\.77\.200 instead of 192\.168\.77\.201/)
  })
  test('a truncated datagram is asked again over TCP', async () => {
    const seen = await ask('large', 'udp')
    assert.deepEqual([seen.ok, seen.addresses], [true, ['192.168.77.200']])
    assert.match(seen.detail, /udp truncated, then tcp/)
  })
  test('truncated, and nobody answers over TCP', async () => {
    const seen = await ask('large', 'udp', udpOnly)
    assert.match(seen.cause ?? '', /over UDP the answer is truncated, and over TCP: nothing listens there/)
  })
  test('one lost datagram is no failure', async () => {
    const seen = await ask('traefik', 'udp', await dnsServer(reply, { tcp: false, loseFirst: true }))
    assert.equal(seen.ok, true)
    assert.ok(seen.ms >= 100, 'the first question was really lost')
  })
  test('a server that closes without an answer', async () => {
    const seen = await ask('traefik', 'tcp', await listen(createTcpServer(socket => socket.destroy())))
    assert.match(seen.cause ?? '', /closed the connection without an answer|broke the connection off/)
  })
  test('what is no name is refused before it is sent', async () => {
    await assert.rejects(look.resolveName('a..b', { address: local, port, protocol: 'udp' }), /not a DNS name/)
  })
})

describe('tcpConnect', () => {
  test('an open port', async () => {
    const port = await listen(createTcpServer(socket => socket.destroy()))
    assert.equal((await look.tcpConnect(local, port)).ok, true)
  })
  test('a closed port', async () => {
    const seen = await look.tcpConnect(local, await closedPort())
    assert.match(seen.cause ?? '', /connection refused/)
  })
})

// --- TLS ----------------------------------------------------------------------------------------------------------

describe('tlsCheck and httpCheck over TLS', secure, () => {
  const folder = temporaryFolder('tls')
  let made: Certificates
  before(() => {
    made = makeCertificates(folder)
  })

  const serve = (
    pair: { key: string; cert: string },
    listener: RequestListener = (_, response) => response.end('pong'),
  ) => listen(createHttpsServer(pair, listener))
  const check = async (
    pair: { key: string; cert: string },
    servername = 'argocd.lab.home.arpa',
    ca: string | undefined = made.ca,
  ) => look.tlsCheck({ address: local, port: await serve(pair), servername, ...(ca ? { ca } : {}) })

  test('a good certificate, with its facts', async () => {
    const seen = await check(made.good)
    assert.equal(seen.ok, true, seen.cause)
    assert.equal(seen.certificate?.issuer, 'homelab internal CA')
    assert.deepEqual(seen.certificate?.names, ['*.lab.home.arpa'])
    assert.equal(seen.certificate?.daysLeft, 9)
    assert.match(seen.certificate?.fingerprint ?? '', /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/)
    assert.match(seen.detail, /from homelab internal CA, 9 days left/)
  })
  test('a certificate without a subject', async () => {
    const seen = await check(made.bare)
    assert.equal(seen.ok, true, seen.cause)
    assert.equal(seen.certificate?.subject, '')
  })
  for (const [name, choose, cause] of [
    ['expired', (all: Certificates) => all.expired, /^the certificate expired on \d{4}-\d\d-\d\d$/],
    ['from a foreign authority', (all: Certificates) => all.foreign, /from another authority \(somebody else\)/],
    ['for another name', (all: Certificates) => all.other, /is for nas\.example\.org, not for argocd\.lab\.home\.arpa/],
    ['self-signed', (all: Certificates) => all.self, /^the certificate is self-signed$/],
    ["Traefik's own", (all: Certificates) => all.traefik, /Traefik shows its built-in certificate/],
  ] as const)
    test(`names it: ${name}`, async () => {
      const seen = await check(choose(made))
      assert.equal(seen.ok, false)
      assert.match(seen.cause ?? '', cause)
      assert.ok(seen.certificate, 'the facts are there all the same')
    })
  test('a wildcard covers one label, not two', async () => {
    assert.match((await check(made.good, 'a.b.lab.home.arpa')).cause ?? '', /not for a\.b\.lab\.home\.arpa/)
  })
  test('without our authority the certificate is not trusted', async () => {
    assert.match(
      (await check(made.good, 'argocd.lab.home.arpa', '')).cause ?? '',
      /not trusted here \(homelab internal CA\)/,
    )
  })
  test('what listens there does not speak TLS', async () => {
    const port = await listen(createHttpServer((_, response) => response.end()))
    const seen = await look.tlsCheck({ address: local, port, servername: 'x.lab.home.arpa' })
    assert.match(seen.cause ?? '', /does not speak TLS/)
  })
  test('a server that never shakes hands', async () => {
    const port = await listen(createTcpServer(socket => void socket.on('error', () => {}).unref()))
    const seen = await look.tlsCheck({ address: local, port, servername: 'x.lab.home.arpa', timeout: 200 })
    assert.match(seen.cause ?? '', /no answer within 200 ms/)
  })

  test('https to a given address, whatever the name resolves to here', async () => {
    let host: string | undefined
    let sni: string | undefined
    const port = await serve(made.good, (request, response) => {
      host = request.headers.host
      sni = (request.socket as { servername?: string }).servername
      response.end('pong')
    })
    const url = `https://argocd.lab.home.arpa:${port}/ping`
    const seen = await look.httpCheck({ url, address: local, ca: made.ca, expectBody: 'pong' })
    assert.deepEqual([seen.ok, seen.status, seen.body], [true, 200, 'pong'])
    assert.deepEqual([host, sni], [`argocd.lab.home.arpa:${port}`, 'argocd.lab.home.arpa'])
  })
  test('a certificate without a subject', async () => {
    const seen = await check(made.bare)
    assert.equal(seen.ok, true, seen.cause)
    assert.equal(seen.certificate?.subject, '')
  })
  for (const [name, choose, cause] of [
    ['expired', (all: Certificates) => all.expired, /expired/],
    ['foreign', (all: Certificates) => all.foreign, /not trusted here/],
    ['wrong name', (all: Certificates) => all.other, /not for argocd/],
  ] as const)
    test(`https refuses a certificate: ${name}`, async () => {
      const port = await serve(choose(made))
      const seen = await look.httpCheck({ url: `https://argocd.lab.home.arpa:${port}/`, address: local, ca: made.ca })
      assert.equal(seen.ok, false)
      assert.match(seen.cause ?? '', cause)
      const url = `https://argocd.lab.home.arpa:${port}/`
      assert.equal((await look.httpCheck({ url, address: local, ca: made.ca, anyCertificate: true })).ok, true)
    })
})

// --- HTTP ---------------------------------------------------------------------------------------------------------

describe('httpCheck', () => {
  const get = async (listener: RequestListener, wanted: Partial<Parameters<typeof look.httpCheck>[0]> = {}) => {
    const port = await listen(createHttpServer(listener))
    return look.httpCheck({ url: `http://argocd.lab.home.arpa:${port}/x`, address: local, timeout: 300, ...wanted })
  }
  const status = (code: number, headers: Record<string, string> = {}): RequestListener => {
    return (_, response) => response.writeHead(code, headers).end('text')
  }

  test('any answer below 300 will do', async () => {
    assert.equal((await get(status(204))).ok, true)
  })
  test('the wanted status', async () => {
    assert.equal((await get(status(401), { expectStatus: 401 })).ok, true)
    assert.match((await get(status(200), { expectStatus: 401 })).cause ?? '', /answers 200 instead of 401/)
  })
  test('an ingress without the host, and one without anybody behind it', async () => {
    assert.match((await get(status(404))).cause ?? '', /nobody there knows this host/)
    assert.match((await get(status(503))).cause ?? '', /nothing behind it does \(503\)/)
  })
  test('the wanted text', async () => {
    assert.equal((await get(status(200), { expectBody: 'ext' })).ok, true)
    assert.match((await get(status(200), { expectBody: 'pong' })).cause ?? '', /does not contain "pong"/)
  })
  test('a redirect to HTTPS is seen and not followed', async () => {
    const to = status(301, { location: 'https://argocd.lab.home.arpa/x' })
    const seen = await get(to, { expectRedirectTo: 'https://argocd.lab.home.arpa/x' })
    assert.equal(seen.ok, true)
    assert.match(seen.detail, /→ 301 https:\/\/argocd\.lab\.home\.arpa\/x/)
  })
  test('a redirect to somewhere else, and none at all', async () => {
    const wanted = { expectRedirectTo: 'https://argocd.lab.home.arpa/x' }
    assert.match(
      (await get(status(302, { location: '/login' }), wanted)).cause ?? '',
      /redirects to http:.*\/login instead of/,
    )
    assert.match((await get(status(200), wanted)).cause ?? '', /answers 200 itself instead of redirecting/)
  })
  test('a redirect that nobody expected', async () => {
    assert.match(
      (await get(status(307, { location: 'https://elsewhere/' }))).cause ?? '',
      /redirects to https:\/\/elsewhere\//,
    )
  })
  test('a redirect loop is seen at its first hop', async () => {
    const seen = await get((request, response) =>
      response.writeHead(301, { location: `http://${request.headers.host}/x` }).end(),
    )
    assert.match(seen.cause ?? '', /redirects to itself/)
  })
  test('any status, for who judges it by himself, and where it leads', async () => {
    const seen = await get(status(302, { location: '/login' }), { anyStatus: true })
    assert.deepEqual([seen.ok, seen.status], [true, 302])
    assert.match(seen.location ?? '', /^http:\/\/argocd\.lab\.home\.arpa:\d+\/login$/)
    assert.deepEqual(
      [(await get(status(503), { anyStatus: true })).ok, (await get(() => {}, { anyStatus: true })).ok],
      [true, false],
    )
  })
  test('a redirect to what is no address leads nowhere', async () => {
    assert.match((await get(status(302, { location: 'http://' }))).cause ?? '', /^it answers 302$/)
  })
  test('a server that never answers', async () => {
    const seen = await get(() => {})
    assert.match(seen.cause ?? '', /no answer within 300 ms/)
  })
  test('a server that stops in the middle', async () => {
    const seen = await get((_, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half')
      setTimeout(() => response.destroy(), 20)
    })
    assert.equal(seen.ok, false)
    assert.match(seen.cause ?? '', /broke the connection off|aborted/)
  })
  test('an endless answer is cut', async () => {
    const seen = await get((_, response) => {
      const more = setInterval(() => response.write('x'.repeat(16_384)), 1)
      response.on('close', () => clearInterval(more))
    })
    assert.deepEqual([seen.ok, seen.body?.length], [true, 65_536])
  })
})

// --- a rehearsal ---------------------------------------------------------------------------------------------------

describe('in a rehearsal', () => {
  const routes = join(temporaryFolder('routes'), 'routes.json')
  const rehearsal = outside({ sandbox: { routes } })

  test('an address leads to the program that stands for it, and only while it does', async () => {
    const address = '192.168.77.200'
    assert.equal(rehearsal.measurable(address, 80, 'tcp'), false, 'no file yet')
    const port = await listen(createHttpServer((request, response) => response.end(request.headers.host)))
    writeFileSync(routes, JSON.stringify({ [`${address}:80/tcp`]: `${local}:${port}` }))
    assert.equal(rehearsal.measurable(address, 80, 'tcp'), true)
    const seen = await rehearsal.httpCheck({
      url: 'http://traefik.lab.home.arpa/',
      address,
      expectBody: 'traefik.lab.home.arpa',
    })
    assert.equal(seen.ok, true, seen.cause)
    writeFileSync(routes, '{}')
    assert.equal(rehearsal.measurable(address, 80, 'tcp'), false)
  })
  test('protocols are told apart', async () => {
    const port = await dnsServer(reply, { tcp: false })
    writeFileSync(routes, JSON.stringify({ '192.168.77.201:53/udp': `${local}:${port}` }))
    const server = { address: '192.168.77.201' }
    assert.equal((await rehearsal.resolveName('a.lab.home.arpa', { ...server, protocol: 'udp' })).ok, true)
    const tcp = await rehearsal.resolveName('a.lab.home.arpa', { ...server, protocol: 'tcp' })
    assert.deepEqual([tcp.ok, tcp.notMeasurable], [false, true])
  })
  test('where nothing stands behind an address nothing is sent, whatever is asked', async () => {
    writeFileSync(routes, '{}')
    const address = '192.0.2.1' // of no network (RFC 5737): a packet to it would be lost and the look take its whole time
    const all = await Promise.all([
      rehearsal.tcpConnect(address, 443),
      rehearsal.tlsCheck({ address, port: 443, servername: 'x' }),
      rehearsal.httpCheck({ url: 'https://x.lab.home.arpa/', address }),
      rehearsal.resolveName('x.lab.home.arpa', { address, protocol: 'udp' }),
    ])
    for (const seen of all) assert.deepEqual([seen.ok, seen.notMeasurable, seen.ms], [false, true, 0])
  })
  test('on a real cluster everything can be measured', () => {
    assert.equal(look.measurable('192.168.1.200', 53, 'udp'), true)
  })
})
