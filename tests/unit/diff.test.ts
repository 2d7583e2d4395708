import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changes } from '../../scripts/lib/diff.ts'

test('fields that always move, and status, are no change', () => {
  const before = {
    metadata: { name: 'a', resourceVersion: '1', generation: 1, managedFields: [1] },
    status: { ready: 1 },
  }
  const after = {
    metadata: { name: 'a', resourceVersion: '2', generation: 2, managedFields: [2] },
    status: { ready: 2 },
  }
  assert.deepEqual(changes(before, after), [])
})

test('a changed, a new and a vanished field are named with both values', () => {
  const found = changes(
    { spec: { replicas: 1, old: 'x' }, metadata: { labels: { a: '1' } } },
    { spec: { replicas: 3 }, metadata: { labels: { a: '1', b: '2' } } },
  )
  assert.deepEqual(found, [
    { path: 'spec.replicas', from: '1', to: '3' },
    { path: 'spec.old', from: 'x', to: 'nothing' },
    { path: 'metadata.labels.b', from: 'nothing', to: '2' },
  ])
})

test('lists of one length are compared item by item, others as a whole', () => {
  assert.deepEqual(changes({ a: [{ x: 1 }] }, { a: [{ x: 2 }] }), [{ path: 'a[0].x', from: '1', to: '2' }])
  assert.deepEqual(changes({ a: [1] }, { a: [1, 2] }), [{ path: 'a', from: '[1]', to: '[1,2]' }])
})

test('a status below the top is a field like any other', () => {
  assert.equal(changes({ spec: { status: 'a' } }, { spec: { status: 'b' } }).length, 1)
})
