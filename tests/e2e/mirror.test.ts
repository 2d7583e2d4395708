// An owner keeps the charts at home: fills a mirror, sees it verified, and installs with nothing but it.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parse, stringify } from 'yaml'
import { cacheFolder } from '../../scripts/lib/cache.ts'
import { type ChartFiles, findChart, type Pin, pins } from '../../scripts/lib/charts.ts'
import { exit, type HomelabError } from '../../scripts/lib/errors.ts'
import { root } from '../../scripts/lib/root.ts'
import { ensurePrograms } from '../../scripts/lib/sandbox/programs.ts'
import { temporaryFolder } from '../temporary.ts'
import { checkout, Lab, sandboxFor, script, withTools } from './support.ts'

const folder = temporaryFolder('mirror')
const served = join(folder, 'served')
const dir = join(folder, 'mirror')
const copy = checkout()
let helm: string
let env: Record<string, string>
let server: Server
let origin: string
const pinned: Record<string, Pin> = {}
let answer: ((url: string) => 'stall' | { location: string } | Buffer | undefined) | undefined

before(async () => {
  const programs = await ensurePrograms(() => {})
  helm = programs.paths.helm
  mkdirSync(served)
  for (const name of ['traefik', 'rancher', 'argo-cd'])
    execFileSync(helm, ['package', join(root, 'infrastructure/sandbox/charts', name), '-d', served])
  for (const [name, path] of Object.entries(programs.charts))
    copyFileSync(path, join(served, `${name}-${pins()[name]?.version}.tgz`))
  server = createServer((request, response) => {
    const url = decodeURIComponent(request.url ?? '')
    const special = answer?.(url)
    if (special === 'stall') return response.writeHead(200).write('a little')
    if (special && 'location' in special) return response.writeHead(302, special).end()
    const file = join(url.startsWith('/mirror/') ? folder : served, url)
    if (url === '/') return response.end()
    if (!existsSync(file)) return response.writeHead(404).end()
    response.end(special ?? readFileSync(file))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  execFileSync(helm, ['repo', 'index', served, '--url', origin])
  for (const [name, pin] of Object.entries(pins())) pinned[name] = { ...pin, repository: origin }
  writeFileSync(join(copy, 'infrastructure/charts.yaml'), stringify(pinned))
  env = { ...(await withTools()), ...ownCache('first'), CHARTS: '', HOME: folder }
})
after(() => {
  server.closeAllConnections()
  server.close()
})

/** A cache without charts, so that none of ours gets among the owner's; the sandbox's programs are as they were. */
function ownCache(name: string): Record<string, string> {
  const cache = join(folder, `cache-${name}`, 'homelab')
  mkdirSync(cache, { recursive: true })
  symlinkSync(cacheFolder('programs'), join(cache, 'programs'))
  return { XDG_CACHE_HOME: join(folder, `cache-${name}`), HOMELAB_SANDBOX_DIR: cacheFolder('sandboxes') }
}

interface Told {
  charts: { name: string; state: string }[]
  old: string[]
  pruned: string[]
  images: string[]
  changes: number
}

async function mirror(...args: string[]): Promise<Told> {
  const { code, stdout, stderr } = await script(join(copy, 'scripts/mirror.ts'), ['--dir', dir, '--json', ...args], {
    env,
  })
  assert.equal(code, 0, stdout + stderr)
  return JSON.parse(stdout) as Told
}

const states = ({ charts }: Told) => charts.map(({ name, state }) => `${name} ${state}`)

test('a mirror is filled: every pinned chart, an index, checksums, the images', async () => {
  const told = await mirror()
  assert.deepEqual(states(told), [
    'argo-cd copied',
    'cert-manager copied',
    'metallb copied',
    'rancher copied',
    'traefik copied',
  ])
  assert.deepEqual(readdirSync(dir).sort(), [
    'README.md',
    'SHA256SUMS',
    'argo-cd-10.3.3.tgz',
    'cert-manager-v1.21.2.tgz',
    'images.txt',
    'index.yaml',
    'metallb-0.16.2.tgz',
    'rancher-2.15.0.tgz',
    'traefik-41.3.0.tgz',
  ])
  execFileSync('sha256sum', ['--check', '--strict', '--quiet', 'SHA256SUMS'], { cwd: dir })
  const recorded = Object.keys(parse(readFileSync(join(copy, 'infrastructure/charts.lock.yaml'), 'utf8')))
  assert.equal(recorded.length, 5)
})

test('the images are those of charts, hooks, our manifests, the pods that programs start, and gitops/', async () => {
  const images = readFileSync(join(dir, 'images.txt'), 'utf8')
  for (const wanted of [
    /^docker\.io\/adguard\/adguardhome:v/m,
    /^docker\.io\/rancher\/local-path-provisioner:v/m,
    /^docker\.io\/library\/busybox:1\.37\.0$/m, // in a ConfigMap: the helper pod
    /^quay\.io\/metallb\/speaker:v0\.16\.2$/m,
    /^quay\.io\/jetstack\/cert-manager-webhook:v/m,
    /^quay\.io\/jetstack\/cert-manager-acmesolver:v/m, // in an argument
    /^quay\.io\/argoproj\/argocd:v/m,
    /^docker\.io\/library\/traefik:v/m,
  ])
    assert.match(images, wanted)
  assert.doesNotMatch(images, /frr/, 'BGP is switched off')
})

test('a second run verifies, fetches nothing, and writes nothing', async () => {
  const before = readdirSync(dir).map(file => statSync(join(dir, file)).mtimeMs)
  answer = () => 'stall'
  const told = await mirror()
  answer = undefined
  assert.equal(told.changes, 0)
  assert.ok(
    told.charts.every(({ state }) => state === 'there'),
    'all there',
  )
  assert.deepEqual(
    readdirSync(dir).map(file => statSync(join(dir, file)).mtimeMs),
    before,
  )
})

test('a damaged archive is replaced, a lost one fetched again', async () => {
  writeFileSync(join(dir, 'traefik-41.3.0.tgz'), 'half of it')
  rmSync(join(dir, 'metallb-0.16.2.tgz'))
  const told = await mirror()
  assert.ok(states(told).includes('traefik replaced'), states(told).join())
  assert.ok(states(told).includes('metallb copied'), states(told).join())
  assert.equal((await mirror()).changes, 0)
})

test('an old version stays until --prune; what nobody has recorded is never handed on', async () => {
  const lock = join(copy, 'infrastructure/charts.lock.yaml')
  const kept = readFileSync(lock, 'utf8')
  const source = mkdtempSync(join(folder, 'old-'))
  execFileSync('tar', ['xzf', join(served, 'traefik-41.3.0.tgz'), '-C', source])
  execFileSync(helm, ['package', join(source, 'traefik'), '--version', '41.2.0', '-d', dir])
  const { code, stderr } = await script(join(copy, 'scripts/mirror.ts'), ['--dir', dir], { env })
  assert.equal(code, 1)
  assert.match(stderr, /traefik-41\.2\.0\.tgz is none of ours, and not in the index/)
  assert.doesNotMatch(readFileSync(join(dir, 'index.yaml'), 'utf8'), /41\.2\.0/)

  const digest = execFileSync('sha256sum', [join(dir, 'traefik-41.2.0.tgz')], { encoding: 'utf8' }).slice(0, 64)
  writeFileSync(lock, `${kept}traefik-41.2.0: sha256:${digest}\n`)
  assert.deepEqual((await mirror()).old, ['traefik-41.2.0.tgz'])
  assert.deepEqual(await versions(), ['41.2.0', '41.3.0'])
  assert.deepEqual((await mirror('--prune')).pruned, ['traefik-41.2.0.tgz'])
  assert.deepEqual(await versions(), ['41.3.0'])
  writeFileSync(lock, kept)
})

async function versions(): Promise<(string | undefined)[]> {
  const index = parse(readFileSync(join(dir, 'index.yaml'), 'utf8')) as {
    entries: Record<string, { version: string }[]>
  }
  return (index.entries.traefik ?? []).map(({ version }) => version)
}

test('Helm itself takes the mirror for a repository', async () => {
  const home = mkdtempSync(join(folder, 'helm-'))
  const own = { HOME: home, HELM_CACHE_HOME: home, HELM_CONFIG_HOME: home, HELM_DATA_HOME: home }
  // As processes beside this one, which serves them.
  const asked = async (...args: string[]) => {
    const { code, stdout, stderr } = await script(helm, args, { env: own })
    assert.equal(code, 0, stderr)
    return stdout
  }
  await asked('repo', 'add', 'homelab', `${origin}/mirror`)
  assert.equal(JSON.parse(await asked('search', 'repo', 'homelab/', '-o', 'json')).length, 5)
  await asked('pull', 'homelab/cert-manager', '--version', 'v1.21.2', '-d', home)
  assert.ok(existsSync(join(home, 'cert-manager-v1.21.2.tgz')), 'pulled')
})

// What a mirror may do wrong. Its chart's own repository cannot be reached here, except where a row says so.
const nowhere = 'http://127.0.0.1:9'
let cases = 0
async function pullFrom(from: string, options: { repository?: string; recorded?: boolean } = {}) {
  const own = join(folder, `case-${++cases}`)
  const files: ChartFiles = { pins: join(own, 'charts.yaml'), lock: join(own, 'lock.yaml'), cache: join(own, 'cache') }
  mkdirSync(files.cache, { recursive: true })
  const { repository = nowhere, recorded = true } = options
  writeFileSync(files.pins, stringify({ traefik: { ...pinned.traefik, repository } }))
  if (recorded) copyFileSync(join(copy, 'infrastructure/charts.lock.yaml'), files.lock)
  const got = await findChart('traefik', { helm, source: 'real', files, mirror: from }).catch((e: HomelabError) => e)
  return { got, cached: readdirSync(files.cache) }
}

function isError(got: unknown): asserts got is HomelabError {
  assert.ok(got instanceof Error, `no error: ${JSON.stringify(got)}`)
}

test('a right mirror, as a folder and by its address, gives the chart that is recorded', async () => {
  for (const from of [dir, `${origin}/mirror`, `${origin}/mirror/`]) {
    const { got, cached } = await pullFrom(from)
    assert.ok(!(got instanceof Error), String(got))
    assert.deepEqual(cached, ['traefik-41.3.0.tgz'])
  }
})

test('a tampered archive is refused, the mirror named, nothing kept', async () => {
  answer = url => (url.endsWith('.tgz') ? Buffer.from(readFileSync(join(served, 'rancher-2.15.0.tgz'))) : undefined)
  const { got, cached } = await pullFrom(`${origin}/mirror`, { repository: origin })
  answer = undefined
  isError(got)
  assert.equal(got.code, exit.refused)
  assert.match(`${got.what} ${got.why}`, /not that chart|not the one that was recorded/)
  assert.match(`${got.what} ${got.why}`, /the mirror http/)
  assert.deepEqual(cached, [])
})

test('another content under the right name and version is refused by the record', async () => {
  const source = mkdtempSync(join(folder, 'tampered-'))
  execFileSync('tar', ['xzf', join(served, 'traefik-41.3.0.tgz'), '-C', source])
  writeFileSync(join(source, 'traefik/templates/more.yaml'), '# something else\n')
  execFileSync(helm, ['package', join(source, 'traefik'), '-d', source])
  const { got, cached } = await pullFrom(source)
  isError(got)
  assert.equal(got.code, exit.refused)
  assert.match(got.what, /traefik-41\.3\.0 is not the one that was recorded/)
  assert.deepEqual(cached, [])
})

test('another version inside the archive is refused, also when nothing is recorded yet', async () => {
  const source = mkdtempSync(join(folder, 'version-'))
  execFileSync('tar', ['xzf', join(served, 'traefik-41.3.0.tgz'), '-C', source])
  execFileSync(helm, ['package', join(source, 'traefik'), '--version', '40.0.0', '-d', source])
  copyFileSync(join(source, 'traefik-40.0.0.tgz'), join(source, 'traefik-41.3.0.tgz'))
  const { got, cached } = await pullFrom(source, { recorded: false })
  isError(got)
  assert.equal(got.code, exit.refused)
  assert.match(got.why ?? '', /says traefik 40\.0\.0/)
  assert.deepEqual(cached, [])
})

test('what the mirror has not comes from the repository; where that is away too, both are named', async () => {
  const empty = mkdtempSync(join(folder, 'empty-'))
  const { got } = await pullFrom(empty, { repository: origin })
  assert.ok(!(got instanceof Error), String(got))
  for (const from of [empty, `${origin}/nothing`]) {
    const { got: lost } = await pullFrom(from)
    isError(lost)
    assert.match(lost.what, /could not be pulled from 127\.0\.0\.1:9/)
    assert.match(lost.why ?? '', /the mirror \S+: it has no traefik-41\.3\.0\.tgz/)
  }
})

test('a mirror that stalls in the middle is given up within seconds', async () => {
  answer = () => 'stall'
  const started = Date.now()
  const { got, cached } = await pullFrom(`${origin}/mirror`)
  answer = undefined
  isError(got)
  assert.match(got.why ?? '', /nothing came for 5 s/)
  assert.ok(Date.now() - started < 12_000, `${Date.now() - started} ms`)
  assert.deepEqual(cached, [])
})

test('a mirror that sends us elsewhere is not followed, whatever its index says', async () => {
  let elsewhere = 0
  const other = createServer((_, response) => {
    elsewhere++
    response.end(readFileSync(join(served, 'traefik-41.3.0.tgz')))
  })
  await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve))
  const location = `http://127.0.0.1:${(other.address() as AddressInfo).port}/traefik-41.3.0.tgz`
  answer = url => (url.endsWith('.tgz') ? { location } : undefined)
  const { got } = await pullFrom(`${origin}/mirror`)
  isError(got)
  assert.match(got.why ?? '', /sends us elsewhere/)
  const index = readFileSync(join(dir, 'index.yaml'), 'utf8').replaceAll('- traefik-41.3.0.tgz', `- ${location}`)
  answer = url => (url.endsWith('index.yaml') ? Buffer.from(index) : undefined)
  const { got: fine } = await pullFrom(`${origin}/mirror`)
  answer = undefined
  assert.ok(!(fine instanceof Error), String(fine))
  assert.equal(elsewhere, 0)
  other.close()
})

test('a folder that cannot be written, and stand-ins for a mirror, are bad usage', async () => {
  const wrong = await script(join(copy, 'scripts/mirror.ts'), ['--dir', '/proc/mirror'], { env })
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /\/proc\/mirror cannot be written[\s\S]*DIR=/)
  const standIn = await script(join(copy, 'scripts/mirror.ts'), ['--dir', dir], { env: { ...env, CHARTS: 'stand-in' } })
  assert.equal(standIn.code, 2)
})

test('the platform installs with the mirror as its only source', async () => {
  server.closeAllConnections()
  await new Promise(resolve => server.close(resolve))
  const lab = new Lab(await sandboxFor('mirror'))
  try {
    const from = { ...env, ...ownCache('install'), CHARTS: 'real' }
    const file = join(copy, 'bootstrap/bootstrap-all.ts')
    const without = await lab.run(file, [], { env: from })
    assert.notEqual(without.code, 0, 'without the mirror there is no source')
    assert.match(without.stdout + without.stderr, /could not be pulled from 127\.0\.0\.1/)
    const { code, stdout, stderr, summary } = await lab.run(file, [], { env: { ...from, CHARTS_MIRROR: dir } })
    assert.equal(code, 0, stdout + stderr)
    assert.deepEqual(summary?.standIns, [])
  } finally {
    await lab.end()
  }
})
