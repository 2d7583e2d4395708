// The Git repository of a rehearsal: in it only addresses differ, and its stand-in charts have what the real ones have.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { type Fact, inventory, missing } from '../../scripts/inventory.ts'
import { sourcesOf } from '../../scripts/lib/gitops/application.ts'
import { at, type K8sObject } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import { folderOf, wantedCharts, withAddresses } from '../../scripts/lib/sandbox/gitops/addresses.ts'
import { built, makeSnapshot } from '../../scripts/lib/sandbox/gitops/snapshot.ts'
import { moduleVersion } from '../../scripts/lib/sandbox/modules.ts'
import { environments } from '../../scripts/lib/site/examine.ts'
import { parseManifest } from '../../scripts/lib/yaml/manifest.ts'
import { temporaryFolder } from '../temporary.ts'
import { programs, recorded, run } from './rendered.ts'

const dir = temporaryFolder('snapshot')
process.env.CHARTS = 'stand-in'
const sandbox = {
  dir,
  programs: programs.paths,
  chartServer: { folder: join(dir, 'charts'), url: 'http://127.0.0.1:20000' },
} as Parameters<typeof makeSnapshot>[0]
const git = { repository: 'https://git.lab.home.arpa/homelab.git', revision: 'main', path: '' }
const site = { git, sandbox } as unknown as Parameters<typeof makeSnapshot>[1]
const snapshot = await makeSnapshot(sandbox, site, () => {})
const files = (folder: string) =>
  ['gitops', 'infrastructure'].flatMap(part =>
    readdirSync(join(folder, part), { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => join(entry.parentPath, entry.name).slice(folder.length + 1)),
  )
const applications = built(sandbox, snapshot.git.folder, 'dev')

test('the repository of a rehearsal has the files of the working tree, and only addresses differ', () => {
  assert.deepEqual(files(snapshot.git.folder).sort(), files(root).sort())
  const other: string[] = []
  for (const file of files(root)) {
    const [ours, theirs] = [root, snapshot.git.folder].map(one => readFileSync(join(one, file), 'utf8').split('\n'))
    theirs?.forEach((line, i) => {
      const isSite = /^gitops\/environments\/\w+\/site\.yaml$/.test(file)
      const allowed = isSite ? /^ {2}(repository|revision): / : /\brepoURL: /
      if (line !== ours?.[i] && !(file.startsWith('gitops/') && allowed.test(line))) other.push(`${file}: ${line}`)
    })
    assert.equal(ours?.length, theirs?.length, file)
  }
  assert.deepEqual(other, [])
})

test('what Argo CD would make of it differs from what it makes for the owner in addresses alone', () => {
  for (const environment of environments) {
    const plain = (folder: string) =>
      built(sandbox, folder, environment).map(application => {
        const text = JSON.stringify(application)
        return sourcesOf(application).reduce((all, { repository, chart, revision }) => {
          const without = all.replaceAll(`"${repository}"`, '"ADDRESS"')
          return chart ? without : without.replaceAll(`"targetRevision":"${revision}"`, '"targetRevision":"REVISION"')
        }, text)
      })
    assert.deepEqual(plain(snapshot.git.folder), plain(root))
  }
})

test('every source of every application is on this machine', () => {
  for (const environment of environments)
    for (const { repository } of built(sandbox, snapshot.git.folder, environment).flatMap(sourcesOf))
      assert.ok(repository === snapshot.git.url || repository.startsWith(sandbox.chartServer.url), repository)
  assert.equal(execFileSync('git', ['-C', snapshot.git.folder, 'status', '--porcelain'], { encoding: 'utf8' }), '')
})

test('an address is replaced where it is the whole value of repoURL, and nowhere else', () => {
  const text =
    "  - repoURL: https://a.org/x # https://a.org/x\n    other: https://a.org/x\n    repoURL: 'https://a.org/xy'\n"
  assert.equal(
    withAddresses(text, { 'https://a.org/x': 'http://127.0.0.1:1/x' }),
    text.replace('https://a.org/x', 'http://127.0.0.1:1/x'),
  )
})

/** What a stand-in leaves out on purpose. */
const leftOut: Readonly<Record<string, (fact: Fact) => boolean>> = {
  // Upstream's own dashboards and rules: their content is upstream's, and nothing here depends on it.
  'kube-prometheus-stack': ({ kind, name }) =>
    kind === 'PrometheusRule' || (kind === 'ConfigMap' && /^monitoring-(?!grafana-datasource)/.test(name)),
}

const schemas = ['monitoring.coreos.com/v1', 'networking.k8s.io/v1/Ingress'].flatMap(one => ['--api-versions', one])

/** An application's chart as Argo CD renders it from the snapshot. */
function rendered(application: K8sObject): K8sObject[] {
  const [source] = sourcesOf(application)
  const namespace = String(at(application.spec, 'destination', 'namespace'))
  const file = `${source?.chart}-${source?.revision}.tgz`
  const archive = join(sandbox.chartServer.folder, folderOf(source?.repository ?? '').replace(/^[^/]+\//, ''), file)
  const helm = (at(application.spec, 'sources', 0, 'helm') ?? {}) as { releaseName?: string; valueFiles?: string[] }
  const values = (helm.valueFiles ?? []).flatMap(one => ['-f', join(root, one.replace('$values/', ''))])
  const name = helm.releaseName ?? application.metadata.name
  const kubernetes = ['--kube-version', programs.kubernetesVersion, ...schemas]
  const args = ['template', name, archive, '-n', namespace, '--include-crds', ...kubernetes, ...values, '-f', '-']
  return parseManifest(run('helm', args, JSON.stringify(at(helm, 'valuesObject') ?? {})))
}

for (const application of applications.filter(one => wantedCharts([one]).length > 0)) {
  const [chart] = wantedCharts([application])
  const name = chart?.name ?? ''
  const namespace = String(at(application.spec, 'destination', 'namespace'))
  test(`${name} without a network has what the real one has`, () => {
    const record = recorded(name)
    assert.equal(record.version, chart?.version, 'recorded from the pinned version (scripts/inventory.ts)')
    const real = record.objects.filter(fact => !leftOut[name]?.(fact))
    assert.deepEqual(missing(real, inventory(rendered(application), namespace)), [])
  })
  test(`the stand-in of ${name} carries the pinned version`, () => {
    const folder = join(root, 'infrastructure/sandbox/charts', name)
    if (!existsSync(folder)) return // it lies in its program's module
    const about = parse(readFileSync(join(folder, 'Chart.yaml'), 'utf8')) as { version: string; appVersion: string }
    assert.equal(about.version, chart?.version)
    const crds = JSON.stringify(about).match(/(github\.com[^":]+):/)?.[1]
    if (!crds) return
    const goMod = readFileSync(join(root, 'infrastructure/sandbox/upstream/go.mod'), 'utf8')
    assert.equal(moduleVersion(goMod, crds).replace('v', ''), about.appVersion.replace('v', ''), 'the CRDs are its own')
  })
}
