// make proxmox against a node of the test's own: what it writes, what it leaves, and what it refuses.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { HomelabError } from '../../../scripts/lib/errors.ts'
import { shakeHands } from '../../../scripts/lib/proxmox/api.ts'
import { publishedAs } from '../../../scripts/lib/proxmox/command.ts'
import { step } from '../../../scripts/lib/proxmox/metric-server.ts'
import { markOf, type Registration, register } from '../../../scripts/lib/proxmox/register.ts'
import { Secret } from '../../../scripts/lib/secrets.ts'
import type { Proxmox } from '../../../scripts/lib/site/site.ts'
import { flaws } from '../../fixtures/proxmox-api.ts'
import { temporaryFolder } from '../../temporary.ts'
import { closedPort, makeCertificates, secure } from '../servers.ts'
import { type Node, node, tokenId, tokenSecret } from './node.ts'

const target = { host: 'influxdb.lab.home.arpa', port: 443, organization: 'homelab', bucket: 'proxmox' }
const token = new Secret('token-that-may-write-to-one-bucket-only==')

describe('make proxmox', secure, () => {
  const folder = temporaryFolder('proxmox')
  let certificates: ReturnType<typeof makeCertificates>
  before(() => {
    certificates = makeCertificates(folder)
  })

  async function lab(change: Partial<Proxmox> = {}): Promise<{ pve: Node; access: Proxmox; marks: string[] }> {
    const pve = await node(certificates.good)
    const { socket, fingerprint } = await shakeHands(pve.url)
    socket.destroy()
    const access = { url: pve.url, tokenId, tokenSecret: new Secret(tokenSecret), fingerprint, ...change }
    return { pve, access, marks: [] }
  }
  const run = ({ access, marks }: { access: Proxmox; marks: string[] }, plan = false, id = 'homelab') => {
    const given = marks.at(-1)
    const keep = async (mark: string) => {
      marks.push(mark)
    }
    return register(access, target, { id, plan, influx: { token, ...(given ? { given } : {}) }, keep })
  }
  const problem = async (running: Promise<Registration>): Promise<HomelabError> => {
    const error = await running.then(
      () => assert.fail('nothing was refused'),
      (error: unknown) => error,
    )
    assert.ok(error instanceof HomelabError, String(error))
    return error
  }

  test('a plan says what would be made, and only reads', async () => {
    const one = await lab()
    const { result, changes } = await run(one, true)
    assert.equal(result, 'created')
    assert.ok(changes.includes('server: influxdb.lab.home.arpa'), changes.join('\n'))
    assert.deepEqual(one.pve.requests, ['GET /cluster/metrics/server'])
    assert.equal(one.pve.entries.size, 0)
  })

  test('it is made as the API wants it, with the token, and a second run only reads', async () => {
    const one = await lab()
    assert.equal((await run(one)).result, 'created')
    assert.equal(one.pve.tokens.get('homelab'), token.reveal())
    const entry = one.pve.entries.get('homelab')
    assert.deepEqual(
      [entry?.type, entry?.influxdbproto, entry?.port, entry?.['verify-certificate']],
      ['influxdb', 'https', 443, '1'],
    )
    one.pve.requests.length = 0
    assert.deepEqual(await run(one), { id: 'homelab', result: 'unchanged', changes: [], notices: [] })
    assert.deepEqual(
      one.pve.requests.filter(line => !line.startsWith('GET')),
      [],
    )
  })

  test('a drifted entry is brought back, and what its owner added stays', async () => {
    const one = await lab()
    await run(one)
    Object.assign(one.pve.entries.get('homelab') ?? {}, {
      bucket: 'other',
      disable: 1,
      'api-path-prefix': 'x',
      'max-body-size': 1000,
    })
    const { result, changes } = await run(one)
    assert.equal(result, 'changed')
    assert.deepEqual(changes, ['bucket: other → proxmox', 'disable: 1 → 0', 'api-path-prefix: x → none'])
    const entry = one.pve.entries.get('homelab')
    assert.deepEqual(
      [entry?.bucket, entry?.['api-path-prefix'], entry?.['max-body-size']],
      ['proxmox', undefined, 1000],
    )
  })

  test('a new token in the cluster is handed on', async () => {
    const one = await lab()
    await run(one)
    one.marks.push('of an earlier token')
    const { changes } = await run(one)
    assert.deepEqual(changes, ['token: the one of the Secret influxdb/proxmox-token'])
    assert.equal(one.marks.at(-1), markOf(token, one.access, 'homelab'))
  })

  test('an entry of another kind with our name is left alone', async () => {
    const one = await lab()
    one.pve.entries.set('homelab', { type: 'graphite', server: 'x', port: 2003 })
    const error = await problem(run(one))
    assert.equal(error.code, 3)
    assert.match(error.what, /of another kind \(graphite\)/)
  })

  test('an entry with another name that sends to the same place is mentioned', async () => {
    const one = await lab()
    one.pve.entries.set('old', { type: 'influxdb', server: target.host, port: 443 })
    const { notices } = await run(one, true)
    assert.match(notices.join(), /the entry old sends to the same place/)
  })

  test('another certificate is refused, and the token does not leave this computer', async () => {
    const one = await lab({ fingerprint: 'AA:'.repeat(31).concat('AA') })
    const error = await problem(run(one))
    assert.equal(error.code, 3)
    assert.match(error.what, /another certificate than the one in PROXMOX_FINGERPRINT/)
    assert.deepEqual(one.pve.requests, [])
  })

  test('without a fingerprint nothing is sent either', async () => {
    const { pve, access, marks } = await lab()
    const { fingerprint: _, ...without } = access
    assert.equal((await problem(run({ access: without, marks }))).code, 3)
    assert.deepEqual(pve.requests, [])
  })

  test('a wrong token, and one without rights, are told apart', async () => {
    const wrong = await problem(run(await lab({ tokenSecret: new Secret('99999999-2222-4333-8444-555555555555') })))
    assert.match(wrong.what, /does not know the token homelab@pve!metrics/)
    const one = await lab()
    one.pve.mayWrite = false
    const weak = await problem(run(one))
    assert.match(weak.what, /may not do that/)
    assert.match(weak.why ?? '', /Sys\.Modify/)
    assert.match(weak.fix ?? '', /pveum acl modify/)
  })

  test('when Proxmox cannot reach InfluxDB, it says whether name or trust is the cause', async () => {
    const one = await lab()
    one.pve.unreached = "500 Can't connect to influxdb.lab.home.arpa:443 (certificate verify failed)"
    assert.match((await problem(run(one))).fix ?? '', /do not trust the lab's CA/)
    one.pve.unreached = "500 Can't connect to influxdb.lab.home.arpa:443 (Name or service not known)"
    assert.match((await problem(run(one))).fix ?? '', /must resolve and reach that name/)
    assert.equal(one.pve.entries.size, 0)
  })

  test('a node that is off is named with the cause', async () => {
    const one = await lab({ url: `https://127.0.0.1:${await closedPort()}` })
    assert.match((await problem(run(one))).what, /does not answer at/)
  })
})

test('each request that it can make passes the published schema, and a wrong one does not', () => {
  const found = { type: 'influxdb', server: 'a', port: 1, 'api-path-prefix': 'x' }
  for (const { method, parameters } of [
    step(undefined, target, 't'),
    step(found, target, 't'),
    step(found, target, undefined),
  ])
    assert.deepEqual(flaws(method ?? 'POST', 'homelab', new URLSearchParams(parameters)), {}, method)
  const wrong = new URLSearchParams({ type: 'influx', server: 'a b', port: '0', 'verify-ssl': '1' })
  assert.deepEqual(Object.keys(flaws('POST', 'h!', wrong)).sort(), ['id', 'port', 'server', 'type', 'verify-ssl'])
})

test('the host that Proxmox gets is the one under which InfluxDB is published, whatever site.yaml calls it', () => {
  const ingress = (name: string, host: string) => ({
    ...{ apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { name, namespace: 'influxdb' } },
    spec: { rules: [{ host }] },
  })
  assert.equal(publishedAs([ingress('mine', 'a.lab'), ingress('influxdb', 'tsdb.lab.net')]), 'tsdb.lab.net')
  assert.throws(() => publishedAs([]), /is not published/)
})
