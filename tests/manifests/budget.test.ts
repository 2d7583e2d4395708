// What the applications ask for, added up in each environment and held to the budget that an owner was told.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  at,
  formatQuantity,
  type K8sObject,
  listAt,
  numberAt,
  podRequests,
  quantity,
  textAt,
} from '../../scripts/lib/k8s.ts'
import { applicationObjects } from './application-objects.ts'
import { withEverything } from './rendered.ts'

interface Sum {
  cpu: number
  memory: number
  storage: number
}

/** The nodes that everything must fit on: three of 4 cores and 8 GiB. A DaemonSet is there three times. */
const nodes = 3

/**
 * At most so much of each: cores, memory, volumes. The first four are the roadmap's, of which Velero's volume is the S3
 * side's; Prometheus has 20 GiB there. What the roadmap does not name has a share of what is left of the nodes.
 */
const budget: Record<string, [cpu: string, memory: string, storage: string]> = {
  loki: ['200m', '256Mi', '50Gi'],
  influxdb: ['1', '2Gi', '100Gi'],
  velero: ['500m', '256Mi', '0'],
  'sealed-secrets': ['100m', '128Mi', '0'],
  monitoring: ['1500m', '3Gi', '32Gi'],
  blackbox: ['50m', '64Mi', '0'],
  alloy: ['600m', '768Mi', '0'],
  telegraf: ['200m', '256Mi', '0'],
  welcome: ['50m', '64Mi', '0'],
  falco: ['350m', '1Gi', '0'],
  gatekeeper: ['100m', '256Mi', '0'],
}

/** Of an application of the owner's own, who may give it what the nodes have. */
const own: [string, string, string] = ['1', '2Gi', '100Gi']

/** Together, beside the platform (Rancher and what it starts included) on 12 cores and 24 GiB. */
const together: Sum = { cpu: 6, memory: quantity('10Gi'), storage: quantity('260Gi') }

const resources = ['cpu', 'memory', 'storage'] as const

/** What one application asks for. */
function asked(application: K8sObject): Sum {
  return applicationObjects(application).map(sumOf).reduce(add, { cpu: 0, memory: 0, storage: 0 })
}

/** To a thousandth of a core: a sum of tenths is no whole number. */
const whole = (cpu: number): number => Math.round(cpu * 1000) / 1000

function sumOf(object: K8sObject): Sum {
  const { kind, spec } = object
  const size = (claim: unknown) => quantity(textAt(claim, 'spec', 'resources', 'requests', 'storage') ?? '0')
  if (kind === 'PersistentVolumeClaim') return { cpu: 0, memory: 0, storage: size(object) }
  const count = kind === 'DaemonSet' ? nodes : at(spec, 'replicas') === undefined ? 1 : numberAt(spec, 'replicas')
  // The operator makes the pods of these.
  if (kind === 'Prometheus' || kind === 'Alertmanager') {
    const { cpu = 0, memory = 0 } = podRequests({ containers: [{ resources: at(spec, 'resources') }] })
    const claim = at(spec, 'storage', 'volumeClaimTemplate')
    return { cpu: cpu * count, memory: memory * count, storage: size(claim) * count }
  }
  if (!/^(Deployment|StatefulSet|DaemonSet)$/.test(kind)) return { cpu: 0, memory: 0, storage: 0 }
  const { cpu = 0, memory = 0 } = podRequests(at(spec, 'template', 'spec'))
  const storage = listAt(spec, 'volumeClaimTemplates').reduce<number>((sum, claim) => sum + size(claim), 0)
  return { cpu: whole(cpu * count), memory: memory * count, storage: storage * count }
}

const add = (a: Sum, b: Sum): Sum => ({
  cpu: whole(a.cpu + b.cpu),
  memory: a.memory + b.memory,
  storage: a.storage + b.storage,
})

function over(name: string, sum: Sum, most: Sum): string[] {
  const shown = (resource: string, amount: number) =>
    formatQuantity(resource === 'storage' ? 'memory' : resource, amount)
  return resources.flatMap(resource =>
    sum[resource] > most[resource]
      ? [
          `${name} asks for ${resource} ${shown(resource, sum[resource])}, and may have ${shown(resource, most[resource])}`,
        ]
      : [],
  )
}

const limit = (name: string): Sum => {
  const [cpu, memory, storage] = budget[name] ?? own
  return { cpu: quantity(cpu), memory: quantity(memory), storage: quantity(storage) }
}

const environments = ['prod', 'staging', 'dev'].map(environment => ({
  environment,
  sums: withEverything(environment).map(one => ({ name: one.metadata.name, sum: asked(one) })),
}))
const total = (sums: { sum: Sum }[]) => sums.reduce((all, { sum }) => add(all, sum), { cpu: 0, memory: 0, storage: 0 })

for (const { environment, sums } of environments) {
  test(`${environment}: each application, and all together, within the budget`, () => {
    assert.deepEqual(
      [...sums.flatMap(({ name, sum }) => over(name, sum, limit(name))), ...over('everything', total(sums), together)],
      [],
    )
  })
}

test('staging and dev ask for no more than the house', () => {
  const [prod, ...others] = environments.map(({ environment, sums }) => ({ environment, sum: total(sums) }))
  for (const { environment, sum } of others) assert.deepEqual(over(environment, sum, prod?.sum ?? sum), [])
})

test('the check says who asks for too much', () => {
  const much = { cpu: 2, memory: quantity('1Gi'), storage: quantity('60Gi') }
  assert.deepEqual(over('loki', much, limit('loki')), [
    'loki asks for cpu 2 CPU, and may have 200m CPU',
    'loki asks for memory 1Gi, and may have 256Mi',
    'loki asks for storage 60Gi, and may have 50Gi',
  ])
  const object = (kind: string, spec: object) =>
    ({ apiVersion: 'v1', kind, metadata: { name: 'x' }, spec }) as K8sObject
  const pod = { containers: [{ resources: { requests: { cpu: '100m', memory: '64Mi' } } }] }
  assert.deepEqual(sumOf(object('DaemonSet', { template: { spec: pod } })), {
    cpu: 0.3,
    memory: 3 * quantity('64Mi'),
    storage: 0,
  })
  const resources = { requests: { cpu: '200m', memory: '1Gi' } }
  const storage = { volumeClaimTemplate: { spec: { resources: { requests: { storage: '20Gi' } } } } }
  assert.deepEqual(sumOf(object('Prometheus', { replicas: 1, resources, storage })), {
    ...{ cpu: 0.2, memory: quantity('1Gi'), storage: quantity('20Gi') },
  })
})
