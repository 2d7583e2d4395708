// The proposals of `make configure`: above all, that no proposed pool takes an address that something has.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { wrap } from '../../scripts/lib/configure/ask.ts'
import { parseArp } from '../../scripts/lib/configure/machine.ts'
import { conflicts, nodeNetwork, one, proposePool, rangeOf, type Taken } from '../../scripts/lib/configure/pool.ts'
import { distribution } from '../../scripts/lib/configure/survey.ts'
import { withValues } from '../../scripts/lib/site/env-write.ts'
import { parseKubeconfig, serverAddress } from '../../scripts/lib/site/kubeconfig.ts'
import {
  type AddressRange,
  contains,
  formatAddress,
  formatRange,
  isFlaw,
  overlaps,
  parseAddress,
} from '../../scripts/lib/site/network.ts'
import { random } from '../fixtures/random.ts'

const address = (text: string): number => parseAddress(text) ?? assert.fail(text)
const taken = (...texts: string[]): Taken[] =>
  texts.map(text => ({ what: text, range: rangeOf(text) ?? assert.fail(text) }))
/** The network of `192.168.1.20/28`. */
function networkOf(text: string): AddressRange {
  const [own = '', bits = ''] = text.split('/')
  const size = 2 ** (32 - Number(bits))
  const first = Math.floor(address(own) / size) * size
  return { first, last: first + size - 1, size }
}
/** What would be proposed, as text. */
function pool(nodes: string[], others: string[] = [], interfaces: string[] = []): string | undefined {
  const lan = nodeNetwork(nodes.map(address), interfaces.map(networkOf))
  const range = lan && proposePool(lan, address(nodes[0] ?? ''), taken(...nodes, ...others))
  return range && formatRange(range)
}

test('the pool is high in the network of the nodes', () => {
  assert.equal(pool(['192.168.1.11', '192.168.1.12']), '192.168.1.230-192.168.1.250')
  assert.equal(pool(['10.0.5.2']), '10.0.5.230-10.0.5.250')
})

test('what has an address is left out, and the block stays high and round where it can', () => {
  assert.equal(pool(['192.168.1.240']), '192.168.1.210-192.168.1.230')
  assert.equal(pool(['192.168.1.11'], ['192.168.1.230', '192.168.1.210']), '192.168.1.180-192.168.1.200')
  assert.equal(pool(['192.168.1.11'], ['192.168.1.100-192.168.1.250']), '192.168.1.70-192.168.1.90')
})

test('where there is little room it is smaller, and where there is none nothing is proposed', () => {
  assert.equal(pool(['192.168.1.11'], ['192.168.1.20-192.168.1.250']), '192.168.1.14-192.168.1.19')
  assert.equal(pool(['192.168.1.11'], ['192.168.1.2-192.168.1.250']), undefined)
})

test('a smaller or larger network is known from an interface that is in it', () => {
  assert.equal(pool(['192.168.1.18'], [], ['192.168.1.20/28']), '192.168.1.20-192.168.1.30')
  assert.equal(nodeNetwork([address('10.0.5.2')], [networkOf('10.0.9.7/16')])?.text, '10.0.0.0/16')
  assert.equal(pool(['10.0.5.2'], [], ['10.0.9.7/16']), '10.0.5.230-10.0.5.250')
  assert.deepEqual(nodeNetwork([address('192.168.1.2')], [networkOf('172.17.0.1/16')])?.assumed, true)
})

test('nodes with public or Tailscale addresses only have no network to propose from', () => {
  assert.equal(pool(['203.0.113.4']), undefined)
  assert.equal(nodeNetwork([address('100.64.0.3')], []), undefined)
  assert.equal(nodeNetwork([], [networkOf('192.168.1.20/24')]), undefined)
})

test('whatever is taken, a proposed pool is free, in the network, and without the addresses of routers', () => {
  const seed = Number(process.env.SEED) || 6
  const next = random(seed)
  const below = (n: number) => Math.floor(next() * n)
  let proposed = 0
  for (let round = 0; round < 3_000; round++) {
    const base = address(['192.168.7.0', '10.1.2.0', '172.20.3.0'][below(3)] ?? '')
    const bits = [16, 20, 22, 24, 25, 26, 28][below(7)] ?? 24
    const node = base + 2 + below(2 ** (32 - Math.max(bits, 24)) - 4)
    const lan = nodeNetwork([node], [networkOf(`${formatAddress(node)}/${bits}`)]) ?? assert.fail()
    const others = Array.from({ length: below(30) }, () => {
      const first = base + below(256)
      return { what: 'x', range: { first, last: Math.min(base + 255, first + below(40)), size: 1 } }
    })
    const all = [{ what: 'node', range: one(node) }, ...others]
    const range = proposePool(lan, node, all)
    if (!range) continue
    proposed++
    const said = `seed ${seed}, round ${round}: ${formatRange(range)} in ${lan.text}`
    assert.equal(range.size, range.last - range.first + 1, said)
    assert.ok(range.size >= 3, said)
    assert.deepEqual(conflicts(range, all), [], said)
    assert.ok(contains(lan.network, range.first) && contains(lan.network, range.last), said)
    for (const never of [0, 1, 251, 254, 255])
      assert.ok(!overlaps(range, one(Math.floor(range.first / 256) * 256 + never)), said)
  }
  assert.ok(proposed > 1_000, `${proposed} proposed`)
})

test('the neighbours are read as Linux writes them', () => {
  const arp = 'IP address HW type Flags HW address Mask Device\n'
  assert.deepEqual(
    parseArp(`${arp}192.168.1.7  0x1 0x2  aa:bb:cc:dd:ee:ff * eth0\n192.168.1.8 0x1 0x0 00:00:00:00:00:00 * eth0\n`),
    [address('192.168.1.7')],
  )
})

test('k3s and RKE2 are known by their version', () => {
  assert.deepEqual(['v1.36.1+k3s1', 'v1.36.1+rke2r1', 'v1.36.1'].map(distribution), ['k3s', 'RKE2', ''])
})

test('of a kubeconfig: where its contexts lead, whose login is a program, and what is none', () => {
  const config = parseKubeconfig(
    `{apiVersion: v1, kind: Config, current-context: a,
      clusters: [{name: c, cluster: {server: 'https://192.168.1.5:6443'}}],
      users: [{name: u, user: {exec: {command: x}}}],
      contexts: [{name: a, context: {cluster: c, user: u}}, {name: b, context: {cluster: gone}}]}`,
    '/k',
  )
  assert.ok(!isFlaw(config), 'it is one')
  assert.deepEqual(config.contexts, [
    { name: 'a', server: 'https://192.168.1.5:6443', runsProgram: true },
    { name: 'b', server: '', runsProgram: false },
  ])
  assert.equal(serverAddress(config.contexts[0]), address('192.168.1.5'))
  for (const text of ['', 'a: [', '\0', 'kind: Pod', `${'['.repeat(50_000)}`, 'a: &a [*a, *a]\nkind: 3'])
    assert.ok(isFlaw(parseKubeconfig(text, '/k')), text.slice(0, 20))
})

test('a value is set where its key stands; comments, order and everything else stay', () => {
  const before = '# mine\nexport B=1 # why\n\n# DOMAIN=my old one\n# RANCHER=true\nA="x" # note\n'
  assert.equal(
    withValues(before, { B: '2', DOMAIN: 'lab.home.arpa', RANCHER: 'false', A: 'y z', NEW: "it's" }),
    "# mine\nB=2 # why\n\n# DOMAIN=my old one\nDOMAIN=lab.home.arpa\nRANCHER=false\nA='y z' # note\nNEW=\"it's\"\n",
  )
  assert.equal(
    withValues('GIT_TOKEN=abc # x\n', { GIT_TOKEN: 'new' }),
    'GIT_TOKEN=new\n',
    'a # may be part of a secret',
  )
})

test('paragraphs fit their width', () => {
  assert.deepEqual(wrap('one two three', 8), ['one two', 'three'])
  assert.deepEqual(wrap('averylongword b', 4), ['averylongword', 'b'])
})
