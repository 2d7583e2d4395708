// Secrets in Git, told as their owner lives it, with the real kubeseal and the real controller from the real chart: sealed,
// decrypted, taken over, rotated; then the cluster is thrown away and the bundle opens in a new one what Git has.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { parse, stringify } from 'yaml'
import { condition, type K8sObject, mapAt, textAt } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import { notBuilt } from '../../scripts/lib/sandbox/extra-build.ts'
import { fillChartServer } from '../../scripts/lib/sandbox/gitops/charts.ts'
import { readKeys } from '../../scripts/lib/sealing/keys.ts'
import { temporaryFolder } from '../temporary.ts'
import { checkout, type Ended, Lab, sandboxFor, script } from './support.ts'

const skip = await notBuilt('secrets')
const canary = `canary ${process.pid} $word "quoted"`
const sealedFolder = 'gitops/environments/dev/sealed'
const repository = 'https://bitnami-labs.github.io/sealed-secrets'

let lab: Lab
let home: string
let identity: string
let beforeRotation: string
const shown: string[] = []

/** A script of the owner's checkout on the sandbox that is up. */
async function run(
  file: string,
  args: readonly string[] = [],
  more: Parameters<typeof script>[2] = {},
): Promise<Ended> {
  const env = { SANDBOX: lab.sandbox.name, ...more.env }
  const ended = await script(join(home, file), ['--sandbox', ...args], { ...more, env })
  shown.push(ended.stdout, ended.stderr)
  return ended
}

const fine = ({ code, stdout, stderr }: Ended): string => {
  assert.equal(code, 0, `${stdout}\n${stderr}`)
  return stdout
}
const inGit = (ref: string): string => join(home, sealedFolder, `${ref.replace('/', '.')}.yaml`)
const count = (): number => readdirSync(join(home, sealedFolder)).filter(file => file.endsWith('.yaml')).length
const decoded = (secret: K8sObject | undefined, key: string): string =>
  Buffer.from(mapAt(secret, 'data')[key] ?? '', 'base64').toString()

/** As Argo CD would bring it. */
async function sync(text: string): Promise<K8sObject> {
  const sealed = parse(text) as K8sObject
  await lab.cluster.apply([sealed])
  const { namespace = '', name } = sealed.metadata
  for (const end = Date.now() + 60_000; Date.now() < end; await new Promise(done => setTimeout(done, 300))) {
    const found = await lab.cluster.find(`sealedsecrets.bitnami.com/${namespace}/${name}`)
    const generation = (found?.metadata as { generation?: number } | undefined)?.generation
    const seen = (found?.status as { observedGeneration?: number } | undefined)?.observedGeneration
    if (found && seen === generation && condition(found, 'Synced')) return found
  }
  throw new Error(`the controller said nothing about ${namespace}/${name}`)
}

/** A new cluster, bare. */
async function newCluster(name: string): Promise<void> {
  lab = new Lab(await sandboxFor(name, { extras: ['secrets'] }))
}

/** Alone on a bare cluster it gets as far as its own objects; that nothing publishes Argo CD there is not looked at. */
const step07 = () => run('bootstrap/07-argocd.ts', ['--json'], { env: { HOMELAB_PATIENCE: '5' } })

/** The real chart from its program's module, with our values. */
async function startController(): Promise<void> {
  const folder = temporaryFolder('chart')
  const { programs, env } = lab.sandbox
  const wanted = { name: 'sealed-secrets', version: '2.18.5', repository }
  const options = { folder, helm: programs.helm, source: 'stand-in', report: () => {} } as const
  await fillChartServer([wanted], options)
  const archive =
    readdirSync(folder, { recursive: true })
      .map(String)
      .find(file => file.endsWith('.tgz')) ?? ''
  const values = join(root, 'infrastructure/security/sealed-secrets/values.yaml')
  const at = ['--kubeconfig', lab.sandbox.kubeconfig, '--kube-context', lab.sandbox.context, '-n', 'sealed-secrets']
  const args = ['upgrade', '--install', 'sealed-secrets', join(folder, archive), '-f', values, ...at]
  execFileSync(programs.helm, args, { env: { ...process.env, ...env }, stdio: 'pipe' })
  for (const end = Date.now() + 60_000; ; await new Promise(done => setTimeout(done, 300))) {
    const found = await lab.cluster.find('deployment/sealed-secrets/sealed-secrets-controller')
    if ((found?.status as { availableReplicas?: number } | undefined)?.availableReplicas === 1) return
    assert.ok(Date.now() < end, 'the controller becomes available')
  }
}

const namespace = async (name: string) =>
  void (await lab.cluster.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }]))

describe('secrets in Git', { skip }, () => {
  before(async () => {
    home = checkout()
    identity = await generateIdentity()
    appendFileSync(
      join(home, 'infrastructure/sandbox/site.env'),
      `\nAGE_RECIPIENT=${await identityToRecipient(identity)}\nAGE_IDENTITY_FILE=${join(home, 'identity.txt')}\n`,
    )
    writeFileSync(join(home, 'identity.txt'), identity, { mode: 0o600 })
    await newCluster('e2e-sealed')
  })
  after(async () => {
    await lab?.end()
    if (home) rmSync(home, { recursive: true, force: true })
  })

  test('step 07 makes the pair before the controller starts, once', async () => {
    await step07()
    const [first, ...others] = await readKeys(lab.cluster)
    assert.equal(first?.name, 'sealed-secrets-key')
    await step07()
    assert.deepEqual(await readKeys(lab.cluster), [first, ...others])
  })

  test('a Secret of the owner is sealed from standard input, and the controller makes the same of it', async () => {
    await startController()
    assert.equal((await readKeys(lab.cluster)).length, 1, 'it made no key of its own')
    await namespace('web')
    fine(await run('scripts/seal.ts', ['--name', 'web/login', '--from', '-'], { stdin: `password='${canary}'\n` }))
    assert.doesNotMatch(readFileSync(inGit('web/login'), 'utf8'), /canary/)
    const sealed = await sync(readFileSync(inGit('web/login'), 'utf8'))
    assert.equal(condition(sealed, 'Synced')?.status, 'True', condition(sealed, 'Synced')?.message)
    assert.equal(decoded(await lab.cluster.find('secret/web/login'), 'password'), canary)
  })

  test('the same value is not sealed again, another is', async () => {
    const text = readFileSync(inGit('web/login'), 'utf8')
    const again = (value: string) =>
      run('scripts/seal.ts', ['--name', 'web/login', '--from', '-'], { stdin: `password='${value}'\n` })
    assert.match(fine(await again(canary)), /nothing to seal/)
    assert.equal(readFileSync(inGit('web/login'), 'utf8'), text)
    fine(await again(`${canary} 2`))
    assert.notEqual(readFileSync(inGit('web/login'), 'utf8'), text)
    writeFileSync(inGit('web/login'), text)
  })

  test('a generated Secret is taken over with its value, and its step has nothing to change afterwards', async () => {
    const ref = 'velero/velero-repo-credentials'
    const before = await lab.cluster.find(`secret/${ref}`)
    assert.ok(before, 'step 07 generated it')
    assert.match(fine(await run('scripts/seal.ts')), /velero\.velero-repo-credentials\.yaml/)
    const sealed = await sync(readFileSync(inGit(ref), 'utf8'))
    assert.equal(condition(sealed, 'Synced')?.status, 'True', condition(sealed, 'Synced')?.message)
    const found = await lab.cluster.find(`secret/${ref}`)
    assert.deepEqual(found?.data, before.data)
    assert.equal(found?.metadata.ownerReferences, undefined, 'it stays when its file goes')
    assert.match(fine(await run('scripts/seal.ts')), /nothing to seal/)
    const { stdout } = await step07()
    assert.doesNotMatch(stdout, /[+~] Secret velero\/velero-repo-credentials/)
  })

  test('what a step writes at each run is not sealed: it would have two owners', async () => {
    const ref = 'monitoring/alertmanager-config'
    assert.ok(await lab.cluster.find(`secret/${ref}`), 'step 07 made it')
    assert.match(fine(await run('scripts/seal.ts')), /- monitoring\/alertmanager-config comes from \.env.*: not sealed/)
    const named = await run('scripts/seal.ts', ['--name', ref])
    assert.equal(named.code, 2)
    assert.match(named.stderr, /is not sealed\n +why .*comes from \.env[^\n]*\n +fix .*backup-keys/)
    const given = await run('scripts/seal.ts', ['--name', ref, '--from', '-'], { stdin: 'alertmanager.yaml=mine\n' })
    assert.equal(given.code, 2)
    assert.ok(!readdirSync(join(home, sealedFolder)).includes('monitoring.alertmanager-config.yaml'))
    // Sealed by an earlier version: it has to go, and that is said.
    writeFileSync(inGit(ref), readFileSync(inGit('web/login')))
    assert.match(
      fine(await run('scripts/seal.ts', ['--plan'])),
      /! .*alertmanager-config\.yaml is of no use: .*\n +git rm /,
    )
    rmSync(inGit(ref))
  })

  test('a file for another name opens with no key: named with cause and fix, and nothing is rotated', async () => {
    const foreign = parse(readFileSync(inGit('web/login'), 'utf8')) as K8sObject
    writeFileSync(inGit('web/other'), stringify({ ...foreign, metadata: { name: 'other', namespace: 'web' } }))
    const refused = await sync(readFileSync(inGit('web/other'), 'utf8')) // the controller says the same, and counts it
    assert.equal(condition(refused, 'Synced')?.status, 'False')
    await lab.cluster.kubectl(['delete', 'sealedsecrets.bitnami.com/other', '-n', 'web'])
    const ended = await run('scripts/rotate-keys.ts')
    rmSync(inGit('web/other'))
    assert.equal(ended.code, 2)
    assert.match(ended.stderr, /web\.other\.yaml opens with no key of this cluster\n +why .*another name[^\n]*\n +fix /)
    assert.equal((await readKeys(lab.cluster)).length, 1)
  })

  test('a rotation seals everything in Git anew, without a restart of the controller', async () => {
    beforeRotation = readFileSync(inGit('web/login'), 'utf8')
    assert.match(
      fine(await run('scripts/rotate-keys.ts')),
      new RegExp(`seals from now on; ${count()} files sealed anew`),
    )
    assert.equal((await readKeys(lab.cluster)).length, 2)
    const text = readFileSync(inGit('web/login'), 'utf8')
    assert.notEqual(text, beforeRotation)
    const sealed = await sync(text)
    assert.equal(condition(sealed, 'Synced')?.status, 'True', condition(sealed, 'Synced')?.message)
  })

  test('the bundle holds all of it, for its owner only, and shows that it opens what Git has', async () => {
    assert.match(fine(await run('scripts/backup-keys.ts')), /2 sealing keys.*\n[\s\S]*no server token/)
    assert.equal(statSync(join(home, 'homelab-dev-keys.age')).mode & 0o777, 0o600)
    assert.match(
      fine(await run('scripts/backup-keys.ts', ['--check'])),
      new RegExp(`2 keys; it opens all ${count()} sealed files`),
    )
    fine(await run('scripts/rotate-keys.ts'))
    const stale = await run('scripts/backup-keys.ts', ['--check'])
    assert.equal(stale.code, 1)
    assert.match(stale.stdout, /does not open .*web\.login\.yaml[\s\S]*lacks the key/)
    fine(await run('scripts/backup-keys.ts'))
  })

  test('the cluster is lost: in a new one the bundle opens everything, that of before the rotation too', async () => {
    await lab.end()
    await newCluster('e2e-sealed-new')
    fine(await run('scripts/restore-keys.ts', ['--from', join(home, 'homelab-dev-keys.age')]))
    const restored = (await readKeys(lab.cluster)).map(({ name }) => name)
    assert.equal(restored.length, 3)
    await step07()
    assert.deepEqual(
      (await readKeys(lab.cluster)).map(({ name }) => name),
      restored,
      'step 07 made none',
    )
    await startController()
    await namespace('web')
    for (const text of [beforeRotation, readFileSync(inGit('web/login'), 'utf8')]) {
      const sealed = await sync(text)
      assert.equal(condition(sealed, 'Synced')?.status, 'True', condition(sealed, 'Synced')?.message)
      assert.equal(decoded(await lab.cluster.find('secret/web/login'), 'password'), canary)
    }
  })

  test('no value and no private key was shown, or lies in the checkout', async () => {
    const secrets = [canary, identity.slice(20, 50)]
    for (const { key } of await readKeys(lab.cluster)) secrets.push(key.reveal().split('\n')[2] ?? '')
    const files = readdirSync(home, { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile() && !entry.parentPath.includes('node_modules') && entry.name !== 'identity.txt')
      .map(entry => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    for (const secret of secrets)
      for (const text of [...shown, ...files])
        assert.ok(secret.length > 8 && !text.includes(secret) && !text.includes(Buffer.from(secret).toString('base64')))
    assert.equal(textAt(await lab.cluster.find('configmap/sealed-secrets/homelab-key-bundle'), 'kind'), 'ConfigMap')
  })
})
