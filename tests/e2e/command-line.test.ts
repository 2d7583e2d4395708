// What an owner meets before anything is built: help, mistakes, missing tools, no network. No cluster is needed.
import assert from 'node:assert/strict'
import { rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '../../scripts/lib/root.ts'
import { ensurePrograms } from '../../scripts/lib/sandbox/programs.ts'
import { temporaryFolder } from '../temporary.ts'
import { closedPort, kubeconfigOf } from './closed.ts'
import { checkout, ownersCheckout, script, withTools } from './support.ts'

const steps = [
  '01-storage-class',
  '02-metallb',
  '03-adguard',
  '04-traefik',
  '05-cert-manager',
  '06-rancher',
  '07-argocd',
  'bootstrap-all',
]

const good =
  'DOMAIN=lab.home.arpa\nMETALLB_POOL=192.168.1.200-192.168.1.220\nGIT_REPOSITORY=https://git.home.arpa/me/homelab.git\n'

test('every step explains itself, from any folder', async () => {
  for (const step of steps) {
    const help = await script(`bootstrap/${step}.ts`, ['--help'], { cwd: tmpdir() })
    assert.equal(help.code, 0, step)
    assert.match(help.stdout, /usage: \.\/bootstrap\//)
    assert.match(help.stdout, /--plan/)
  }
})

test('a step runs through a symbolic link', async () => {
  const link = join(temporaryFolder('link'), 'metallb')
  symlinkSync(join(root, 'bootstrap/02-metallb.ts'), link)
  assert.equal((await script(link, ['--help'])).code, 0)
})

test('an unknown option is bad usage', async () => {
  const wrong = await script('bootstrap/02-metallb.ts', ['--plann'])
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /--plann/)
})

test('a step that does not exist is named, with those that do', async () => {
  const wrong = await script('bootstrap/bootstrap-all.ts', ['--only', '09', '--sandbox'])
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /there is no step 09/)
  assert.match(wrong.stderr, /04-traefik/)
})

test('a misspelt CHARTS is refused before anything is asked, with the words that there are', async () => {
  const folder = await ownersCheckout(`${good}KUBECONFIG=kube\nKUBE_CONTEXT=lab\n`)
  writeFileSync(join(folder, 'kube'), kubeconfigOf('https://127.0.0.1:1'), { mode: 0o600 })
  const wrong = await script(join(folder, 'bootstrap/02-metallb.ts'), ['--plan'], { env: { CHARTS: 'standin' } })
  assert.equal(wrong.code, 2, wrong.stderr)
  assert.match(wrong.stderr, /CHARTS=standin: there is no such source of charts/)
  assert.match(wrong.stderr, /CHARTS=real, CHARTS=stand-in, CHARTS=auto/)
})

test('a clone without its dependencies says what to do', async () => {
  const folder = await ownersCheckout(good)
  rmSync(join(folder, 'node_modules'))
  const wrong = await script(join(folder, 'bootstrap/02-metallb.ts'))
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /dependencies are not installed[\s\S]*setup/)
})

test('without .env the next command is named', async () => {
  const wrong = await script(join(checkout(), 'bootstrap/bootstrap-all.ts'))
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /\.env/)
  assert.match(wrong.stderr, /install -m 600 \.env\.example \.env|make configure/)
})

test('a bad .env is one report of all its problems, each with its line, before anything else', async () => {
  const wrong = await script(
    join(
      await ownersCheckout(
        'DOMAIN=https://lab.home.arpa/\nMETALLB_POOL=192.168.1.220-192.168.1.200\nRANCHERR=false\nGIT_REPOSITORY=https://git.home.arpa/me/homelab.git\nKUBECONFIG=.env\n',
      ),
      'bootstrap/bootstrap-all.ts',
    ),
  )
  assert.equal(wrong.code, 2)
  for (const line of [
    /\.env:1 DOMAIN: /,
    /\.env:2 METALLB_POOL: /,
    /\.env:3 RANCHERR: .*RANCHER/s,
    /\.env:5 KUBECONFIG: \S+ is not a kubeconfig/,
  ])
    assert.match(wrong.stderr, line)
  assert.match(wrong.stderr, /4 problems, nothing was written/)
  assert.doesNotMatch(wrong.stderr, /at .*\.ts:\d+/)
})

test('a mistake in the YAML that an owner edits is said with its line, before the cluster is asked', async () => {
  const folder = await ownersCheckout(`${good}KUBECONFIG=kube\nKUBE_CONTEXT=lab\n`)
  writeFileSync(join(folder, 'kube'), kubeconfigOf('https://127.0.0.1:1'), { mode: 0o600 })
  writeFileSync(join(folder, 'infrastructure/platform/metallb/values.yaml'), 'crds:\n\tenabled: true\n')
  writeFileSync(join(folder, 'infrastructure/charts.yaml'), 'metallb:\n  version: latest\n')
  for (const file of ['bootstrap/bootstrap-all.ts', 'bootstrap/02-metallb.ts']) {
    const wrong = await script(join(folder, file), ['--plan'], { cwd: folder })
    assert.equal(wrong.code, 2, wrong.stderr)
    assert.match(
      wrong.stderr,
      /platform\/metallb\/values\.yaml:2: a tab, where YAML wants spaces\n {2}fix {2}indent with spaces/,
    )
    assert.match(wrong.stderr, /charts\.yaml:2 metallb\.version: "latest" is not one version/)
    assert.match(wrong.stderr, /problems, nothing was written/)
  }
})

test('a cluster that does not answer is named within seconds', async () => {
  const port = await closedPort()
  const folder = await ownersCheckout(`${good}KUBECONFIG=kube\nKUBE_CONTEXT=lab\n`)
  writeFileSync(join(folder, 'kube'), kubeconfigOf(`https://127.0.0.1:${port}`), { mode: 0o600 })
  for (const file of ['bootstrap/bootstrap-all.ts', 'scripts/doctor.ts']) {
    const wrong = await script(join(folder, file), [], { env: await withTools(), cwd: folder })
    assert.equal(wrong.code, 2)
    assert.match(wrong.stderr, /refused/)
    assert.match(wrong.stderr, /fix {2}/)
    // The kubeconfig says more about why: this one was copied from a server as it stands there.
    assert.match(wrong.stderr, /the kubeconfig leads to this machine itself[\s\S]*2 problems, nothing was written/)
    assert.ok(wrong.milliseconds < 30_000, `${wrong.milliseconds} ms`)
  }
})

test('a missing kubectl is named', async () => {
  const folder = await ownersCheckout(`${good}KUBECONFIG=kube\nKUBE_CONTEXT=lab\n`)
  writeFileSync(join(folder, 'kube'), kubeconfigOf('https://127.0.0.1:1'), { mode: 0o600 })
  const wrong = await script(join(folder, 'bootstrap/bootstrap-all.ts'), [], {
    env: { PATH: await pathWith('helm') },
    cwd: folder,
  })
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /kubectl is not installed/)
})

test('without a network a real run names the chart and the host, and ends', async t => {
  const online = await fetch('https://metallb.github.io', { signal: AbortSignal.timeout(3000) }).then(
    () => true,
    () => false,
  )
  if (online) return t.skip('this machine has a network')
  const { findChart } = await import('../../scripts/lib/charts.ts')
  const started = Date.now()
  await assert.rejects(
    findChart('traefik', { helm: 'helm', source: 'real' }),
    /traefik could not be pulled from traefik\.github\.io/,
  )
  assert.ok(Date.now() - started < 10_000)
})

/** A PATH with node, the shell's own programs, one tool of ours, and nothing else. */
async function pathWith(tool: 'helm' | 'kubectl'): Promise<string> {
  const folder = temporaryFolder('path')
  for (const name of ['sh', 'bash', 'env', 'dirname', 'readlink', 'ps', 'head'])
    symlinkSync(`/usr/bin/${name}`, join(folder, name))
  symlinkSync(process.execPath, join(folder, 'node'))
  symlinkSync((await ensurePrograms(() => {})).paths[tool], join(folder, tool))
  return folder
}
