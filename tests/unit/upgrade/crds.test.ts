import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { K8sObject } from '../../../scripts/lib/k8s.ts'
import { compareCrd, fieldText, removedFields, uses } from '../../../scripts/lib/upgrade/crds.ts'

interface Version {
  served?: boolean
  storage?: boolean
  properties?: Record<string, unknown>
  open?: true
}

function crd(versions: Record<string, Version>, storedVersions: string[] = []): K8sObject {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'things.example.com' },
    spec: {
      versions: Object.entries(versions).map(([name, { served = true, storage = false, properties = {}, open }]) => ({
        ...{ name, served, storage },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties,
            ...(open ? { 'x-kubernetes-preserve-unknown-fields': true } : {}),
          },
        },
      })),
    },
    status: { storedVersions },
  }
}

test('an equal CRD is nothing, an absent one is new', () => {
  const same = crd({ v1: { storage: true, properties: { spec: { type: 'object' } } } }, ['v1'])
  assert.equal(compareCrd(same, same), undefined)
  assert.equal(compareCrd(undefined, same)?.kind, 'new')
})

test('versions that come and go are told by whether they are served', () => {
  const found = compareCrd(
    crd({ v1alpha1: {}, v1beta1: { storage: true } }, ['v1beta1']),
    crd({ v1alpha1: { served: false }, v1beta1: { storage: true }, v1: {} }),
  )
  assert.deepEqual([found?.added, found?.removed, found?.lost], [['v1'], ['v1alpha1'], []])
})

test('a version in which objects may still be stored, and which goes, is found by the status', () => {
  const found = compareCrd(
    crd({ v1beta1: {}, v1: { storage: true } }, ['v1beta1', 'v1']),
    crd({ v1: { storage: true } }),
  )
  assert.deepEqual(found?.lost, ['v1beta1'])
  assert.equal(found?.storage, 'v1')
  // Not served any more, but still read: nothing is lost.
  const kept = crd({ v1beta1: { served: false }, v1: { storage: true } })
  assert.deepEqual(compareCrd(crd({ v1beta1: {}, v1: { storage: true } }, ['v1beta1']), kept)?.lost, [])
})

test('removed fields are found through objects, lists and maps', () => {
  const text = { type: 'string' }
  const before = {
    properties: {
      kept: text,
      gone: text,
      list: { items: { properties: { a: text, b: text } } },
      map: { additionalProperties: { properties: { c: text } } },
      whole: { properties: { d: text } },
    },
  }
  const after = {
    properties: {
      kept: text,
      list: { items: { properties: { a: text } } },
      map: { additionalProperties: { properties: {} } },
      whole: { 'x-kubernetes-preserve-unknown-fields': true },
      added: text,
    },
  }
  assert.deepEqual(removedFields(before, after), [['gone'], ['list', '[]', 'b'], ['map', '*', 'c']])
  assert.deepEqual(removedFields(before, before), [])
  assert.equal(fieldText({ version: 'v1', path: ['list', '[]', 'b'] }), 'v1 list[].b')
})

test('fields of a version that is no longer served are not told apart from it', () => {
  const found = compareCrd(
    crd({ v1: { storage: true, properties: { a: {} } }, v1alpha1: { properties: { b: {} } } }, ['v1']),
    crd({ v1: { storage: true, properties: {} }, v1alpha1: { served: false } }),
  )
  assert.deepEqual(found?.fields, [{ version: 'v1', path: ['a'] }])
})

test('whether an object uses a field is seen in each entry', () => {
  const object = { spec: { list: [{ a: 1 }, { b: false }], map: { x: { c: null } } } }
  assert.equal(uses(object, ['spec', 'list', '[]', 'b']), true)
  assert.equal(uses(object, ['spec', 'list', '[]', 'z']), false)
  assert.equal(uses(object, ['spec', 'map', '*', 'c']), true)
  assert.equal(uses(object, ['spec', 'list', 'a']), false)
})
