// Policies as an owner meets them, by the real Gatekeeper from its real chart, as a pod's ServiceAccount: refused with a reason,
// warned, counted; let through when it is away; and the way out.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { readManifest } from '../../scripts/lib/fill.ts'
import type { Policies } from '../../scripts/lib/gatekeeper/read.ts'
import { at, type K8sObject } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import { sandboxSwitch } from '../../scripts/lib/sandbox/cluster.ts'
import { notBuilt } from '../../scripts/lib/sandbox/extra-build.ts'
import { appCharts, chartFolder } from '../manifests/application-charts.ts'
import { applicationManifests, kustomized, render } from '../manifests/rendered.ts'
import { Lab, sandboxFor, script } from './support.ts'

const skip = await notBuilt('policies')
const patience = 90_000
let lab: Lab

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + patience
  while (!(await holds())) {
    assert.ok(Date.now() < end, `within ${patience / 1000} s: ${what}`)
    await sleep(500)
  }
}

/** As an owner types it; `kubectl apply`, for good or as a server's dry run. */
async function apply(object: K8sObject, dryRun = true): Promise<{ code: number; said: string }> {
  const args = ['apply', '--server-side', '--force-conflicts', ...(dryRun ? ['--dry-run=server'] : []), '-f', '-']
  const { code, stdout, stderr } = await lab.cluster.kubectl(args, { input: stringify(object) })
  return { code, said: stdout + stderr }
}

/** The page of the lab, by another name and with another image. */
function page(image: string, name = 'page', namespace = 'welcome'): K8sObject {
  const found = applicationManifests().find(
    ({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'welcome',
  ) as K8sObject
  const copy = structuredClone(found)
  copy.metadata = { ...copy.metadata, name, namespace }
  const [container] = at(copy.spec, 'template', 'spec', 'containers') as { image: string }[]
  if (container) container.image = image
  return copy
}
const good = 'docker.io/library/busybox:1.37.0'
const bad = 'docker.io/library/busybox:latest'

const ingress = (name: string, host: string): K8sObject => {
  const backend = { service: { name: 'page', port: { number: 80 } } }
  const rules = [{ host, http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }]
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name, namespace: 'welcome' },
    spec: { rules },
  } as K8sObject
}

const label = (text: string) => lab.cluster.kubectl(['label', 'namespace', 'welcome', 'argocd', text, '--overwrite'])

async function report(): Promise<{ code: number; said: string; policies: Policies }> {
  const { code, stdout, stderr } = await script('scripts/policies.ts', ['--sandbox', '--json'], {
    env: { SANDBOX: lab.sandbox.name },
  })
  return { code, said: stdout + stderr, policies: JSON.parse(stdout) as Policies }
}
const policy = ({ policies }: Policies, name: string) => policies.find(one => one.name === name)

describe('policies', { skip }, () => {
  before(async () => {
    lab = new Lab(await sandboxFor('e2e-policies', { extras: ['policies'] }))
    await lab.cluster.apply(readManifest(join(root, 'infrastructure/platform/argocd/namespaces.yaml'), {}))
    await lab.cluster.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'argocd' } }])
  })
  after(async () => lab?.end())

  test('without Gatekeeper make policies says how to have it', async () => {
    const { code, stderr } = await script('scripts/policies.ts', ['--sandbox'], { env: { SANDBOX: lab.sandbox.name } })
    assert.equal(code, 2)
    assert.match(stderr, /there are no policies in this cluster[\s\S]*\.\.\/without\/gatekeeper/)
  })

  test('Gatekeeper comes up, and knows every policy', async () => {
    await lab.cluster.apply([page(bad, 'before')]) // what came earlier is not touched
    const [chart] = appCharts('dev').filter(one => one.chart === 'gatekeeper')
    assert.ok(chart)
    const values = { ...chart.values, auditInterval: 5 }
    const objects = render(chartFolder('gatekeeper'), chart, values)
    const crd = ({ kind }: K8sObject) => kind === 'CustomResourceDefinition'
    await lab.cluster.apply(objects.filter(crd))
    await until('the API server serves its kinds', async () => {
      const { code } = await lab.cluster.kubectl(['get', 'constrainttemplates,syncsets,expansiontemplate'])
      return code === 0
    })
    await lab.cluster.apply(objects.filter(one => !crd(one)))
    const policies = kustomized('infrastructure/security/gatekeeper/policies')
    const constraint = ({ apiVersion }: K8sObject) => apiVersion.startsWith('constraints.gatekeeper.sh/')
    await until('Gatekeeper takes its templates', async () => {
      const { code } = await lab.cluster.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], {
        input: policies
          .filter(one => !constraint(one))
          .map(one => stringify(one))
          .join('---\n'),
      })
      return code === 0
    })
    await until('Gatekeeper makes a kind of each template', async () => {
      const templates = await lab.cluster.list('constrainttemplates.templates.gatekeeper.sh')
      return templates.length > 5 && templates.every(one => at(one, 'status', 'created') === true)
    })
    await until('Gatekeeper takes the policies', async () => {
      const { code } = await lab.cluster.kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], {
        input: policies
          .filter(constraint)
          .map(one => stringify(one))
          .join('---\n'),
      })
      return code === 0
    })
    await until('it refuses', async () => (await apply(page(bad))).code !== 0)
  })

  test('what is refused says why and what to do; what is good goes in', async () => {
    const { said } = await apply(page(bad))
    assert.match(said, /\[pinned-images\].*the tag of docker\.io\/library\/busybox:latest moves; write the version/)
    assert.deepEqual(await apply(page(good)), {
      code: 0,
      said: 'deployment.apps/page serverside-applied (server dry run)\n',
    })
  })

  test('what a policy warns about goes in, with the warning', async () => {
    const greedy = page(good)
    const [container] = at(greedy.spec, 'template', 'spec', 'containers') as { resources?: unknown }[]
    delete container?.resources
    const { code, said } = await apply(greedy)
    assert.equal(code, 0)
    assert.match(said, /Warning: \[requests\].*does not say how much cpu and memory it needs/)
  })

  test('a host that another Ingress has is refused', async () => {
    assert.equal((await apply(ingress('first', 'page.lab.home.arpa'), false)).code, 0)
    await until(
      'Gatekeeper knows the first one',
      async () => (await apply(ingress('second', 'page.lab.home.arpa'))).code !== 0,
    )
    assert.match(
      (await apply(ingress('second', 'page.lab.home.arpa'))).said,
      /page\.lab\.home\.arpa is that of the Ingress welcome\/first/,
    )
    assert.equal((await apply(ingress('second', 'other.lab.home.arpa'))).code, 0)
  })

  test('the platform is not asked about', async () => {
    assert.equal((await apply(page(bad, 'page', 'argocd'))).code, 0)
  })

  test('one command is the way out, another one the way back', async () => {
    assert.equal((await label('homelab/policies=off')).code, 0)
    await until('the namespace is not judged', async () => (await apply(page(bad))).code === 0)
    assert.deepEqual((await report()).policies.off.sort(), ['argocd', 'welcome'])
    assert.equal((await label('homelab/policies-')).code, 0)
    await until('the namespace is judged again', async () => (await apply(page(bad))).code !== 0)
  })

  test('the report has what came before the policies, and the benchmark', async () => {
    await until('the first audit has ended', async () => {
      const found = policy((await report()).policies, 'pinned-images')
      return (found?.violations ?? 0) > 0
    })
    const { code, policies } = await report()
    assert.equal(code, 1, 'something is against a policy that refuses')
    const objects = policy(policies, 'pinned-images')?.found.map(({ object }) => object) ?? []
    assert.ok(objects.includes('Deployment welcome/before'), objects.join(', '))
    const checks = policies.policies.filter(({ check }) => check)
    assert.equal(checks.length, 20)
    assert.ok((policy(policies, 'cis-5-3-2')?.violations ?? 0) > 0, 'namespaces without network policies are counted')
    assert.ok(policies.exceptions.every(({ reason, since }) => reason && since))
    const shown = await script('scripts/policies.ts', ['--sandbox'], { env: { SANDBOX: lab.sandbox.name } })
    assert.match(shown.stdout, /pinned-images, refuses: every image has a version/)
    assert.match(shown.stdout, /5\.3\.2 +every namespace has network policies/)
  })

  test('when Gatekeeper is away, things go in', async () => {
    await sandboxSwitch(lab.sandbox, ['gatekeeper-webhook'])
    await until('what would be refused goes in', async () => (await apply(page(bad))).code === 0)
    await sandboxSwitch(lab.sandbox, [])
    await until('and is refused again', async () => (await apply(page(bad))).code !== 0)
  })
})
