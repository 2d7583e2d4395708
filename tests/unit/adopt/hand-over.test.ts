import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readApplication, readTracking } from '../../../scripts/lib/adopt/application.ts'
import { handOver, selectedValues } from '../../../scripts/lib/adopt/hand-over.ts'
import { at, type K8sObject } from '../../../scripts/lib/k8s.ts'

const application = readApplication({
  apiVersion: 'argoproj.io/v1alpha1',
  kind: 'Application',
  metadata: { name: 'traefik', namespace: 'argocd' },
  spec: {},
})

const settings = (data: Record<string, string>): K8sObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'argocd-cm' },
  data,
})

const from = (data: Record<string, string> = {}) => ({
  application,
  tracking: readTracking(settings(data)),
  listed: true,
})
const release = { release: { namespace: 'traefik', name: 'traefik' } }
const plain = { wantsLabel: false, selected: false }
const trackingId = 'argocd.argoproj.io/tracking-id'

function service(metadata: object): K8sObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'traefik', namespace: 'traefik', resourceVersion: '7', ...metadata },
  }
}

const marked = service({ annotations: { [trackingId]: 'traefik:/Service:traefik/traefik', mine: 'stays' } })

test('the mark goes, and Helm finds its own', () => {
  assert.deepEqual(handOver(marked, release, from(), plain), {
    metadata: {
      resourceVersion: '7',
      annotations: {
        [trackingId]: null,
        'meta.helm.sh/release-name': 'traefik',
        'meta.helm.sh/release-namespace': 'traefik',
      },
      labels: { 'app.kubernetes.io/managed-by': 'Helm' },
    },
  })
})

test('what no step makes loses the mark and nothing else', () => {
  const kept = service({
    annotations: {
      [trackingId]: 'traefik:/Service:traefik/traefik',
      'kubectl.kubernetes.io/last-applied-configuration': '{}',
    },
    managedFields: [{ manager: 'argocd-controller', operation: 'Update', fieldsV1: {} }],
  })
  assert.deepEqual(handOver(kept, undefined, from(), plain), {
    metadata: { resourceVersion: '7', annotations: { [trackingId]: null } },
  })
})

test('done once, there is nothing left to do', () => {
  const done = service({
    annotations: { 'meta.helm.sh/release-name': 'traefik', 'meta.helm.sh/release-namespace': 'traefik' },
    labels: { 'app.kubernetes.io/managed-by': 'Helm' },
    managedFields: [{ manager: 'helm', operation: 'Apply', fieldsV1: {} }],
  })
  assert.equal(handOver(done, release, from(), plain), undefined)
  assert.equal(handOver(service({}), 'step', from(), plain), undefined)
})

test('the common label goes only where Argo CD tracks by it, the chart does not set it, and nothing selects it', () => {
  const label = 'app.kubernetes.io/instance'
  const byLabel = service({ labels: { [label]: 'traefik' } })
  const labels = (object: K8sObject, data: Record<string, string>, asks: typeof plain) =>
    at(handOver(object, 'step', from(data), asks), 'metadata', 'labels')
  assert.deepEqual(labels(byLabel, {}, plain), { [label]: null })
  assert.equal(labels(byLabel, {}, { ...plain, selected: true }), undefined)
  assert.equal(labels(byLabel, {}, { ...plain, wantsLabel: true }), undefined)

  // By annotation, the label is the chart's own.
  const byAnnotation = service({
    labels: { [label]: 'traefik' },
    annotations: { [trackingId]: 'traefik:/Service:traefik/traefik' },
  })
  assert.equal(labels(byAnnotation, {}, plain), undefined)
  const both = { 'application.resourceTrackingMethod': 'annotation+label' }
  assert.deepEqual(labels(byAnnotation, both, plain), { [label]: null })
})

test('a label that is only Argo CDs own always goes', () => {
  const label = 'argocd.argoproj.io/instance'
  const one = service({ labels: { [label]: 'traefik' } })
  const patch = handOver(one, 'step', from({ 'application.instanceLabelKey': label }), {
    wantsLabel: true,
    selected: true,
  })
  assert.deepEqual(at(patch, 'metadata', 'labels'), { [label]: null })
})

test("Argo CD's fields become the new owner's, its status and everybody else's stay", () => {
  const others = [
    { manager: 'kube-controller-manager', operation: 'Update', subresource: 'status', fieldsV1: { 'f:status': {} } },
    { manager: 'argocd-controller', operation: 'Update', subresource: 'status', fieldsV1: { 'f:status': {} } },
  ]
  const one = service({
    annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
    managedFields: [
      ...others,
      { manager: 'argocd-controller', operation: 'Apply', apiVersion: 'v1', fieldsV1: { 'f:spec': { 'f:a': {} } } },
      { manager: 'argocd-controller', operation: 'Update', apiVersion: 'v1', fieldsV1: { 'f:spec': { 'f:b': {} } } },
    ],
  })
  const patch = handOver(one, 'step', from(), plain)
  assert.deepEqual(at(patch, 'metadata', 'managedFields'), [
    ...others,
    {
      manager: 'homelab',
      operation: 'Apply',
      apiVersion: 'v1',
      fieldsV1: { 'f:spec': { 'f:a': {}, 'f:b': {} } },
    },
  ])
  assert.deepEqual(at(patch, 'metadata', 'annotations'), { 'kubectl.kubernetes.io/last-applied-configuration': null })
})

test('a namespace keeps what others put on it', () => {
  const namespace: K8sObject = {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name: 'traefik',
      ...{ managedFields: [{ manager: 'argocd-controller', operation: 'Apply', fieldsV1: {} }] },
    },
  }
  assert.equal(handOver(namespace, 'step', from(), plain), undefined)
})

test('selectors are found in every form that they have', () => {
  const label = 'app.kubernetes.io/instance'
  const selecting = (spec: unknown, more: object = {}): K8sObject => ({ ...service({}), spec, ...more })
  const values = selectedValues(
    [
      selecting({ selector: { [label]: 'a' } }),
      selecting({ selector: { matchLabels: { [label]: 'b' } } }),
      selecting({ ingress: [{ from: [{ podSelector: { matchExpressions: [{ key: label, values: ['c', 'd'] }] } }] }] }),
      selecting(undefined, { webhooks: [{ namespaceSelector: { matchLabels: { [label]: 'e' } } }] }),
      selecting({ template: { metadata: { labels: { [label]: 'not selected' } } } }),
    ],
    label,
  )
  assert.deepEqual([...values].sort(), ['a', 'b', 'c', 'd', 'e'])
})
