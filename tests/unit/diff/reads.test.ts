// Which files an Application is made of: what is left out here would not be rendered when it changes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fingerprint, ownSources, readsOf } from '../../../scripts/lib/diff/reads.ts'
import type { Side } from '../../../scripts/lib/diff/sides.ts'
import type { K8sObject } from '../../../scripts/lib/k8s.ts'

const here = { repoURL: 'https://git.lab.home.arpa/me/lab.git', targetRevision: 'main' }
const application = (spec: object, label = 'homelab/values'): K8sObject => ({
  apiVersion: 'argoproj.io/v1alpha1',
  kind: 'Application',
  metadata: { name: 'one', labels: { [label]: 'this-repository' } },
  spec,
})
const reads = (one: K8sObject) => readsOf(one, ownSources([one])).sort()

test('a chart reads its files of values by the name of the other source, and that source its folder', () => {
  const chart = { repoURL: 'https://charts.example.net', chart: 'loki', targetRevision: '1.0.0' }
  const helm = {
    valueFiles: ['$values/infrastructure/loki/values.yaml', '$values/env/*.yaml', 'inside-the-chart.yaml'],
    fileParameters: [{ name: 'a', path: '$values/infrastructure/loki/config.alloy' }],
  }
  const one = application({
    sources: [
      { ...chart, helm },
      { ...here, ref: 'values', path: 'infrastructure/loki/base' },
    ],
  })
  assert.deepEqual(reads(one), [
    'env',
    'infrastructure/loki/base',
    'infrastructure/loki/config.alloy',
    'infrastructure/loki/values.yaml',
  ])
})

test('a chart in this repository reads its values beside it, from the top, and through a variable anywhere', () => {
  const one = application(
    { source: { ...here, path: 'charts/mine', helm: { valueFiles: ['../../values/a.yaml', '/b.yaml', '$ENV.yaml'] } } },
    'homelab/source',
  )
  assert.deepEqual(reads(one), ['b.yaml', 'charts/mine', 'charts/mine', 'values/a.yaml'])
})

test('another repository, or another revision of this one, reads nothing here', () => {
  const other = application({
    sources: [
      { repoURL: 'https://elsewhere.example.net/x.git', targetRevision: 'main', path: 'a' },
      { ...here, ref: 'values' },
    ],
  })
  assert.deepEqual(reads(other), [])
})

const side = (files: Record<string, string>, outward: Record<string, string[]> = {}): Side => ({
  name: 'x',
  commit: 'x',
  files: new Map(Object.entries(files)),
  outward: new Map(Object.entries(outward)),
})

test('a folder differs with any file below it, and with what its kustomization names outside, by several steps', () => {
  const files = { 'a/kustomization.yaml': '1', 'b/kustomization.yaml': '2', 'c/x.yaml': '3', 'ab/y.yaml': '4' }
  const outward = { a: ['b'], b: ['c/x.yaml'] }
  const before = fingerprint(side(files, outward), ['a'])
  for (const [file, differs] of [
    ['c/x.yaml', true],
    ['b/kustomization.yaml', true],
    ['ab/y.yaml', false],
  ] as const) {
    const after = fingerprint(side({ ...files, [file]: 'other' }, outward), ['a'])
    assert.equal(after !== before, differs, file)
  }
})

test('a link may lead anywhere, so everything counts', () => {
  const files = { 'a/link': '120000 blob 1', 'far/away.yaml': '1' }
  assert.notEqual(fingerprint(side(files), ['a']), fingerprint(side({ ...files, 'far/away.yaml': '2' }), ['a']))
})
