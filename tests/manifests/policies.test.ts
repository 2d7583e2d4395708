// Our policies, judged by gator: their own suites, everything that is rendered, and what each check of the benchmark is about.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { parse, stringify } from 'yaml'
import { type Fact, inventory, missing } from '../../scripts/inventory.ts'
import { rulesOf } from '../../scripts/lib/gatekeeper/read.ts'
import { at, type K8sObject, listAt, mapAt, nameOf, textAt } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import { builtExtra, notBuilt } from '../../scripts/lib/sandbox/extra-build.ts'
import { upstream } from '../../scripts/lib/sandbox/upstream.ts'
import { parseManifest } from '../../scripts/lib/yaml/manifest.ts'
import { temporaryFolder } from '../temporary.ts'
import { appCharts, chartFolder } from './application-charts.ts'
import { changed } from './changed.ts'
import {
  applicationManifests,
  kustomized,
  platformManifests,
  recorded,
  releases,
  render,
  rendered,
  withEverything,
} from './rendered.ts'

const folder = 'infrastructure/security/gatekeeper/policies'
const policies = kustomized(folder)
const constraints = policies.filter(({ apiVersion }) => apiVersion.startsWith('constraints.gatekeeper.sh/'))
const programs = await builtExtra('policies')
const skip = await notBuilt('policies')
const gator = join(programs?.dir ?? '', 'gator')

/** What needs gator: one line in the place of all of these while it is not built. */
const judge: typeof test = skip ? ((() => {}) as unknown as typeof test) : test
if (skip) test('what the policies say of everything that is rendered, and of bad examples', { skip }, () => {})

const work = temporaryFolder('policies')

interface Finding {
  policy: string
  action: string
  object: string
  says: string
}

/** What the policies have against these objects, each finding once. */
function judged(objects: readonly K8sObject[]): Finding[] {
  const file = join(work, 'objects.yaml')
  writeFileSync(
    file,
    [...policies, ...objects].map(one => stringify(one, { aliasDuplicateObjects: false })).join('---\n'),
  )
  const { stdout, stderr } = spawnSync(gator, ['test', '-f', file, '-o', 'json'], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  assert.ok(stdout.trim().startsWith('[') || stdout.trim() === 'null', `gator: ${stderr}${stdout.slice(0, 500)}`)
  return ((JSON.parse(stdout) ?? []) as object[]).map(one => ({
    policy: textAt(one, 'constraint', 'metadata', 'name') ?? '',
    action: textAt(one, 'enforcementAction') ?? '',
    object: `${textAt(one, 'violatingObject', 'kind')} ${nameOf(at(one, 'violatingObject') as K8sObject)}`,
    says: textAt(one, 'msg') ?? '',
  }))
}

judge('gator verify: every policy with a suite finds what is bad in it, and nothing else', () => {
  const said = execFileSync(gator, ['verify', join(root, folder, '...')], { encoding: 'utf8', stdio: 'pipe' })
  const suites = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).filter(
    file => basename(file) === 'suite.yaml',
  )
  assert.equal(said.match(/^ok\t/gm)?.length, suites.length, said)
})

/** Everything that is rendered: the platform, the applications, and their charts. */
async function everything(): Promise<K8sObject[]> {
  const kinds = ['monitoring.coreos.com/v1', 'networking.k8s.io/v1/Ingress']
  const charts = appCharts('prod').flatMap(one => render(chartFolder(one.chart), one, one.values, undefined, kinds))
  const all = [
    ...platformManifests(),
    ...applicationManifests(),
    ...(await Promise.all(releases.map(rendered))).flat(),
    ...charts,
  ]
  // Policies themselves are no manifests to judge, and Helm's own tests are never applied by Argo CD.
  return all.filter(
    ({ apiVersion, metadata }) =>
      !/gatekeeper\.sh\//.test(apiVersion) && metadata.annotations?.['helm.sh/hook'] !== 'test-success',
  )
}

/** What may be against a policy that warns, and why. */
const accepted: Readonly<Record<string, string>> = {}

judge('nothing that is rendered is refused, and what is warned about is on the list', async t => {
  const objects = await everything()
  const found = judged(objects)
  const open = found
    .filter(({ action }) => action !== 'dryrun')
    .map(({ policy, object, says }) => `${policy}: ${object}: ${says}`)
    .filter(line => !Object.keys(accepted).some(one => line.startsWith(one)))
  assert.deepEqual([...new Set(open)].sort(), [])
  const counts = new Map<string, number>()
  for (const { policy, action } of found) if (action === 'dryrun') counts.set(policy, (counts.get(policy) ?? 0) + 1)
  const clean = constraints.filter(({ kind, metadata }) => kind === 'CisBenchmark' && !counts.has(metadata.name)).length
  t.diagnostic(`CIS 1.12 on ${objects.length} rendered objects: ${clean} checks without a finding`)
  t.diagnostic([...counts].map(([check, count]) => `${check} ${count}`).join(', '))
})

const welcome = applicationManifests().find(
  ({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'welcome',
) as K8sObject
const template = ['spec', 'template', 'spec']
const pod = at(welcome, ...template) as object
const container = [...template, 'containers', 0]
/** A policy, and a change to a Deployment of ours that is against it and against no other. */
const bad: Readonly<Record<string, [path: (string | number)[], value: unknown]>> = {
  'pinned-images': [[...container, 'image'], 'docker.io/library/busybox:latest'],
  registries: [[...container, 'image'], 'registry.example.net/busybox:1.37.0'],
  requests: [[...container, 'resources'], {}],
  'host-access': [template, { ...pod, hostNetwork: true }],
  names: [['metadata', 'name'], 'names.dot'],
  'pod-names': [['spec', 'template', 'metadata', 'labels'], {}],
}

judge('a Deployment of ours that is against a policy is named by it, and by no other', () => {
  const broken = Object.entries(bad).map(([name, change]) =>
    changed(changed(welcome, ['metadata', 'name'], name), ...change),
  )
  const found = judged(broken).filter(({ action }) => action !== 'dryrun')
  for (const name of Object.keys(bad)) {
    const own = found.filter(({ object }) => object.replace('.dot', '') === `Deployment welcome/${name}`)
    assert.deepEqual([...new Set(own.map(({ policy }) => policy))], [name], name)
  }
})

const samples = join(root, folder, 'cis-benchmark/samples')
judge('each check of the benchmark has an object that is against it and against no other', () => {
  const checks = constraints.flatMap(({ kind, spec }) =>
    kind === 'CisBenchmark' ? (textAt(spec, 'parameters', 'check') ?? []) : [],
  )
  assert.deepEqual(readdirSync(samples).sort(), ['good.yaml', ...checks.map(check => `${check}.yaml`)].sort())
  const of = (name: string) => parseManifest(readFileSync(join(samples, `${name}.yaml`), 'utf8'))
  const renamed = (check: string) =>
    of(check).map(one => ({ ...one, metadata: { ...one.metadata, name: `against-${check}` } }))
  const found = judged([...of('good'), ...checks.flatMap(renamed)]).filter(({ policy }) => policy.startsWith('cis-'))
  const against = (name: string) => [
    ...new Set(found.flatMap(({ object, policy }) => (object.endsWith(name) ? [policy] : []))),
  ]
  for (const check of checks) {
    const own = `cis-${check.replaceAll('.', '-')}`
    // Without any context a pod is against what a context would say, too.
    const named = against(`against-${check}`).filter(one => check !== '5.6.3' || one === own)
    assert.deepEqual(named, [own], check)
  }
  assert.deepEqual(
    found.filter(({ object }) => !object.includes('against-')),
    [],
  )
})

test('each policy says what it asks; none of the benchmark refuses; no system namespace is looked at', () => {
  for (const { metadata, kind, spec } of constraints) {
    assert.ok((metadata.annotations?.['homelab/says'] ?? '').length > 10, metadata.name)
    assert.match(textAt(spec, 'enforcementAction') ?? '', kind === 'CisBenchmark' ? /^dryrun$/ : /^(deny|warn)$/)
    assert.ok(listAt(spec, 'match', 'excludedNamespaces').includes('kube-system'), metadata.name)
    assert.equal(metadata.annotations?.['argocd.argoproj.io/sync-options'], 'SkipDryRunOnMissingResource=true')
  }
})

test('Gatekeeper fails open, leaves the platform alone, and has one way out', async () => {
  const [chart] = appCharts('prod').filter(one => one.chart === 'gatekeeper')
  assert.ok(chart)
  const objects = render(chartFolder('gatekeeper'), chart, chart.values)
  const hooks = objects.filter(({ kind }) => /WebhookConfiguration$/.test(kind)).flatMap(one => listAt(one, 'webhooks'))
  assert.equal(hooks.length, 2)
  for (const hook of hooks) assert.equal(textAt(hook, 'failurePolicy'), 'Ignore', textAt(hook, 'name'))
  const [admission] = hooks
  const rules = listAt(admission, 'namespaceSelector', 'matchExpressions')
  const not = (key: string) =>
    listAt(
      rules.find(rule => textAt(rule, 'key') === key),
      'values',
    )
  assert.deepEqual(not('homelab/policies'), ['off'])
  const platform = [
    ...releases.map(({ namespace }) => namespace),
    'adguard',
    'local-path-storage',
    'kube-system',
    'gatekeeper-system',
  ]
  assert.deepEqual(
    platform.filter(one => !not('kubernetes.io/metadata.name').includes(one)),
    [],
  )
  const budgets = objects.filter(({ kind }) => kind === 'PodDisruptionBudget')
  assert.deepEqual(
    budgets.map(one => at(one.spec, 'minAvailable')),
    [0],
    'one copy must not keep a node from being drained',
  )
})

for (const chart of ['falco', 'gatekeeper'])
  test(`${chart} without a network has what the real one has`, async () => {
    const [one] = appCharts('prod').filter(found => found.chart === chart)
    assert.ok(one)
    const record = recorded(chart)
    assert.equal(record.version, one.version, 'recorded from the pinned version (scripts/inventory.ts)')
    const objects = render(chartFolder(chart), one, one.values, undefined, ['monitoring.coreos.com/v1'])
    assert.deepEqual(missing(record.objects as Fact[], inventory(objects, one.namespace)), [])
  })

test("Gatekeeper's chart is that of its program", async () => {
  const application = withEverything('prod').find(({ metadata }) => metadata.name === 'gatekeeper')
  const { version } = await upstream('github.com/open-policy-agent/gatekeeper/v3', () => {})
  assert.equal(`v${textAt(application?.spec, 'sources', '0', 'targetRevision')}`, version)
  if (programs) assert.equal(programs.version, version)
})

const falco = kustomized('infrastructure/security/falco/manifests/base').find(
  ({ metadata }) => metadata.name === 'falco-rules',
) as K8sObject
/** Falco's own rules, macros and lists, as `kind name`. */
const theirs = new Set(readFileSync(join(root, 'tests/fixtures/falco-rules.txt'), 'utf8').split('\n'))

/** What of the entries of rule files changes nothing of Falco's. */
function strayChanges(texts: readonly string[]): string[] {
  return texts
    .flatMap(text => parse(text) as object[])
    .filter(one => 'override' in one)
    .map(one =>
      ['rule', 'macro', 'list'].flatMap(kind => (textAt(one, kind) ? `${kind} ${textAt(one, kind)}` : [])).join(),
    )
    .filter(name => !theirs.has(name))
}

test("Falco: a change of what is normal is to a rule, macro or list of Falco's own", () => {
  const texts = Object.values(mapAt(falco, 'data'))
  assert.equal(texts.join().match(/override:/g)?.length, 3)
  assert.deepEqual(strayChanges(texts), [])
  assert.deepEqual(
    strayChanges(['- { macro: user_known_nothing, condition: never_true, override: { condition: replace } }']),
    ['macro user_known_nothing'],
  )
})

test('Falco: each rule of ours has a priority, and the standards that it serves', t => {
  const ours = rulesOf(falco)
  assert.ok(ours.length >= 4)
  for (const { rule, priority, tags } of ours) {
    assert.match(priority, /^(CRITICAL|ERROR|WARNING|NOTICE)$/, rule)
    assert.ok(
      tags.includes('homelab') &&
        tags.some(tag => /^T\d{4}/.test(tag)) &&
        tags.some(tag => /^(PCI_DSS|NIST_800-53|CIS)_/.test(tag)),
      `${rule}: ${tags}`,
    )
  }
  t.diagnostic(
    "Falco itself does not run here (C++, a kernel of its own to listen to): its rules are read by it on the owner's nodes",
  )
})
