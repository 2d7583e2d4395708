// Every manifest of ours by two readers: the real API server with the real CRDs, and kubeconform with the schemas that this API
// server publishes, so that both mean the versions that are pinned. `make validate-manifests`.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { findPinned, type Pin, pins } from '../../scripts/lib/charts.ts'
import { type K8sObject, nameOf } from '../../scripts/lib/k8s.ts'
import { wantedCharts } from '../../scripts/lib/sandbox/gitops/addresses.ts'
import { environments } from '../../scripts/lib/site/examine.ts'
import { Lab, sandboxFor } from '../e2e/support.ts'
import {
  applicationManifests,
  kustomized,
  platformManifests,
  programs,
  releases,
  rendered,
  run,
  schemas,
  withEverything,
} from '../manifests/rendered.ts'
import { temporaryFolder } from '../temporary.ts'
import { schemasFrom } from './openapi.ts'
import { toolsOf } from './tools.ts'

const applications = environments.flatMap(one => kustomized(`gitops/environments/${one}`))
const pinned: Record<string, Pin> = {
  ...pins(),
  ...Object.fromEntries(wantedCharts(withEverything('prod')).map(one => [one.name, one])),
}
/** Those that bring the kinds of our own manifests. */
const bringing = [
  ...['metallb', 'traefik', 'cert-manager', 'argo-cd', 'kube-prometheus-stack', 'sealed-secrets', 'velero'],
  'gatekeeper',
]

/** Upstream's CRDs: beside the checkout, else out of the real chart; undefined where there is no network either. */
async function crdsOf(chart: string): Promise<string | undefined> {
  const folder = join(schemas, chart, 'crds')
  if (existsSync(folder))
    return readdirSync(folder)
      .map(file => readFileSync(join(folder, file), 'utf8'))
      .join('\n---\n')
  const pin = pinned[chart]
  if (!pin) throw new Error(`no pin for ${chart}`)
  const found = await findPinned(chart, pin, { helm: programs.paths.helm, source: 'real' }).catch(error => {
    if (process.env.CI === 'true') throw error
    return undefined
  })
  if (!found) return undefined
  const text = run('helm', ['template', chart, found.path, '--include-crds', '--set', 'crds.enabled=true'])
  return text
    .split(/^---$/m)
    .filter(one => /^kind: CustomResourceDefinition$/m.test(one))
    .join('\n---\n')
}

const crds = await Promise.all(bringing.map(crdsOf))
const without = bringing.filter((_, i) => crds[i] === undefined)
const skip = without.length ? `no CRDs of ${without.join(', ')}: neither beside the checkout nor by network` : false
const checks = await toolsOf('checks')

let lab: Lab
let objects: K8sObject[]
/** Gatekeeper makes their kinds from its templates; gator reads them (tests/manifests/policies.test.ts). */
const isConstraint = ({ apiVersion }: K8sObject) => apiVersion.startsWith('constraints.gatekeeper.sh/')
const work = temporaryFolder('validate')

before(async () => {
  if (skip) return
  const charts = (await Promise.all(releases.map(rendered))).flat()
  // What a real API server must not be asked: hooks that Helm runs, and lists that only people read.
  objects = [...platformManifests(), ...applicationManifests(), ...applications, ...charts].filter(
    one => one.kind !== 'CustomResourceDefinition' && !one.metadata.annotations?.['helm.sh/hook'] && !isConstraint(one),
  )
  lab = new Lab(await sandboxFor('validate'))
  for (const input of crds) {
    const ran = await lab.cluster.kubectl(['apply', '--server-side', '-f', '-'], { input: input ?? '' })
    assert.equal(ran.code, 0, ran.stderr)
  }
  await lab.cluster.kubectl(['wait', 'crd', '--all', '--for=condition=Established', '--timeout=30s'])
  const spaces = new Set(objects.flatMap(({ metadata }) => metadata.namespace ?? []))
  for (const namespace of spaces) await lab.cluster.kubectl(['create', 'namespace', namespace])
})
after(async () => {
  await lab?.end()
})

/** What the API server says to an object; a dry run, so that one does not depend on another. */
async function refused(some: readonly K8sObject[]): Promise<string> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: some })
  const args = ['apply', '--server-side', '--force-conflicts', '--dry-run=server', '--validate=strict', '-f', '-']
  const ran = await lab.cluster.kubectl(args, { input, timeout: 120 })
  return ran.code === 0 ? '' : ran.stderr
}

test('the API server takes every manifest, with the real CRDs', { skip }, async t => {
  assert.equal(await refused(objects), '')
  t.diagnostic(`${objects.length} objects`)
})

test('it would not: a field that does not exist is refused', { skip }, async () => {
  const pool = objects.find(({ kind }) => kind === 'IPAddressPool')
  assert.ok(pool)
  assert.match(await refused([{ ...pool, spec: { ...(pool.spec as object), autoAsign: true } }]), /autoAsign/)
})

const either = skip || checks.skip
function kubeconform(
  some: readonly K8sObject[],
): { filename: string; kind: string; name: string; status: string; msg: string }[] {
  const file = join(work, 'objects.yaml')
  // A key without a value (Argo CD's chart has two) is none to the API server, and a wrong one to a schema.
  const text = (one: K8sObject) => JSON.stringify(one, (_, value) => (value === null ? undefined : value))
  writeFileSync(file, some.map(text).join('\n---\n'))
  const at = join(work, '{{.Group}}_{{.ResourceAPIVersion}}_{{.ResourceKind}}.json')
  const args = ['-strict', '-output', 'json', '-schema-location', at, file]
  try {
    return (
      JSON.parse(execFileSync(join(checks.dir, 'kubeconform'), args, { encoding: 'utf8', maxBuffer: 2 ** 26 }))
        .resources ?? []
    )
  } catch (error) {
    return JSON.parse((error as { stdout: string }).stdout).resources
  }
}

test('kubeconform takes every manifest, strictly', { skip: either }, async t => {
  const written = await schemasFrom(lab.cluster, work)
  assert.deepEqual(
    kubeconform(objects).map(({ kind, name, status, msg }) => `${kind} ${name}: ${status} ${msg}`),
    [],
  )
  t.diagnostic(`${objects.length} objects against ${written} kinds`)
})

test('kubeconform would not: a wrong type, an unknown field and an unknown kind are named', { skip: either }, () => {
  const [deployment] = objects.filter(({ kind }) => kind === 'Deployment')
  assert.ok(deployment, nameOf(deployment as unknown as K8sObject))
  const spec = deployment.spec as object
  for (const [wrong, words] of [
    [{ ...deployment, spec: { ...spec, replicas: 'two' } }, /replicas/],
    [{ ...deployment, spec: { ...spec, replica: 2 } }, /replica/],
    [{ ...deployment, kind: 'Deploymnt' }, /schema|Deploymnt/i],
  ] as const)
    assert.match(JSON.stringify(kubeconform([wrong])), words)
})
