// YAML that was found good is not read again; whatever a verdict depends on makes it another state.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { root } from '../../scripts/lib/root.ts'
import { type Site, vars } from '../../scripts/lib/site/site.ts'
import { refuseBadYaml } from '../../scripts/lib/yaml/check.ts'
import { isKnownGood, rememberGood, stateOf } from '../../scripts/lib/yaml/known-good.ts'
import { fixture, HomeLab } from '../fixtures/lab.ts'

const lab = new HomeLab()
for (const folder of ['infrastructure', 'gitops'])
  cpSync(join(root, folder), join(lab.root, folder), { recursive: true })
lab.write(fixture('valid', 'smallest.env'))
const names = vars((await lab.load()).site as Site)
const file = (name: string): string => join(lab.root, name)
const stateNow = (also: object = {}) => stateOf(lab.root, { ...names, ...also })

describe('YAML that is known to be good', () => {
  const cache = process.env.XDG_CACHE_HOME
  before(() => {
    process.env.XDG_CACHE_HOME = join(lab.top, 'cache')
  })
  after(() => {
    if (cache === undefined) delete process.env.XDG_CACHE_HOME
    else process.env.XDG_CACHE_HOME = cache
  })

  test('another text, another file, another name of the site: another state; the same again is the same', () => {
    const first = stateNow()
    assert.ok(first)
    assert.equal(stateNow(), first)
    assert.notEqual(stateNow({ more: 'x' }), first)

    const values = 'infrastructure/platform/traefik/values.yaml'
    const text = readFileSync(file(values), 'utf8')
    writeFileSync(file(values), text.replace('replicas', 'replicsa'))
    assert.notEqual(stateNow(), first)
    writeFileSync(file(values), text)

    // A kustomization names it: whether it is there is part of the verdict, although it is no YAML.
    const page = 'gitops/apps/welcome/index.html'
    const html = readFileSync(file(page))
    rmSync(file(page))
    assert.notEqual(stateNow(), first)
    writeFileSync(file(page), html)
    assert.equal(stateNow(), first)
  })

  test('what is no ordinary file, or cannot be read, is nobody’s good state', () => {
    mkdirSync(file('gitops/apps/folder.yaml'))
    assert.equal(stateNow(), undefined)
    rmSync(file('gitops/apps/folder.yaml'), { recursive: true })
    symlinkSync('nowhere', file('gitops/apps/link.yaml'))
    assert.equal(stateNow(), undefined)
    rmSync(file('gitops/apps/link.yaml'))
  })

  test('a mistake is refused as often as it is looked at, and the good state before it is good again', () => {
    const values = 'infrastructure/monitoring/kube-prometheus-stack/values.yaml'
    const text = readFileSync(file(values), 'utf8')
    const state = () => stateNow() ?? ''
    assert.equal(isKnownGood(state()), false)
    refuseBadYaml(lab.root, names)
    assert.equal(isKnownGood(state()), true)
    writeFileSync(file(values), `${text}\n\tgrafana: {}\n`)
    for (const _ of [1, 2]) assert.throws(() => refuseBadYaml(lab.root, names), /values\.yaml/)
    assert.equal(isKnownGood(state()), false)
    writeFileSync(file(values), text)
    assert.equal(isKnownGood(state()), true)
  })

  test('fifty states are remembered; a file of nonsense is none, and one that cannot be written keeps nobody', () => {
    for (let i = 0; i < 60; i++) rememberGood(`state-${i}`)
    assert.deepEqual([isKnownGood('state-59'), isKnownGood('state-10'), isKnownGood('state-9')], [true, true, false])
    const path = join(lab.top, 'cache/homelab/checked/yaml')
    writeFileSync(path, Buffer.from([0xff, 0, 0x0a, 0xff]))
    assert.equal(isKnownGood('state-59'), false)
    rmSync(path)
    mkdirSync(path)
    rememberGood('state-1')
    assert.equal(isKnownGood('state-1'), false)
  })
})
