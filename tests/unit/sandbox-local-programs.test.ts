import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { adguardConfig, localProgramOf } from '../../scripts/lib/sandbox/local-programs.ts'
import { type Container, environment, ownArguments, type Pod, splitImage } from '../../scripts/lib/sandbox/pod.ts'
import { provisionerPod, volumeFor } from '../../scripts/lib/sandbox/provisioner.ts'

const pod = (...containers: Partial<Container>[]): Pod => ({
  metadata: { name: 'p', namespace: 'ns', uid: 'u' },
  spec: {
    nodeName: 'node-1',
    serviceAccountName: 'sa',
    containers: containers.map(one => ({ name: 'c', image: '', ...one })),
  },
})

test('an image is known by its name, whatever registry, tag or digest', () => {
  for (const [image, name] of [
    ['quay.io/metallb/controller:v0.16.2', 'metallb-controller'],
    ['registry.lan:5000/mirror/metallb/controller@sha256:abc', 'metallb-controller'],
    ['quay.io/jetstack/cert-manager-controller:v1.21.2', 'cert-manager-controller'],
    ['quay.io/jetstack/cert-manager-webhook:v1.21.2@sha256:abc', 'cert-manager-webhook'],
    ['quay.io/jetstack/cert-manager-cainjector', 'cert-manager-cainjector'],
    ['docker.io/adguard/adguardhome:v0.107.71', 'adguard'],
    ['adguard/adguardhome', 'adguard'],
    ['quay.io/metallb/speaker:v0.16.2', undefined],
    ['quay.io/jetstack/cert-manager-startupapicheck:v1.21.2', undefined],
    ['example.org/ingress/controller:v1', undefined],
  ] as const)
    assert.equal(localProgramOf(pod({ image: 'busybox' }, { image }))?.local.name, name, image)
  // One image, two programs: its arguments say which.
  const image = 'docker.io/openpolicyagent/gatekeeper:v3.23.1'
  for (const operation of ['webhook', 'audit'])
    assert.equal(
      localProgramOf(pod({ image, args: [`--operation=${operation}`] }))?.local.name,
      `gatekeeper-${operation}`,
    )
  assert.deepEqual(splitImage('registry.lan:5000/a/b'), { name: 'registry.lan:5000/a/b', tag: '' })
  assert.deepEqual(splitImage('a/b:v1@sha256:abc'), { name: 'a/b', tag: 'v1' })
})

test("a container's environment and arguments go along, its ports and folders do not", () => {
  const container: Container = {
    name: 'controller',
    image: 'x',
    env: [
      { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
      { name: 'LIMIT', valueFrom: {} },
      { name: 'PLAIN', value: 'a' },
    ],
    args: ['--port=9120', '--log-level=debug', '-cert-dir=/x', '--name=$(POD)', '--other=$(UNKNOWN)'],
  }
  const env = environment(pod(container), container)
  assert.deepEqual(env, { POD: 'p', NODE: 'node-1', PLAIN: 'a' })
  assert.deepEqual(ownArguments(container, env, ['port', 'cert-dir']), [
    '--log-level=debug',
    '--name=p',
    '--other=$(UNKNOWN)',
  ])
})

const seed = `# kept
http:
  address: 0.0.0.0:3000
users:
  - name: admin
    password: '@PASSWORD_HASH@'
dns:
  port: 5353
  bind_hosts: [0.0.0.0]
  upstream_dns: [9.9.9.9]
filtering:
  rewrites: [{ domain: '*.lab', answer: 192.168.77.200 }]
`

test('AdGuard is seeded once, on loopback, with the hash, and all else as it was', () => {
  const { text, ports } = adguardConfig(seed, undefined, '$2y$10$hash', { dns: 2001, http: 2002 })
  assert.deepEqual(parse(text), {
    http: { address: '127.0.0.1:2002' },
    users: [{ name: 'admin', password: '$2y$10$hash' }],
    dns: { port: 2001, bind_hosts: ['127.0.0.1'], upstream_dns: ['9.9.9.9'] },
    filtering: { rewrites: [{ domain: '*.lab', answer: '192.168.77.200' }] },
  })
  assert.deepEqual(ports, { '5353/tcp': 2001, '5353/udp': 2001, '3000/tcp': 2002 })
})

test('a restarted AdGuard keeps what its owner changed and only moves its ports', () => {
  const first = adguardConfig(seed, undefined, 'hash', { dns: 1, http: 2 })
  const changed = first.text.replace('9.9.9.9', '1.1.1.1')
  const { text, ports } = adguardConfig(seed, changed, 'another', { dns: 3, http: 4 })
  const config = parse(text) as { dns: { upstream_dns: string[]; port: number }; users: { password: string }[] }
  assert.deepEqual(config.dns.upstream_dns, ['1.1.1.1'])
  assert.equal(config.users[0]?.password, 'hash')
  assert.equal(config.dns.port, 3)
  assert.equal(ports['5353/udp'], 3, 'the container port is still that of the seed')
})

test('a volume is what local-path-provisioner makes: on that node, of the type the class asks for', () => {
  const claim = {
    metadata: { name: 'data', namespace: 'ns', uid: 'u', resourceVersion: '1' },
    spec: {
      storageClassName: 'local-path',
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '2Gi' } },
    },
  }
  const storageClass = {
    metadata: { name: 'local-path', uid: 's' },
    provisioner: 'rancher.io/local-path',
    reclaimPolicy: 'Retain',
  }
  type Made = { metadata: { name: string }; spec: Record<string, unknown> }
  const hostPath = volumeFor(claim, storageClass, 'node-2', '/opt/x') as Made
  assert.equal(hostPath.metadata.name, 'pvc-u')
  assert.deepEqual(hostPath.spec.hostPath, { path: '/opt/x/pvc-u_ns_data', type: 'DirectoryOrCreate' })
  assert.equal(hostPath.spec.persistentVolumeReclaimPolicy, 'Retain')
  assert.match(
    JSON.stringify(hostPath.spec.nodeAffinity),
    /"kubernetes.io\/hostname","operator":"In","values":\["node-2"\]/,
  )
  const annotated = {
    ...storageClass,
    metadata: { ...storageClass.metadata, annotations: { defaultVolumeType: 'local' } },
  }
  const local = volumeFor(claim, annotated, 'node-2', '/opt/x') as Made
  assert.deepEqual(local.spec.local, { path: '/opt/x/pvc-u_ns_data' })
  assert.equal(local.spec.hostPath, undefined)
})

test('the provisioner plays only while its pod is Ready', () => {
  const image = 'docker.io/rancher/local-path-provisioner:v0.0.37'
  const waiting = pod({ image })
  assert.equal(provisionerPod([waiting]), undefined)
  const ready: Pod = { ...waiting, status: { conditions: [{ type: 'Ready', status: 'True' }] } }
  assert.equal(provisionerPod([pod({ image: 'busybox' }), ready]), ready)
  const leaving = { ...ready, metadata: { ...ready.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } }
  assert.equal(provisionerPod([leaving]), undefined)
})

test('of one image with several programs, the first argument says which it is', () => {
  const image = 'quay.io/argoproj/argocd:v3.6.1'
  const local = (args: string[]) => localProgramOf(pod({ image, args }))?.local.name
  assert.equal(local(['/usr/local/bin/argocd-server', '--port=8080']), 'argocd-server')
  assert.equal(local(['/usr/local/bin/argocd-repo-server']), 'argocd-repo-server')
  assert.equal(local(['/usr/local/bin/argocd-application-controller']), 'argocd-application-controller')
  assert.equal(local(['/usr/local/bin/argocd-applicationset-controller']), undefined)
  assert.equal(local([]), undefined)
})

test("only Argo CD's own Redis is imitated", () => {
  const redis = pod({ image: 'docker.io/library/redis:8' })
  assert.equal(localProgramOf(redis)?.local.name, undefined)
  redis.metadata.labels = { 'app.kubernetes.io/part-of': 'argocd' }
  assert.equal(localProgramOf(redis)?.local.name, 'argocd-redis')
})
