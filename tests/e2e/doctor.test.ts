// The doctor and the bootstrap's own look before its first write: quiet on a cluster that is well, every fault at once on
// one that is not, no write either way. The faults are real objects on a real API server.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Result } from '../../scripts/lib/preflight/check.ts'
import { auditPosition, ownWrites } from '../../scripts/lib/sandbox/audit.ts'
import { sandboxSwitch } from '../../scripts/lib/sandbox/cluster.ts'
import { nodeObjects } from '../../scripts/lib/sandbox/nodes.ts'
import { Lab, ownersCheckout, sandboxFor, script, withTools } from './support.ts'

const name = 'e2e-doctor'
let lab: Lab

before(async () => {
  lab = new Lab(await sandboxFor(name))
})
after(() => lab.end())

interface Answer {
  well: boolean
  counts: Record<Result['state'], number>
  milliseconds: number
  checks: { id: string; group: string; results: Result[] }[]
}

async function doctor() {
  const ended = await lab.run('scripts/doctor.ts')
  const answer = JSON.parse(ended.stdout) as Answer
  const bad = answer.checks.flatMap(({ id, results }) =>
    results.flatMap(one => (one.state === 'problem' || one.state === 'warning' ? [{ id, ...one }] : [])),
  )
  return { ...ended, ...answer, bad }
}

const human = (...args: string[]) => script('scripts/doctor.ts', ['--sandbox', ...args], { env: { SANDBOX: name } })

async function kubectl(args: readonly string[], objects?: readonly object[]): Promise<void> {
  const input = objects ? { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }) } : {}
  const ran = await lab.cluster.kubectl(objects ? [...args, '-f', '-'] : args, input)
  assert.equal(ran.code, 0, ran.stderr)
}

test('an empty cluster is well, and what could not be checked is counted', async () => {
  const seen = await doctor()
  assert.deepEqual([seen.code, seen.bad, seen.writes], [0, [], []])
  assert.ok(seen.counts.unknown >= 4, 'what no API tells is said aloud')
  const { stdout } = await human()
  for (const line of stdout.split('\n'))
    if (!/^( {2}(fix|see)|next:)/.test(line)) assert.ok([...line].length <= 80, line)
  assert.match(stdout, /^✓ Capacity .* are asked for/m)
  assert.match(stdout, /^no problems, \d+ well, \d+ could not be checked, in .*; nothing was written$/m)
  assert.match(stdout, /next: \.\/bootstrap\/bootstrap-all\.ts --sandbox/)
})

const ownSite = (kubeconfig: string, context: string) =>
  `DOMAIN=lab.home.arpa\nMETALLB_POOL=192.168.77.200-192.168.77.220\nGIT_REPOSITORY=https://git.home.arpa/me/homelab.git\nKUBECONFIG=${kubeconfig}\nKUBE_CONTEXT=${context}\n`

test("a cluster of the owner's is looked at with the owner's own tools", async () => {
  const { kubeconfig, context } = lab.sandbox
  const folder = await ownersCheckout(ownSite(kubeconfig, context))
  const env = { ...(await withTools()), XDG_CACHE_HOME: join(folder, 'cache') }
  const position = auditPosition(lab.sandbox.auditLog)
  const seen = await script(join(folder, 'scripts/doctor.ts'), [], { env, cwd: folder })
  assert.equal(seen.code, 0, seen.stdout + seen.stderr)
  assert.match(
    seen.stdout,
    /✓ kubectl +v1\.\d+[\s\S]*✓ Helm +v4\.[\s\S]*✓ Identity +UID [-0-9a-f]{36}, not yet confirmed/,
  )
  assert.deepEqual(ownWrites(lab.sandbox.auditLog, position), [])
  const other = readFileSync(join(folder, '.env'), 'utf8')
  writeFileSync(join(folder, '.env'), `${other}CLUSTER_UID=00000000-0000-4000-8000-000000000000\n`, { mode: 0o600 })
  const refused = await script(join(folder, 'scripts/doctor.ts'), [], { env, cwd: folder })
  assert.equal(refused.code, 3)
  assert.match(refused.stderr, /another cluster than the one in \.env/)
})

test('a user without rights is told which are missing, and everything else that can be said', async () => {
  const { kubeconfig, context } = lab.sandbox
  const folder = await ownersCheckout(ownSite('kube', context))
  const guest = readFileSync(kubeconfig, 'utf8')
    .replace('as: homelab-owner', 'as: guest')
    .replace('system:masters', 'guests')
  writeFileSync(join(folder, 'kube'), guest, { mode: 0o600 })
  const env = await withTools()
  const seen = await script(join(folder, 'scripts/doctor.ts'), [], { env, cwd: folder })
  assert.equal(seen.code, 1, seen.stdout + seen.stderr)
  assert.match(seen.stdout, /✗ Rights +the kubeconfig's user may not do[\s\S]*create, patch[\s\S]*fix .*cluster-admin/)
  assert.match(seen.stdout, /\? Identity[\s\S]*\? Ready +not checked: nodes could not be read/)
  const refused = await script(join(folder, 'bootstrap/bootstrap-all.ts'), ['--yes'], { env, cwd: folder })
  assert.equal(refused.code, 2)
  assert.match(refused.stderr, /may not do what the steps do/)
})

describe('with faults on it', () => {
  const [fourth] = nodeObjects([{ cpu: 4, memory: 2 ** 33 }], 'v1.36.3') as {
    metadata: Record<string, unknown>
    status: Record<string, unknown>
  }[]
  // KWOK's stage for nodes is off: this one never reports, as one that is switched off.
  const node = {
    ...fourth,
    metadata: { name: 'node-4' },
    status: { ...fourth?.status, addresses: [{ type: 'InternalIP', address: '192.168.77.205' }] },
  }
  const longhorn = (named: string) => ({
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: { name: named, annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    provisioner: 'driver.longhorn.io',
  })
  const foreign = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: 'certificates.cert-manager.io',
      annotations: { 'meta.helm.sh/release-name': 'certs', 'meta.helm.sh/release-namespace': 'default' },
    },
    spec: {
      group: 'cert-manager.io',
      names: { kind: 'Certificate', plural: 'certificates' },
      scope: 'Namespaced',
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
    },
  }
  const taken = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'old-door', namespace: 'default' },
    spec: { ports: [{ port: 80 }], externalIPs: ['192.168.77.200'] },
  }
  const svclb = {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'svclb-traefik-1a2b3c4d', namespace: 'kube-system' },
    spec: {
      selector: { matchLabels: { app: 'svclb' } },
      template: {
        metadata: { labels: { app: 'svclb' } },
        spec: { nodeSelector: { none: 'such' }, containers: [{ name: 'lb', image: 'example.org/lb:1' }] },
      },
    },
  }
  const webhook = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: 'rancher.cattle.io' },
    webhooks: [
      {
        name: 'rancher.cattle.io.secrets',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        failurePolicy: 'Fail',
        clientConfig: { service: { namespace: 'cattle-system', name: 'rancher-webhook' } },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['secrets'], operations: ['CREATE'] }],
      },
    ],
  }
  // A namespace of ours that cannot end: something in it waits for a controller that is gone.
  const held = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'held', namespace: 'argocd', finalizers: ['example.org/held'] },
  }
  const expected = [
    ['nodes.ready', /node node-4 does not answer/],
    ['network.pool-nodes', /contains the node node-4 \(192\.168\.77\.205\)/],
    ['network.pool-used', /192\.168\.77\.200, meant for Traefik, belongs to the Service default\/old-door/],
    ['network.bundled-load-balancer', /svclb-traefik-1a2b3c4d/],
    ['storage.default', /2 StorageClasses are the default: blue, red/],
    ['owners.platform', /cert-manager belongs to the Helm release default\/certs already/],
    ['leftovers.namespaces', /namespace argocd cannot end: example\.org\/held/],
    ['leftovers.webhooks', /rancher\.cattle\.io\.secrets does not answer: the Service cattle-system\/rancher-webhook/],
  ] as const

  before(async () => {
    await sandboxSwitch(lab.sandbox, ['node-ready'])
    await kubectl(['create', 'namespace', 'argocd'])
    await kubectl(['create'], [held, node, longhorn('blue'), longhorn('red'), foreign, taken, svclb, webhook])
    await kubectl(['delete', 'namespace', 'argocd', '--wait=false'])
    const until = Date.now() + 30_000
    while (!(await doctor()).bad.some(one => /cannot end/.test(one.what)))
      assert.ok(Date.now() < until, 'the fault fires')
  })

  test('the doctor names all of them, with cause and way out, in two seconds', async () => {
    const seen = [await doctor(), await doctor(), await doctor()]
    for (const { bad, code, writes } of seen) {
      assert.deepEqual([code, writes], [1, []])
      const problems = bad.filter(one => one.state === 'problem')
      assert.deepEqual(
        problems.map(({ id }) => id),
        expected.map(([id]) => id),
        JSON.stringify(bad, null, 1),
      )
      expected.forEach(([, pattern], i) => {
        assert.match(problems[i]?.what ?? '', pattern)
        assert.ok(problems[i]?.fix, `${problems[i]?.id} has a way out`)
      })
    }
    const best = Math.min(...seen.map(one => one.milliseconds))
    assert.ok(best <= 2000, `the best of three took ${best} ms`)
  })

  test('a person reads them in 80 columns, each under its check', async () => {
    const { stdout, code } = await human()
    assert.equal(code, 1)
    for (const line of stdout.split('\n'))
      if (!/^( {2}(fix|see)|next:)/.test(line)) assert.ok([...line].length <= 80, line)
    assert.match(stdout, /✗ Default class .*\n[\s\S]*? {2}why {2}[\s\S]*? {2}fix {2}kubectl --kubeconfig \S+ annotate/)
    assert.match(stdout, /^8 problems, /m)
    assert.match(stdout, /next: mend the first problem/)
  })

  test('a bootstrap refuses with the same list, writes nothing, and says that something is not its own', async () => {
    for (const args of [[], ['--plan']]) {
      const refused = await lab.run('bootstrap/bootstrap-all.ts', args)
      assert.deepEqual([refused.code, refused.writes], [3, []])
      const { problems } = JSON.parse(refused.stdout.trim().split('\n').at(-1) ?? '') as {
        problems: { what: string }[]
      }
      assert.equal(problems.length, expected.length)
      expected.forEach(([, pattern], i) => {
        assert.match(problems[i]?.what ?? '', pattern)
      })
    }
  })

  test('a step by itself is not held up by what is no concern of it', async () => {
    // Its own concerns: the nodes (as a warning), the webhook, the pool. Not the other owner of cert-manager.
    const refused = await lab.run('bootstrap/01-storage-class.ts')
    assert.deepEqual([refused.code, refused.writes], [2, []])
    assert.doesNotMatch(refused.stdout, /cert-manager|argocd|svclb/)
    assert.match(refused.stdout, /StorageClasses are the default/)
  })

  test('when they are mended, a bootstrap goes through and the doctor is well again', async () => {
    await kubectl(['delete', 'validatingwebhookconfiguration', 'rancher.cattle.io'])
    await kubectl(['patch', 'configmap', '-n', 'argocd', 'held', '-p', '{"metadata":{"finalizers":null}}'])
    await kubectl([
      'delete',
      'crd/certificates.cert-manager.io',
      'storageclass/blue',
      'storageclass/red',
      'node/node-4',
    ])
    const only = await lab.run('bootstrap/bootstrap-all.ts', ['--only', '02'])
    assert.deepEqual([only.code, only.writes], [2, []], 'without a foreign owner it is exit code 2')
    await kubectl(['delete', '-n', 'default', 'service/old-door'])
    await kubectl(['delete', '-n', 'kube-system', 'daemonset', 'svclb-traefik-1a2b3c4d'])
    await kubectl(['wait', '--for=delete', 'namespace/argocd', '--timeout=30s'])
    await sandboxSwitch(lab.sandbox, [])
    const built = await lab.run('bootstrap/bootstrap-all.ts')
    assert.equal(built.code, 0, built.stdout + built.stderr)
    const seen = await doctor()
    assert.deepEqual([seen.code, seen.bad, seen.writes], [0, [], []])
  })
})
