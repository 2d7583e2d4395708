import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { HomelabError } from '../../scripts/lib/errors.ts'
import { earlierBuilds, keepTwo } from '../../scripts/lib/sandbox/build.ts'
import { builtExtra, notBuilt } from '../../scripts/lib/sandbox/extra-build.ts'
import { type Extra, extraNames, extras } from '../../scripts/lib/sandbox/extras.ts'
import { withFileLock } from '../../scripts/lib/sandbox/filelock.ts'
import { checkNetwork, findGo } from '../../scripts/lib/sandbox/go.ts'
import { moduleVersion, patched } from '../../scripts/lib/sandbox/modules.ts'
import { socketFolder } from '../../scripts/lib/sandbox/paths.ts'
import { reportTo } from '../../scripts/lib/sandbox/report.ts'
import { temporaryFolder } from '../temporary.ts'

const folder = temporaryFolder('programs')
const proxies = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy']
const kept = Object.fromEntries(['PATH', 'GO', 'XDG_CACHE_HOME', ...proxies].map(name => [name, process.env[name]]))
/** What a test does to these variables ends with it. */
function restored(t: TestContext): void {
  t.after(() => {
    for (const [key, value] of Object.entries(kept))
      if (value === undefined) delete process.env[key]
      else process.env[key] = value
  })
}

function fakeGo(text: string): string {
  const file = join(folder, 'go')
  writeFileSync(file, `#!/bin/sh\n${text}\n`)
  chmodSync(file, 0o755)
  return file
}

const problem = (words: RegExp) => (error: unknown) => {
  assert.ok(error instanceof HomelabError)
  assert.match(error.what, words)
  assert.ok(error.why && error.fix, 'a cause and a way out')
  return true
}

test('no Go on PATH says how to get one', async t => {
  restored(t)
  delete process.env.GO
  process.env.PATH = folder.concat('/nothing')
  await assert.rejects(findGo(), problem(/Go is not installed/))
})

test('a Go that is too old, or none at all, is named with its version', async t => {
  restored(t)
  process.env.GO = fakeGo('printf "go1.21.3\\nlinux\\namd64\\n/m\\nhttps://x\\n"')
  await assert.rejects(findGo(), problem(/is go1\.21\.3, too old/))
  process.env.GO = fakeGo('echo broken >&2; exit 1')
  await assert.rejects(findGo(), problem(/does not run/))
  process.env.GO = join(folder, 'missing')
  await assert.rejects(findGo(), problem(/missing does not run/))
  process.env.GO = fakeGo('printf "go1.27.0\\nlinux\\narm64\\n/m\\nhttps://x\\n"')
  assert.deepEqual((({ version, platform, modCache }) => ({ version, platform, modCache }))(await findGo()), {
    version: 'go1.27.0',
    platform: 'linux/arm64',
    modCache: '/m',
  })
})

test('an absent network is noticed within seconds, also one that swallows what is sent', async t => {
  restored(t)
  process.env.GO = fakeGo('printf "go1.26.0\\nlinux\\namd64\\n/m\\n\\n"')
  for (const name of proxies) delete process.env[name]
  const go = await findGo()
  await assert.rejects(
    checkNetwork({ ...go, proxy: 'http://127.0.0.1:1,direct' }),
    problem(/127\.0\.0\.1:1 cannot be reached/),
  )
  const silent = createServer(() => {})
    .listen(0, '127.0.0.1')
    .unref()
  await new Promise(done => silent.once('listening', done))
  const { port } = silent.address() as { port: number }
  // A quarter of each time, so that the limit of eight seconds is one of two.
  const { timeout } = AbortSignal
  t.mock.method(AbortSignal, 'timeout', (milliseconds: number) => timeout(milliseconds / 4))
  const start = Date.now()
  await assert.rejects(checkNetwork({ ...go, proxy: `http://127.0.0.1:${port}` }), problem(/cannot be reached/))
  assert.ok(Date.now() - start < 2000)
  silent.close()
  process.env.HTTP_PROXY = 'http://127.0.0.1:1'
  await checkNetwork({ ...go, proxy: 'http://127.0.0.1:1' }) // only Go can tell
  delete process.env.HTTP_PROXY
  for (const proxy of ['off', 'direct', 'file:///mirror', '']) await checkNetwork({ ...go, proxy })
})

test('versions come from go.mod, where each is said once', () => {
  const goMod = readFileSync(
    fileURLToPath(new URL('../../infrastructure/sandbox/tools/go.mod', import.meta.url)),
    'utf8',
  )
  assert.match(moduleVersion(goMod, 'k8s.io/kubernetes'), /^v1\.\d+\.\d+$/)
  assert.match(moduleVersion(goMod, 'github.com/cert-manager/cert-manager'), /^v1\.\d+\.\d+$/)
  assert.throws(() => moduleVersion(goMod, 'example.org/none'), /does not require example\.org\/none/)
})

test('each optional program has a module that requires what it is called after', async t => {
  restored(t)
  process.env.XDG_CACHE_HOME = folder
  for (const name of extraNames) {
    const { versionOf, patches = [], module: folder = name }: Extra = extras[name]
    const goMod = readFileSync(
      fileURLToPath(new URL(`../../infrastructure/sandbox/${folder}/go.mod`, import.meta.url)),
      'utf8',
    )
    for (const module of [versionOf, ...patches.map(patch => patch.module)])
      assert.match(moduleVersion(goMod, module), /^v\d+\./)
    assert.equal(await builtExtra(name), undefined, 'asked, not built')
    assert.match((await notBuilt(name)) || '', /is not built here: make programs/)
  }
})

test('a patch that does not fit exactly one line is refused', () => {
  const patch = { module: 'm', file: 'f.go', from: /^\tport: (\d+),$/gm, to: '\tport: 1$1,' }
  assert.equal(patched('a\n\tport: 5,\n', patch), 'a\n\tport: 15,\n')
  assert.throws(() => patched('a\n', patch), problem(/f\.go has 0 lines/))
  assert.throws(() => patched('\tport: 5,\n\tport: 6,\n', patch), problem(/has 2 lines/))
})

test('the lock lets one in at a time, and outlives nobody', async () => {
  const path = join(folder, 'lock')
  let inside = 0
  let most = 0
  const work = () =>
    withFileLock(
      path,
      () => {},
      async () => {
        most = Math.max(most, ++inside)
        await sleep(30)
        inside--
      },
    )
  await Promise.all([work(), work(), work()])
  assert.equal(most, 1)
  assert.equal(existsSync(path), false)
  mkdirSync(path)
  writeFileSync(join(path, 'pid'), '999999999') // above any system's highest process id
  await work()
  await assert.rejects(
    withFileLock(
      path,
      () => {},
      () => Promise.reject(new Error('inside')),
    ),
    /inside/,
  )
  assert.equal(existsSync(path), false, 'given back after an error')
})

test('progress is one live line on a terminal, and one line in ten seconds elsewhere', () => {
  const lines: string[] = []
  const stream = { write: (text: string) => lines.push(text) > 0 } as unknown as NodeJS.WritableStream
  const log = reportTo(stream, false)
  for (const text of ['compile · 1', 'compile · 2', 'charts']) log(text)
  assert.deepEqual(lines.splice(0), ['compile · 1\n', 'charts\n'])
  const live = reportTo(stream, true)
  for (const text of ['compile · 1', 'compile · 2', 'charts']) live(text)
  assert.deepEqual(lines, ['compile · 1\n', '\x1b[1A\x1b[2Kcompile · 2\n', 'charts\n'])
})

test('a socket that a plugin makes has a path that the system takes, however long the home folder is', () => {
  for (const home of ['/root', '/home/me', '/home/somebody-with-a-longer-name', `/home/${'x'.repeat(200)}`]) {
    const folder = socketFolder(`${home}/.cache/homelab/sandboxes/rehearsal`, 'plugins')
    assert.ok(Buffer.byteLength(`${folder}/plugin1234567890`) < 104, folder)
  }
  const [one, other] = ['a', 'b'].map(name => socketFolder(`/home/${'x'.repeat(80)}/${name}`, 'plugins'))
  assert.notEqual(one, other)
})

test('of the builds of a program the newest two stay, and one that a sandbox runs from', async () => {
  const root = join(folder, 'builds')
  for (const [i, name] of ['loki-old', 'loki-used', 'loki-newer', 'loki-newest', 'trivy-old'].entries()) {
    mkdirSync(join(root, name), { recursive: true })
    utimesSync(join(root, name), i, i)
  }
  const builds = await earlierBuilds(root, /^loki-/)
  assert.deepEqual(builds[0], join(root, 'loki-newest'))
  await keepTwo(builds, new Set([join(root, 'loki-used')]))
  assert.deepEqual(readdirSync(root).sort(), ['loki-newer', 'loki-newest', 'loki-used', 'trivy-old'])
})
