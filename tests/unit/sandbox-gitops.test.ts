// The pure parts of a GitOps rehearsal: waves, what is settled, its kinds, and the addresses of Ingresses.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { early, type State, stateOf } from '../../scripts/lib/sandbox/gitops/applications.ts'
import { bare } from '../../scripts/lib/sandbox/gitops/charts.ts'
import { due, type Ingress } from '../../scripts/lib/sandbox/ingress-status.ts'
import type { Pod } from '../../scripts/lib/sandbox/pod.ts'
import type { Service } from '../../scripts/lib/sandbox/proxy.ts'

const state = (name: string, wave: number, made: number, synced: number): State => ({
  ...{ name, wave, settled: true, stuck: false, why: '' },
  ...{ made: made * 1000, synced: synced * 1000 + 999 },
})

test('a wave begins when the ones before it are synced, by the second', () => {
  const keys = state('sealed-secrets', -20, 0, 5)
  assert.deepEqual(early([keys, state('monitoring', -10, 5, 9), state('loki', 0, 10, 12)]), [])
  assert.deepEqual(early([keys, state('monitoring', -10, 4, 9)]), [
    'monitoring (wave -10) was made before sealed-secrets (wave -20) was synced',
  ])
  assert.equal(early([state('sealed-secrets', -20, 0, Number.NaN), state('loki', 0, 3, 9)]).length, 1, 'never synced')
})

test('an application that is at an older commit is not settled', () => {
  const application = {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Application',
    metadata: { name: 'welcome', namespace: 'argocd', creationTimestamp: '2026-01-01T00:00:00Z' },
    status: { sync: { status: 'Synced', revision: 'a'.repeat(40) }, health: { status: 'Healthy' } },
  }
  assert.equal(stateOf(application).settled, true)
  assert.equal(stateOf(application, 'a'.repeat(40)).settled, true)
  assert.deepEqual(
    [stateOf(application, 'b'.repeat(40)).settled, stateOf(application, 'b'.repeat(40)).why],
    [false, 'welcome is Synced and Healthy, at an older commit'],
  )
})

test('a kind loses the sentences of its schema and nothing else; the largest keeps them', () => {
  const crd = `spec:
  versions:
  - additionalPrinterColumns:
    - description: how many are ready
      jsonPath: .status.ready
    schema:
      openAPIV3Schema:
        description: |-
          What it is.

          And: what it is not.
        properties:
          description:
            description: 'a field that is called so: it stays'
            type: string
          size:
            default: 1
            description: one line that goes on
              in the next
            type: integer
        type: object
`
  const without = crd
    .replace(/ {8}description: \|-\n.*\n\n.*\n/, '')
    .replace(/ {12}description: 'a.*\n/, '')
    .replace(/ {12}description: one.*\n.*\n/, '')
  assert.equal(bare(crd, 'monitoring.coreos.com_probes.yaml'), without)
  assert.match(without, /description: how many[\s\S]*properties:\n {10}description:\n {12}type: string/)
  assert.equal(bare(crd, 'monitoring.coreos.com_prometheuses.yaml'), crd)
})

test("an Ingress of Traefik's class gets its address, while Traefik is there, and once", () => {
  const metadata = { uid: 'u', namespace: 'traefik' }
  const pod = { metadata: { ...metadata, name: 'traefik-0' }, spec: { containers: [] } } as unknown as Pod
  const status = { loadBalancer: { ingress: [{ ip: '192.168.77.200' }] } }
  const service = { metadata: { ...metadata, name: 'traefik' }, spec: {}, status } as unknown as Service
  const ingress = (name: string, ingressClassName: string, more: object = {}) =>
    ({ metadata: { ...metadata, name }, spec: { ingressClassName }, ...more }) as unknown as Ingress
  const all = [ingress('new', 'traefik'), ingress('other', 'nginx'), ingress('done', 'traefik', { status })]
  const found = due(pod, [service], all)
  assert.deepEqual([found?.ip, found?.ingresses.map(one => one.metadata.name)], ['192.168.77.200', ['new']])
  assert.equal(due(undefined, [service], all), undefined, 'nobody is there to write it')
})
