// One version a program: what a rehearsal runs for real is what the platform installs.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { textAt } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import { moduleVersion } from '../../scripts/lib/sandbox/modules.ts'
import { pinned, platformManifests, programs, releases, valuesOf } from './rendered.ts'

const [, , , , argocd] = releases

test('MetalLB: the chart is that of the program', () => {
  assert.equal(`v${pinned('metallb')}`, programs.versions.metallb)
})

test('cert-manager: the chart is that of the program', () => {
  assert.equal(pinned('cert-manager'), programs.versions['cert-manager'])
})

test('AdGuard Home: the image is that of the program', () => {
  const images = new Set(
    [...JSON.stringify(platformManifests()).matchAll(/adguardhome:(v[\d.]+)/g)].map(([, tag]) => tag),
  )
  assert.deepEqual([...images], [programs.versions.adguard])
})

test("Argo CD: the stand-in's default image is the one that we set", () => {
  assert.equal(textAt(valuesOf(argocd), 'global', 'image', 'tag'), appVersion('argo-cd'))
})

// The optional programs: each is of the version that its chart installs.
for (const [chart, folder, module] of [
  ['argo-cd', 'argocd', 'github.com/argoproj/argo-cd/v3'],
  ['loki', 'loki', 'github.com/grafana/loki/v3'],
  ['velero', 'backup', 'github.com/vmware-tanzu/velero'],
  ['kube-prometheus-stack', 'operator', 'github.com/prometheus-operator/prometheus-operator'],
  ['telegraf', 'telegraf', 'github.com/influxdata/telegraf'],
  ['prometheus-blackbox-exporter', 'exporters', 'github.com/prometheus/blackbox_exporter'],
  ['prometheus-operator-crds', 'operator', 'github.com/prometheus-operator/prometheus-operator'],
] as const)
  test(`${chart}: the program is that of the chart`, () => {
    const goMod = readFileSync(join(root, 'infrastructure/sandbox', folder, 'go.mod'), 'utf8')
    assert.equal(moduleVersion(goMod, module), appVersion(chart))
  })

/** What a stand-in says that its chart installs, with a v as modules have it. */
function appVersion(chart: string): string {
  const about = parse(readFileSync(join(root, 'infrastructure/sandbox/charts', chart, 'Chart.yaml'), 'utf8'))
  return `v${String(about.appVersion).replace(/^v/, '')}`
}
