// An owner comes from the layout in which Argo CD owned the platform: make adopt, against the real Argo CD.
import assert from 'node:assert/strict'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import type { HomelabError } from '../../scripts/lib/errors.ts'
import { at, type K8sObject, nameOf, textAt } from '../../scripts/lib/k8s.ts'
import { ensureExtra } from '../../scripts/lib/sandbox/extra-build.ts'
import { createReport } from '../../scripts/lib/sandbox/report.ts'
import { OlderLayout } from './older-layout.ts'
import { checkout, Lab, sandboxFor } from './support.ts'

const built = await ensureExtra('argocd', createReport()).then(
  () => undefined,
  (error: HomelabError) => `Argo CD is not built and cannot be: ${error.what}`,
)
/** A test that needs Argo CD; without it one line says so for all of them. */
const story = (name: string, body: () => Promise<void>): void => {
  if (built === undefined) void test(name, body)
}
if (built !== undefined) test('make adopt against the real Argo CD', { skip: built }, () => {})

let lab: Lab
let older: OlderLayout
/** Everything of the platform as it was while Argo CD had it: `Kind namespace/name` → UID. */
let uids: Map<string, string>
let pods: Map<string, string>
const platform = /^(local-path-storage|metallb-system|traefik|argocd)$/
const kinds =
  'namespaces,serviceaccounts,configmaps,services,deployments.apps,statefulsets.apps,daemonsets.apps,clusterroles.rbac.authorization.k8s.io,roles.rbac.authorization.k8s.io,customresourcedefinitions.apiextensions.k8s.io,persistentvolumeclaims,persistentvolumes'

async function identities(kindNames: string): Promise<Map<string, string>> {
  const objects = await lab.cluster.list(kindNames)
  return new Map(objects.map(one => [`${one.kind} ${nameOf(one)}`, one.metadata.uid ?? '']))
}

/** Of the pods that workloads keep; those of Jobs come and go. */
async function livingPods(): Promise<Map<string, string>> {
  const found = (await lab.cluster.list('pods')).filter(
    ({ metadata }) =>
      platform.test(metadata.namespace ?? '') && !metadata.ownerReferences?.some(owner => owner.kind === 'Job'),
  )
  return new Map(found.map(one => [nameOf(one), one.metadata.uid ?? '']))
}

const applications = async () =>
  (await lab.cluster.list('applications.argoproj.io')).map(({ metadata }) => metadata.name).sort()

const claim: K8sObject = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'certificates', namespace: 'traefik' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
}

before(async () => {
  if (built !== undefined) return
  lab = new Lab(await sandboxFor('adopt', { extras: ['argocd'] }))
  older = new OlderLayout(lab.sandbox, lab.cluster)
  await older.install([
    older.chart('metallb', 'metallb', 'metallb-system'),
    older.chart('traefik', 'traefik', 'traefik'),
    older.chart('argocd', 'argo-cd', 'argocd'), // it manages itself
    older.application('local-path', 'local-path', 'local-path-storage'),
    older.application('extras', 'extras', 'extras'), // nothing of the platform: stays Argo CD's
  ])
  const parent = older.application('root', 'apps', 'argocd')
  await lab.cluster.apply([parent], { manager: 'kubectl', patience: 30 })
  await older.synced('root', 'metallb', 'traefik', 'argocd', 'local-path', 'extras')
  await lab.cluster.apply([claim], { manager: 'kubectl' })
  uids = await identities(kinds)
  pods = await livingPods()
})
after(async () => {
  await lab?.end()
  if (older) rmSync(older.repository, { recursive: true, force: true })
})

interface PlanEvent {
  applications: { name: string; steps: string[]; objects: number; tracking: string[]; finalizers: string[] }[]
  paused: { name: string }[]
  objects: { object: string; step: string | null; release: string | null }[]
  stays: string[]
  comes: string[]
  restarts: { workload: string; changes: { path: string }[] }[]
}

async function plan(): Promise<PlanEvent> {
  const { stdout, stderr, code, writes } = await lab.run('scripts/adopt.ts', ['--plan'])
  assert.equal(code, 0, stdout + stderr)
  assert.deepEqual(writes, [])
  return JSON.parse(stdout) as PlanEvent
}

story('a bootstrap refuses what Argo CD owns, and says what to do', async () => {
  const { code, stdout, writes } = await lab.run('bootstrap/bootstrap-all.ts')
  assert.equal(code, 3, stdout)
  assert.match(stdout, /Traefik belongs to Argo CD's Application traefik already/)
  assert.match(stdout, /make adopt/)
  assert.deepEqual(writes, [])
})

story(
  'the plan names Applications, new owners and the parent that would put them back, and writes nothing',
  async () => {
    const { applications: leaving, paused, objects, restarts, comes } = await plan()
    assert.deepEqual(comes, ['03-adguard', '05-cert-manager'], 'what Argo CD waits for and nobody has installed yet')
    assert.deepEqual(leaving.map(one => [one.name, one.steps, one.tracking, one.finalizers.length]).sort(), [
      ['argocd/argocd', ['07-argocd'], ['annotation'], 1],
      ['argocd/local-path', ['01-storage-class'], ['annotation'], 1],
      ['argocd/metallb', ['02-metallb'], ['annotation'], 1],
      ['argocd/traefik', ['04-traefik'], ['annotation'], 1],
    ])
    assert.deepEqual(
      paused.map(({ name }) => name),
      ['argocd/root'],
    )
    const owner = (name: string) => objects.find(one => one.object === name)
    assert.equal(owner('Deployment traefik/traefik')?.release, 'traefik/traefik')
    assert.equal(owner('Deployment local-path-storage/local-path-provisioner')?.step, '01-storage-class')
    assert.equal(owner('CustomResourceDefinition ipaddresspools.metallb.io')?.release, 'metallb-system/metallb')
    assert.deepEqual(restarts, [])
  },
)

story('where our values differ, the plan says which workloads restart and why', async () => {
  const file = 'infrastructure/platform/traefik/values.yaml'
  const copy = checkout()
  try {
    const text = readFileSync(`${copy}/${file}`, 'utf8')
    const changed = text.replace(/memory: \d+Mi/, 'memory: 99Mi')
    assert.notEqual(changed, text, 'the values have a memory to change')
    writeFileSync(`${copy}/${file}`, changed)
    const { stdout, code } = await lab.run(`${copy}/scripts/adopt.ts`, ['--plan'])
    assert.equal(code, 0, stdout)
    const { restarts } = JSON.parse(stdout) as PlanEvent
    assert.deepEqual(
      restarts.map(({ workload }) => workload),
      ['Deployment traefik/traefik'],
    )
    assert.match(restarts[0]?.changes[0]?.path ?? '', /containers\[0\]\.resources\.\w+\.memory/)
  } finally {
    rmSync(copy, { recursive: true })
  }
})

story('killed three times, the same command finishes it; no pod restarts, nothing is lost', async () => {
  for (const after of [/auto-sync off/, /passed to/, /gone, its objects stay/]) {
    const killed = await lab.run('scripts/adopt.ts', [], { kill: { after, signal: 'SIGKILL' } })
    assert.equal(killed.code, 137, killed.stdout)
  }
  const { code, stdout, stderr } = await lab.run('scripts/adopt.ts')
  assert.equal(code, 0, stdout + stderr)

  assert.deepEqual(await applications(), ['extras', 'homelab', 'root'])
  const now = await identities(kinds)
  // Helm makes a hook anew each time.
  for (const [name, uid] of uids)
    if (!name.includes('redis-secret-init'))
      assert.equal(now.get(name), uid, `${name} is the one that was there before`)
  assert.deepEqual(await livingPods(), pods)
})

story('nothing of it carries a mark of Argo CD any more, and Helm has what the steps install by Helm', async () => {
  const objects = (await lab.cluster.list(kinds)).filter(
    ({ metadata }) => platform.test(metadata.namespace ?? metadata.name) || /metallb|traefik/.test(metadata.name),
  )
  assert.notEqual(objects.length, 0)
  for (const { kind, metadata } of objects) {
    const marks = Object.keys(metadata.annotations ?? {}).filter(key => key.startsWith('argocd.argoproj.io/tracking'))
    assert.deepEqual(marks, [], `${kind} ${metadata.name}`)
    const { managedFields = [] } = metadata as { managedFields?: { manager: string; subresource?: string }[] }
    const argo = managedFields.filter(one => one.manager === 'argocd-controller' && !one.subresource)
    if (metadata.labels?.['app.kubernetes.io/managed-by'] === 'Helm')
      assert.deepEqual(argo, [], `${kind} ${metadata.name}`)
  }
  const traefik = await lab.cluster.find('deployment/traefik/traefik')
  assert.equal(traefik?.metadata.annotations?.['meta.helm.sh/release-name'], 'traefik')
  assert.equal((await lab.cluster.find('configmap/kube-system/homelab-adopt')) === undefined, true)
})

story('Argo CD leaves it alone: a change by hand stays, also when it looks again', async () => {
  const traefik = await lab.cluster.find('deployment/traefik/traefik')
  assert.notEqual(traefik, undefined)
  if (!traefik) return
  await lab.cluster.patch(traefik, { metadata: { labels: { hand: 'mine' } } }, 'kubectl')
  await refresh('root')
  await refresh('extras')
  const after = await lab.cluster.find('deployment/traefik/traefik')
  assert.equal(after?.metadata.labels?.hand, 'mine')
  assert.deepEqual(await applications(), ['extras', 'homelab', 'root'])
})

story('the parent stays without auto-sync as long as Git has what it may not make again', async () => {
  const { code, stdout } = await lab.run('scripts/adopt.ts')
  assert.equal(code, 0, stdout)
  assert.doesNotMatch(stdout, /syncs again/)
  const root = await lab.cluster.find('application.argoproj.io/argocd/root')
  assert.equal(at(root?.spec, 'syncPolicy', 'automated'), undefined)
  assert.deepEqual(await applications(), ['extras', 'homelab', 'root'])
})

story('once Git no longer has it, the parent syncs again, heals what is its own, and makes nothing', async () => {
  const gone = ['metallb', 'traefik', 'argocd', 'local-path'].map(name => [`apps/${name}.yaml`, undefined])
  older.commit(Object.fromEntries(gone))
  const { code, stdout } = await lab.run('scripts/adopt.ts')
  assert.equal(code, 0, stdout)
  assert.match(stdout, /argocd\/root syncs again/)
  const root = await lab.cluster.find('application.argoproj.io/argocd/root')
  assert.deepEqual(at(root?.spec, 'syncPolicy', 'automated'), { prune: true, selfHeal: true })
  const note = await lab.cluster.find('configmap/extras/note')
  if (note) await lab.cluster.delete(note)
  await refresh('root')
  await refresh('extras')
  for (const end = Date.now() + 30_000; !(await lab.cluster.find('configmap/extras/note')); )
    assert.equal(Date.now() < end, true, 'Argo CD heals what is still its own')
  assert.deepEqual(await applications(), ['extras', 'homelab', 'root'])
  for (const name of ['traefik/traefik', 'metallb-system/metallb-controller'])
    assert.notEqual(await lab.cluster.find(`deployment/${name}`), undefined, name)
})

story('a second adoption has nothing to do, a second bootstrap of these steps writes nothing', async () => {
  const again = await lab.run('scripts/adopt.ts', ['--plan'])
  assert.equal(again.code, 0, again.stdout)
  assert.deepEqual((JSON.parse(again.stdout) as PlanEvent).applications, [])
  const { code, writes } = await lab.run('scripts/adopt.ts')
  assert.equal(code, 0)
  assert.deepEqual(writes, [])
  const bootstrap = await lab.run('bootstrap/bootstrap-all.ts', ['--only', '01,02,04,07'])
  assert.equal(bootstrap.code, 0, bootstrap.stdout)
  assert.deepEqual(bootstrap.writes, [])
})

/** Makes Argo CD compare an Application with Git now, and waits until it has. */
async function refresh(name: string): Promise<void> {
  const ref = `application.argoproj.io/argocd/${name}`
  const before = await lab.cluster.find(ref)
  if (!before) throw new Error(`no Application ${name}`)
  const seen = textAt(before.status, 'reconciledAt')
  await new Promise(done => setTimeout(done, 1100)) // its clock has whole seconds
  await lab.cluster.patch(before, { metadata: { annotations: { 'argocd.argoproj.io/refresh': 'hard' } } }, 'kubectl')
  for (const end = Date.now() + 60_000; ; await new Promise(done => setTimeout(done, 300))) {
    const now = await lab.cluster.find(ref)
    const pending = at(now?.metadata, 'annotations', 'argocd.argoproj.io/refresh')
    if (pending === undefined && textAt(now?.status, 'reconciledAt') !== seen) return
    if (Date.now() > end) throw new Error(`Argo CD does not compare ${name}`)
  }
}
