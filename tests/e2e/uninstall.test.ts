// An owner takes the platform off again: what goes, what stays, and nothing left behind that blocks the cluster.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { K8sObject } from '../../scripts/lib/k8s.ts'
import { sandboxSwitch } from '../../scripts/lib/sandbox/cluster.ts'
import { Lab, sandboxFor } from './support.ts'

let lab: Lab
before(async () => {
  lab = new Lab(await sandboxFor('uninstall'))
  const { code, stdout } = await lab.run('bootstrap/bootstrap-all.ts')
  assert.equal(code, 0, stdout)
})
after(() => lab?.end())

const find = (ref: string) => lab.cluster.find(ref)
const names = async (kinds: string) => (await lab.cluster.list(kinds)).map(object => object.metadata.name)
const ours = new RegExp(
  '^(local-path-storage|metallb-system|adguard|traefik|cert-manager|cattle-system|argocd|' +
    'monitoring|node-exporter|loki|alloy|influxdb|velero|sealed-secrets|welcome)$',
)

interface PlanEvent {
  notices: string[]
  steps: { step: string; goes: string; stays: string[] }[]
}

async function plan(file: string, ...args: string[]): Promise<PlanEvent> {
  const { stdout, code, writes } = await lab.run(file, ['--uninstall', '--plan', ...args])
  assert.equal(code, 0, stdout)
  assert.deepEqual(writes, [])
  return JSON.parse(stdout) as PlanEvent
}

test('a plan says what goes and what stays, and writes nothing', async () => {
  const { steps, notices } = await plan('bootstrap/bootstrap-all.ts')
  assert.deepEqual(
    steps.map(one => one.step.slice(0, 2)),
    ['07', '06', '05', '04', '03', '02', '01'],
  )
  assert.deepEqual(notices, [])
  const adguard = steps.find(one => one.step === '03-adguard')
  assert.match(adguard?.stays.join() ?? '', /^2 volumes with their data and passwords: adguard\/data-adguard-0/)
  assert.doesNotMatch(adguard?.goes ?? '', /namespace/)
  assert.match(steps.find(one => one.step === '05-cert-manager')?.stays.join() ?? '', /the CA that your devices trust/)
})

test('a step that others need is announced', async () => {
  const { notices } = await plan('bootstrap/05-cert-manager.ts')
  assert.deepEqual(notices, [
    '06-rancher stays, and needs 05-cert-manager',
    '07-argocd stays, and needs 05-cert-manager', // it hands the CA to the applications
  ])
})

const pool: K8sObject = {
  apiVersion: 'metallb.io/v1beta1',
  kind: 'IPAddressPool',
  metadata: { name: 'cameras', namespace: 'metallb-system' },
  spec: { addresses: ['192.168.77.230-192.168.77.235'] },
}

test("a chart that would take the owner's own objects along is refused, before anything is touched", async () => {
  await lab.cluster.apply([pool], { manager: 'kubectl' })
  const { code, stdout, writes } = await lab.run('bootstrap/bootstrap-all.ts', ['--uninstall'])
  assert.equal(code, 2, stdout)
  assert.deepEqual(writes, [])
  const { problems } = JSON.parse(stdout) as { problems: { what: string; fix: string }[] }
  assert.equal(problems.length, 1, stdout)
  assert.equal(
    problems[0]?.what,
    '02-metallb: 1 IPAddressPool that no step made would be deleted: metallb-system/cameras',
  )
  assert.match(problems[0]?.fix ?? '', /--delete-crds$/)
  await lab.cluster.delete(pool)
})

const certificate: K8sObject = {
  apiVersion: 'cert-manager.io/v1',
  kind: 'Certificate',
  metadata: { name: 'nas', namespace: 'default' },
  spec: {
    secretName: 'nas',
    dnsNames: ['nas.lab.home.arpa'],
    issuerRef: { kind: 'ClusterIssuer', name: 'internal-ca' },
  },
}
// What a running Rancher makes besides its chart: a webhook for everything, and a finalizer on every namespace.
const webhook: K8sObject = {
  apiVersion: 'admissionregistration.k8s.io/v1',
  kind: 'ValidatingWebhookConfiguration',
  metadata: { name: 'rancher.cattle.io' },
  webhooks: [
    {
      name: 'rancher.cattle.io.namespaces',
      admissionReviewVersions: ['v1'],
      sideEffects: 'None',
      failurePolicy: 'Fail',
      clientConfig: { service: { namespace: 'cattle-system', name: 'rancher-webhook', path: '/v1/webhook' } },
      rules: [{ apiGroups: ['example.com'], apiVersions: ['*'], operations: ['*'], resources: ['*'] }],
    },
  ],
}
let passwordBefore: unknown

test('what does not end is named, also while the cluster itself says nothing of it', async () => {
  await sandboxSwitch(lab.sandbox, ['pod-delete'])
  const held = await lab.run('bootstrap/06-rancher.ts', ['--uninstall'], { env: { HOMELAB_PATIENCE: '4' } })
  assert.equal(held.code, 1, held.stdout)
  const problem = held.summary?.problems['06-rancher']
  assert.equal(problem?.what, 'Namespace cattle-system does not go away')
  assert.match(problem?.why ?? '', /pod rancher-\S+ is ending, it has 1 s for that/)
  const said = held.events.filter(({ event, text }) => event === 'doing' && text?.startsWith('waiting until'))
  assert.equal(said.length, new Set(said.map(({ text }) => text)).size, 'each is said once')
  await sandboxSwitch(lab.sandbox, [])
  assert.equal((await lab.run('bootstrap/06-rancher.ts', ['--uninstall'])).code, 0)
})

test('killed in the middle and run again, it ends with a cluster that nothing blocks', async () => {
  await lab.cluster.apply([certificate, webhook], { manager: 'kubectl' })
  const [space] = (await lab.cluster.list('namespaces')).filter(one => one.metadata.name === 'default')
  assert.ok(space, 'the namespace default')
  await lab.cluster.finalizers(space, ['controller.cattle.io/namespace-auth'])
  passwordBefore = (await find('secret/adguard/adguard-admin'))?.data

  const killed = await lab.run('bootstrap/bootstrap-all.ts', ['--uninstall'], {
    kill: { after: /"uninstalling cert-manager"/, signal: 'SIGKILL' },
  })
  assert.equal(killed.code, 137, killed.stdout)
  const { code, stdout } = await lab.run('bootstrap/bootstrap-all.ts', ['--uninstall'])
  assert.equal(code, 0, stdout)

  assert.deepEqual((await names('namespaces')).filter(name => ours.test(name)).sort(), ['adguard', 'cert-manager'])
  assert.deepEqual(await names('validatingwebhookconfigurations,mutatingwebhookconfigurations'), [])
  assert.deepEqual((await find('namespace/default'))?.metadata.finalizers ?? [], [])
  assert.deepEqual(await names('deployments.apps,statefulsets.apps,daemonsets.apps'), [])
  assert.deepEqual(await names('storageclasses'), [])
  // The owner's own certificate is there, with its kind; the other kinds are gone.
  assert.equal((await find('certificate.cert-manager.io/default/nas'))?.metadata.name, 'nas')
  assert.deepEqual(await names('customresourcedefinitions'), ['certificates.cert-manager.io'])
  assert.equal((await lab.cluster.list('persistentvolumeclaims', { namespace: 'adguard' })).length, 2)
})

test('what is gone already is nothing to do', async () => {
  const { code, writes, stdout } = await lab.run('bootstrap/bootstrap-all.ts', ['--uninstall'])
  assert.equal(code, 0, stdout)
  assert.deepEqual(writes, [])
})

test('installed again, it has the same CA, the same volumes and the passwords that fit them', async () => {
  const authority = (await find('secret/cert-manager/internal-ca'))?.data as Record<string, string>
  const { code, stdout } = await lab.run('bootstrap/bootstrap-all.ts')
  assert.equal(code, 0, stdout)
  const now = (await find('secret/cert-manager/internal-ca'))?.data as Record<string, string>
  assert.equal(now['tls.key'], authority['tls.key'])
  assert.deepEqual((await find('secret/adguard/adguard-admin'))?.data, passwordBefore)
})

test('volumes and foreign objects go when they are asked for', async () => {
  const args = ['--uninstall', '--delete-data', '--delete-crds']
  const { code, stdout } = await lab.run('bootstrap/bootstrap-all.ts', args)
  assert.equal(code, 0, stdout)
  assert.deepEqual(
    (await names('namespaces')).filter(name => ours.test(name)),
    [],
  )
  assert.deepEqual(await names('customresourcedefinitions,persistentvolumes'), [])
})

test('the provisioner that k3s brings is used and left, and a second run still changes nothing', async () => {
  const labels = { app: 'local-path-provisioner' }
  const container = { name: 'p', image: 'docker.io/rancher/local-path-provisioner:v0.0.37' }
  const marks = { 'objectset.rio.cattle.io/owner-name': 'local-storage' }
  const bundled: K8sObject[] = [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'local-path-provisioner', namespace: 'kube-system' },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container] } },
      },
    },
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: {
        name: 'local-path',
        annotations: { ...marks, 'storageclass.kubernetes.io/is-default-class': 'true', defaultVolumeType: 'local' },
      },
      ...{ provisioner: 'rancher.io/local-path', volumeBindingMode: 'WaitForFirstConsumer', reclaimPolicy: 'Delete' },
    },
  ]
  await lab.cluster.apply(bundled, { manager: 'deploy@server' })
  assert.equal((await lab.run('bootstrap/01-storage-class.ts')).code, 0)
  const second = await lab.run('bootstrap/01-storage-class.ts')
  assert.equal(second.summary?.changes, 0, second.stdout)
  assert.deepEqual(second.writes, [])

  const { code, stdout } = await lab.run('bootstrap/01-storage-class.ts', ['--uninstall', '--delete-data'])
  assert.equal(code, 0, stdout)
  assert.match(stdout, /k3s has brought it/)
  assert.ok(await find('storageclass/local-path'), 'the class that k3s has brought')
  assert.equal(await find('namespace/local-path-storage'), undefined)
})
