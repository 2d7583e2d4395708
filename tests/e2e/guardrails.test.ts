// Quotas, limit ranges and levels of Pod Security as the real API server reads them: all of ours is let in, also while
// everything rolls at once. What happens to a pod that is too large: status.test.ts and gitops.test.ts.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type K8sObject, listAt, nameOf, textAt, timeAt } from '../../scripts/lib/k8s.ts'
import { sentence } from '../../scripts/lib/proof.ts'
import { root } from '../../scripts/lib/root.ts'
import { platform } from '../../scripts/lib/status/platform.ts'
import { labObjects } from '../manifests/lab-objects.ts'
import { podsOf } from '../manifests/namespace-needs.ts'
import { Lab, sandboxFor } from './support.ts'

let lab: Lab

before(async () => {
  lab = new Lab(await sandboxFor('e2e-guardrails'))
  const built = await lab.run('bootstrap/bootstrap-all.ts')
  assert.equal(built.code, 0, built.stdout + built.stderr)
})
after(() => lab.end())

test('kubectl apply on the folder works, and a run afterwards writes nothing', async () => {
  const ran = await lab.cluster.kubectl(['apply', '-f', `${root}/infrastructure/security/resource-quotas/base/`])
  assert.equal(ran.code, 0, ran.stderr)
  const again = await lab.run('bootstrap/bootstrap-all.ts')
  assert.equal(again.code, 0, again.stdout + again.stderr)
  assert.deepEqual(again.writes, [])
})

const withoutMode = (volume: object): object =>
  JSON.parse(JSON.stringify(volume, (key, value) => (key === 'defaultMode' ? undefined : value)))

/** One pod of each workload, as its controller would make it; the accounts and claims of applications are not there yet. */
function podOf(object: K8sObject, i: number): object[] {
  return podsOf(object, 1)
    .filter(({ spec }) => listAt(spec, 'containers').every(one => (one as { image?: string }).image))
    .map(({ spec, claims }) => {
      const { serviceAccountName: _, serviceAccount: __, ...rest } = spec as Record<string, unknown>
      const empty = claims.map(claim => ({ name: textAt(claim, 'metadata', 'name'), emptyDir: {} }))
      // Modes are octal numbers to Helm, and would have to be others in JSON.
      const volumes = [...listAt(spec, 'volumes'), ...empty].map(volume => withoutMode(volume as object))
      const { name, namespace } = object.metadata
      return {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: `${name}-${i}`, namespace },
        spec: { ...rest, volumes, automountServiceAccountToken: false },
      }
    })
}

test(sentence('limits'), async () => {
  const pods = labObjects('prod').flatMap(podOf)
  assert.ok(pods.length >= 25, `only ${pods.length}`)
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: pods })
  // The namespaces of the applications have their quotas from the folder above.
  const ran = await lab.cluster.kubectl(['create', '--dry-run=server', '-f', '-'], { input })
  assert.deepEqual([ran.stderr, ran.code], ['', 0]) // not even a warning of what newer standards would refuse
  const large = { requests: { memory: '32Gi' }, limits: { memory: '32Gi' } }
  const refused = await lab.cluster.kubectl(['create', '--dry-run=server', '-f', '-'], {
    input: JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'large', namespace: 'velero' },
      spec: { containers: [{ name: 'large', image: 'example.org/large:1.0', resources: large }] },
    }),
  })
  assert.match(refused.stderr, /maximum memory usage per Container is 2Gi, but limit is 32Gi/)
})

test('a quota that is full stays as it is: a dry run touches nothing, a write has it counted and is refused', async () => {
  const quota = async () => lab.cluster.find('resourcequota/traefik/homelab')
  const metadata = { name: 'another-door', namespace: 'traefik' }
  const door = { apiVersion: 'v1', kind: 'Service', metadata, spec: { type: 'LoadBalancer', ports: [{ port: 80 }] } }
  const refused = (error: { why?: string; fix?: string }) =>
    /exceeded quota: homelab/.test(error.why ?? '') && /resource-quotas/.test(error.fix ?? '')
  const before = await quota()
  await assert.rejects(lab.cluster.dryRun(door), refused)
  assert.equal((await quota())?.metadata.resourceVersion, before?.metadata.resourceVersion)
  await assert.rejects(lab.cluster.apply([door]), refused)
  assert.deepEqual((await quota())?.spec, before?.spec)
  assert.equal(await lab.cluster.find('service/traefik/another-door'), undefined)
})

test('everything rolls at once, and no pod is refused', async () => {
  const begin = Date.now() - 1000
  const kinds = 'deployments.apps,statefulsets.apps,daemonsets.apps'
  const mine = (await lab.cluster.list(kinds)).filter(one =>
    platform.some(({ namespace }) => namespace === one.metadata.namespace),
  )
  assert.ok(mine.length >= 10, `only ${mine.length}`)
  const name = (one: K8sObject) => `${one.kind.toLowerCase()}/${one.metadata.name}`
  const rollout = async (verb: string, one: K8sObject, ...more: string[]) => {
    const ran = await lab.cluster.kubectl(['rollout', verb, name(one), '-n', one.metadata.namespace ?? '', ...more])
    assert.equal(ran.code, 0, `${nameOf(one)}: ${ran.stderr}`)
  }
  await Promise.all(mine.map(one => rollout('restart', one)))
  for (const one of mine) await rollout('status', one, '--timeout=60s')
  const refused = (await lab.cluster.list('events')).filter(
    one => one.reason === 'FailedCreate' && (timeAt(one, 'lastTimestamp') ?? 0) >= begin,
  )
  assert.deepEqual(
    refused.map(one => one.message),
    [],
  )
})
