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

const goMod = readFileSync(join(root, 'infrastructure/sandbox/tools/go.mod'), 'utf8')
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

test('Argo CD: the image is that of the program', t => {
  const module = 'github.com/argoproj/argo-cd/v3'
  if (!goMod.includes(`${module} v`)) return t.skip('the sandbox does not build Argo CD yet')
  assert.equal(textAt(valuesOf(argocd), 'global', 'image', 'tag'), moduleVersion(goMod, module))
})

test("Argo CD: the stand-in's default image is the one that we set", () => {
  const about = parse(readFileSync(join(root, 'infrastructure/sandbox/charts/argo-cd/Chart.yaml'), 'utf8'))
  assert.equal(textAt(valuesOf(argocd), 'global', 'image', 'tag'), about.appVersion)
})
