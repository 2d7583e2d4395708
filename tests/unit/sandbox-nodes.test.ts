import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HomelabError } from '../../scripts/lib/errors.ts'
import { nodeAddress, nodeObjects, parseNodes } from '../../scripts/lib/sandbox/nodes.ts'

test('node sizes are read as an owner writes them', () => {
  const gi = 2 ** 30
  assert.deepEqual(parseNodes('4x8Gi 4x8Gi 2x4Gi'), [
    { cpu: 4, memory: 8 * gi },
    { cpu: 4, memory: 8 * gi },
    { cpu: 2, memory: 4 * gi },
  ])
  assert.deepEqual(parseNodes(' 2*1x512Mi,  8x1.5Gi '), [
    { cpu: 1, memory: gi / 2 },
    { cpu: 1, memory: gi / 2 },
    { cpu: 8, memory: 1.5 * gi },
  ])
  assert.equal(parseNodes('100*4x8Gi').length, 100)
  assert.equal(parseNodes().length, 3, 'three nodes unless said')
})

test('what is not a node size is refused by name, all at once', () => {
  for (const [text, named] of [
    ['4x8G 4x8Gi 8Gi', '4x8G, 8Gi'],
    ['0x8Gi', '0x8Gi'],
    ['4x100Mi', '4x100Mi'],
    ['0*4x8Gi', '0*4x8Gi'],
    ['4 x 8Gi', '4, x, 8Gi'],
    ['-4x8Gi', '-4x8Gi'],
  ] as const)
    assert.throws(
      () => parseNodes(text),
      (error: unknown) =>
        error instanceof HomelabError && error.code === 2 && error.what === `not a node size: ${named}`,
      text,
    )
  assert.throws(() => parseNodes('  '), /0 nodes/)
  assert.throws(() => parseNodes('201*4x8Gi'), /201 nodes/)
})

test('a node object says its size, keeps back what a kubelet keeps back, and has an address of its own', () => {
  const [node] = nodeObjects(parseNodes('4x8Gi'), 'v1.36.3') as [
    {
      status: {
        capacity: Record<string, string>
        allocatable: Record<string, string>
        addresses: { address: string }[]
      }
    },
  ]
  assert.equal(node.status.capacity.cpu, '4')
  assert.equal(node.status.capacity.memory, '8388608Ki')
  assert.equal(node.status.allocatable.memory, '8286208Ki')
  assert.equal(node.status.addresses[0]?.address, '192.168.77.11')
})

test('two hundred nodes have two hundred addresses, none of them in the pool 192.168.77.200-220', () => {
  const addresses = Array.from({ length: 200 }, (_, index) => nodeAddress(index))
  assert.equal(new Set(addresses).size, 200)
  for (const address of addresses) {
    const last = Number(address.split('.')[3])
    assert.ok(last > 0 && last < 255, address)
    assert.ok(!(address.startsWith('192.168.77.') && last >= 200 && last <= 220), address)
  }
})
