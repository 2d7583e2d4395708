import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  contains,
  edgeAddresses,
  firstFree,
  formatAddress,
  formatRange,
  isFlaw,
  overlaps,
  parseAddress,
  parseDnsServer,
  parseRange,
  unusableOnLan,
} from '../../scripts/lib/site/network.ts'

const range = (text: string) => {
  const read = parseRange(text)
  assert.ok(!isFlaw(read), text)
  return read
}
const flaw = (text: string): string => {
  const read = parseRange(text)
  assert.ok(isFlaw(read), text)
  return read.problem
}

test('an address is four decimal numbers, and nothing that some parser would take too', () => {
  assert.equal(parseAddress('192.168.1.200'), 0xc0a801c8)
  assert.equal(parseAddress('255.255.255.255'), 0xffffffff)
  for (const text of [
    '192.168.1',
    '192.168.1.300',
    '192.168.01.1',
    '0x7f.1',
    '1',
    ' 10.0.0.1',
    '10.0.0.1\n',
    '::1',
    '1.2.3.4.5',
    '',
  ])
    assert.equal(parseAddress(text), undefined, text)
})

test('an address written out reads back as itself', () => {
  for (const number of [0, 1, 0x7fffffff, 0x80000000, 0xc0a80101, 0xffffffff])
    assert.equal(parseAddress(formatAddress(number)), number)
})

test('a range has three forms and one meaning', () => {
  for (const text of ['10.0.0.16-10.0.0.31', '10.0.0.16 - 10.0.0.31', '10.0.0.16-31', '10.0.0.16/28']) {
    assert.equal(formatRange(range(text)), '10.0.0.16-10.0.0.31', text)
    assert.equal(range(text).size, 16)
  }
  assert.equal(range('10.0.0.16').size, 1)
  assert.equal(range('192.168.0.250-192.168.1.10').size, 17)
})

test('a range that is none says why', () => {
  assert.match(flaw('10.0.0.31-10.0.0.16'), /start after end/)
  assert.match(flaw('10.0.0.31-16'), /start after end/)
  assert.match(flaw('10.0.0.1-10.0.0.2-10.0.0.3'), /3 parts/)
  assert.match(flaw('10.0.0.1-999'), /"10\.0\.0\.999" is not an IPv4 address|"999" is not an IPv4 address/)
  assert.match(flaw('10.0.0.0/33'), /\/33/)
  assert.match(flaw('10.0.0.0/'), /\//)
  assert.match(flaw('10.0.0.0/24/24'), /\/24\/24/)
  assert.match(flaw('10.0.0.1/24'), /begins at 10\.0\.0\.0/)
  assert.match(flaw('fd00::/64'), /IPv6/)
  assert.match(flaw(''), /not an IPv4 address/)
})

test('ranges overlap when they share one address', () => {
  const pool = range('10.0.0.10-20')
  assert.ok(overlaps(pool, range('10.0.0.20-30')))
  assert.ok(overlaps(range('10.0.0.0-255'), pool))
  assert.ok(!overlaps(pool, range('10.0.0.21-30')))
  assert.ok(contains(pool, pool.last))
  assert.ok(!contains(pool, pool.last + 1))
})

test('free addresses come in order, without the taken ones, and never from outside', () => {
  const pool = range('10.0.0.10-12')
  assert.deepEqual(firstFree(pool, 2).map(formatAddress), ['10.0.0.10', '10.0.0.11'])
  assert.deepEqual(firstFree(pool, 5, [pool.first + 1]).map(formatAddress), ['10.0.0.10', '10.0.0.12'])
})

test('addresses that end in .0 or .255 are found', () => {
  assert.deepEqual(edgeAddresses(range('10.0.0.1-254')), [])
  assert.deepEqual(edgeAddresses(range('10.0.0.250-10.0.1.5')).map(formatAddress), ['10.0.0.255', '10.0.1.0'])
  assert.deepEqual(edgeAddresses(range('10.0.0.0/24')).map(formatAddress), ['10.0.0.0', '10.0.0.255'])
})

test('only private addresses serve on a LAN', () => {
  const usable = (text: string) => unusableOnLan(parseAddress(text) ?? 0) === undefined
  for (const text of ['10.1.2.3', '172.16.0.1', '172.31.255.254', '192.168.0.1']) assert.ok(usable(text), text)
  for (const text of [
    '127.0.0.1',
    '169.254.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '0.0.0.0',
    '8.8.8.8',
    '172.32.0.1',
    '100.64.0.1',
    '198.18.0.1',
  ])
    assert.ok(!usable(text), text)
})

test('DNS servers are addresses of either kind', () => {
  assert.equal(parseDnsServer('9.9.9.9'), '9.9.9.9')
  assert.equal(parseDnsServer('2620:00fe:0:0::fe'), '2620:fe::fe')
  for (const text of ['dns.quad9.net', '9.9.9.9:53', '127.0.0.53', '::1', 'fe80::1', '0.0.0.0', '224.0.0.251', ''])
    assert.ok(isFlaw(parseDnsServer(text)), text)
})
