// Every workload says what it needs; those of ours also take no more rights than they need.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { type K8sObject, mapAt, nameOf, podRequests } from '../../scripts/lib/k8s.ts'
import { changed } from './changed.ts'
import { applicationManifests, platformManifests, releases, rendered } from './rendered.ts'
import { hardeningFlaws, isWorkload, resourceFlaws } from './workload-flaws.ts'

const manifests = [...platformManifests(), ...applicationManifests()]
const ours = manifests.filter(isWorkload)
const theirs = (await Promise.all(releases.map(rendered))).flat().filter(isWorkload)
// Rancher's hooks run for seconds, and its chart takes no resources for them.
const hooksWithoutResources = ['rancher-pre-upgrade', 'rancher-post-delete']
const flaws = (objects: readonly K8sObject[], check: (object: K8sObject) => string[]) =>
  objects.flatMap(object => check(object).map(flaw => `${object.kind} ${nameOf(object)}: ${flaw}`))

test('there are workloads to look at', () => {
  assert.deepEqual(ours.map(nameOf).sort(), [
    'adguard/adguard',
    'influxdb/influxdb-setup',
    'local-path-storage/local-path-provisioner',
    'monitoring/adguard-exporter',
    'welcome/welcome',
  ])
  assert.ok(theirs.length >= 14, `only ${theirs.length} of charts`)
})

test('every workload has requests, limits and pinned images', () => {
  const judged = [...ours, ...theirs].filter(({ metadata }) => !hooksWithoutResources.includes(metadata.name))
  assert.deepEqual(flaws(judged, resourceFlaws), [])
})

test('every workload of ours has probes and the least rights', () => {
  assert.deepEqual(flaws(ours, hardeningFlaws), [])
})

test("the provisioner's helper pod, a template inside a ConfigMap, has requests, limits and a pinned image", () => {
  const config = manifests.find(({ metadata }) => metadata.name === 'local-path-config')
  const pod = parse(mapAt(config, 'data')['helperPod.yaml'] ?? '')
  assert.deepEqual(resourceFlaws({ ...pod, spec: { template: { spec: pod.spec } } }), [])
})

test('all that the platform requests on three nodes is at most 2 CPU and 4 GiB', () => {
  const sum = { cpu: 0, memory: 0 }
  for (const object of [...ours, ...theirs]) {
    const copies =
      object.kind === 'DaemonSet'
        ? 3
        : object.kind === 'Job'
          ? 0
          : Number((object.spec as { replicas?: number }).replicas ?? 1)
    const { cpu = 0, memory = 0 } = podRequests((object.spec as { template: { spec: unknown } }).template.spec)
    sum.cpu += cpu * copies
    sum.memory += memory * copies
  }
  assert.ok(sum.cpu <= 2, `${sum.cpu} CPU requested`)
  assert.ok(sum.memory <= 4 * 2 ** 30, `${Math.round(sum.memory / 2 ** 20)} MiB requested`)
})

const [adguard] = ours.filter(({ metadata }) => metadata.name === 'adguard')
const [provisioner] = ours.filter(({ metadata }) => metadata.name === 'local-path-provisioner')
const container = ['spec', 'template', 'spec', 'containers', 0]
const cases: [path: (string | number)[], value: unknown, expected: string][] = [
  [[...container, 'resources', 'limits'], undefined, 'local-path-provisioner has no limits.cpu'],
  [[...container, 'resources', 'requests', 'memory'], undefined, 'local-path-provisioner has no requests.memory'],
  [
    [...container, 'image'],
    'docker.io/rancher/local-path-provisioner',
    'local-path-provisioner: the image docker.io/rancher/local-path-provisioner is not pinned to a version',
  ],
  [
    [...container, 'image'],
    'rancher/local-path-provisioner:latest',
    'local-path-provisioner: the image rancher/local-path-provisioner:latest is not pinned to a version',
  ],
  [
    [...container, 'image'],
    'registry:5000/x:v1',
    'local-path-provisioner: the image registry:5000/x:v1 is not pinned to a version',
  ],
  [[...container, 'securityContext', 'capabilities', 'drop'], ['NET_RAW'], 'local-path-provisioner keeps capabilities'],
  [
    [...container, 'securityContext', 'readOnlyRootFilesystem'],
    false,
    'local-path-provisioner may write to its root file system',
  ],
  [
    [...container, 'securityContext', 'allowPrivilegeEscalation'],
    undefined,
    'local-path-provisioner may escalate its privileges',
  ],
  [['spec', 'template', 'spec', 'securityContext', 'runAsNonRoot'], undefined, 'it may run as root'],
  [['spec', 'template', 'spec', 'securityContext', 'seccompProfile'], undefined, 'it has no seccomp profile'],
]
for (const [path, value, expected] of cases)
  test(`the check says: ${expected}`, () => {
    assert.ok(provisioner)
    const broken = changed(provisioner, path, value)
    assert.ok([...resourceFlaws(broken), ...hardeningFlaws(broken)].includes(expected))
  })

test('the check says: adguard has no livenessProbe', () => {
  assert.ok(adguard, 'adguard is among ours')
  assert.ok(
    hardeningFlaws(changed(adguard, [...container, 'livenessProbe'], undefined)).some(flaw =>
      /has no livenessProbe$/.test(flaw),
    ),
    'named',
  )
})
