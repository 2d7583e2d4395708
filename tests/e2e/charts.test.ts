// Where charts come from, with the real helm and a real repository on loopback: pulled once, recorded, held to the record.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type ChartFiles, findChart } from '../../scripts/lib/charts.ts'
import { exit, type HomelabError } from '../../scripts/lib/errors.ts'
import { ensurePrograms } from '../../scripts/lib/sandbox/programs.ts'
import { temporaryFolder } from '../temporary.ts'

const folder = temporaryFolder('charts')
const served = join(folder, 'served')
const files: ChartFiles = {
  pins: join(folder, 'charts.yaml'),
  lock: join(folder, 'charts.lock.yaml'),
  cache: join(folder, 'cache'),
}
let helm: string
let server: Server
let origin: string
let asked = 0
/** Requests that get no answer. */
let stalled: RegExp | undefined

before(async () => {
  helm = (await ensurePrograms(() => {})).paths.helm
  mkdirSync(files.cache)
  server = createServer((request, response) => {
    asked++
    if (stalled?.test(request.url ?? '')) return
    const file = join(served, request.url ?? '')
    if (!existsSync(file) || request.url === '/') return response.writeHead(request.url === '/' ? 200 : 404).end()
    response.end(readFileSync(file))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  publish('first')
  writeFileSync(files.pins, JSON.stringify({ demo: { version: '1.2.3', repository: origin } }))
})
after(() => {
  server.closeAllConnections()
  server.close()
})

/** Packages a small chart and an index of it, as a publisher does. */
function publish(content: string, version = '1.2.3'): void {
  const source = join(folder, 'demo')
  mkdirSync(join(source, 'templates'), { recursive: true })
  writeFileSync(join(source, 'Chart.yaml'), JSON.stringify({ apiVersion: 'v2', name: 'demo', version }))
  writeFileSync(
    join(source, 'templates/a.yaml'),
    JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { content } }),
  )
  execFileSync(helm, ['package', source, '-d', served])
  execFileSync(helm, ['repo', 'index', served, '--url', origin])
}

const forget = (version = '1.2.3') => rmSync(join(files.cache, `demo-${version}.tgz`), { force: true })

/** Another charts.yaml. */
function pinsFor(version: string, repository = origin): string {
  const file = join(folder, `pins-${version}.yaml`)
  writeFileSync(file, JSON.stringify({ demo: { version, repository } }))
  return file
}

test('the first pull is recorded, the second run asks nobody', async () => {
  const first = await findChart('demo', { helm, source: 'real', files })
  assert.equal(first.standIn, false)
  assert.match(readFileSync(files.lock, 'utf8'), new RegExp(`demo-1.2.3: sha256:${first.digest}`))
  const before = asked
  assert.equal((await findChart('demo', { helm, source: 'real', files })).digest, first.digest)
  assert.equal(asked, before)
})

test('the same version with another content is refused, and what is wrong is said', async () => {
  forget()
  publish('tampered')
  await assert.rejects(findChart('demo', { helm, source: 'real', files }), (error: HomelabError) => {
    assert.equal(error.code, exit.refused)
    assert.match(error.what, /demo-1\.2\.3 is not the one that was recorded/)
    assert.match(error.why ?? '', new RegExp(`${origin} has sha256:`))
    return true
  })
  assert.deepEqual(readdirSync(files.cache), [], 'nothing of it is kept')
  await assert.rejects(findChart('demo', { helm, source: 'auto', files }), /not the one that was recorded/)
})

test('an archive that was changed in the cache is refused, with the file to delete', async () => {
  writeFileSync(join(files.cache, 'demo-1.2.3.tgz'), 'changed')
  await assert.rejects(findChart('demo', { helm, source: 'real', files }), (error: HomelabError) => {
    assert.equal(error.code, exit.refused)
    assert.match(error.fix ?? '', /^delete .*demo-1\.2\.3\.tgz and run again/)
    return true
  })
  forget()
})

test('an archive that holds another version than its name says is refused at its first pull', async () => {
  const pins = pinsFor('9.0.0')
  publish('first', '8.0.0')
  renameSync(join(served, 'demo-8.0.0.tgz'), join(served, 'demo-9.0.0.tgz'))
  const index = readFileSync(join(served, 'index.yaml'), 'utf8').replaceAll('8.0.0', '9.0.0')
  writeFileSync(join(served, 'index.yaml'), index)
  await assert.rejects(
    findChart('demo', { helm, source: 'real', files: { ...files, pins } }),
    (error: HomelabError) => {
      assert.equal(error.code, exit.refused)
      assert.match(error.why ?? '', /says demo 8\.0\.0/)
      return true
    },
  )
  assert.deepEqual(readdirSync(files.cache), [])
  assert.doesNotMatch(readFileSync(files.lock, 'utf8'), /9\.0\.0/, 'nor recorded')
})

test('an index that points elsewhere is followed, as publishers do, and what comes is held to the record', async () => {
  const elsewhere = createServer((_, response) => response.end(readFileSync(join(served, 'other.tgz'))))
  await new Promise<void>(resolve => elsewhere.listen(0, '127.0.0.1', resolve))
  publish('first', '2.0.0')
  const pins = pinsFor('2.0.0')
  await findChart('demo', { helm, source: 'real', files: { ...files, pins } })
  forget('2.0.0')
  publish('tampered', '2.0.0')
  renameSync(join(served, 'demo-2.0.0.tgz'), join(served, 'other.tgz'))
  const other = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`
  writeFileSync(join(served, 'index.yaml'), readFileSync(join(served, 'index.yaml'), 'utf8').replaceAll(origin, other))
  await assert.rejects(
    findChart('demo', { helm, source: 'real', files: { ...files, pins } }),
    /demo-2\.0\.0 is not the one that was recorded/,
  )
  elsewhere.closeAllConnections()
  elsewhere.close()
})

test('a repository that stalls in the middle is given up when its time is over', async () => {
  const pins = pinsFor('1.2.3')
  stalled = /index\.yaml/
  await assert.rejects(
    findChart('demo', { helm, source: 'real', files: { ...files, pins }, patience: 2 }),
    (error: HomelabError) => /no answer within 2 s/.test(error.why ?? ''),
  )
  stalled = undefined
  assert.deepEqual(readdirSync(files.cache), [])
})

test('a version that is not there is named, and leaves no rest in the cache', async () => {
  forget()
  const pins = join(folder, 'other.yaml')
  writeFileSync(pins, JSON.stringify({ demo: { version: '9.9.9', repository: origin } }))
  await assert.rejects(
    findChart('demo', { helm, source: 'real', files: { ...files, pins } }),
    /demo could not be pulled from 127\.0\.0\.1/,
  )
  assert.deepEqual(readdirSync(files.cache), [])
})

test('a repository that does not answer is given up within seconds', async () => {
  const silent = createServer(() => {})
  await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
  const pins = join(folder, 'silent.yaml')
  writeFileSync(
    pins,
    JSON.stringify({
      demo: { version: '1.2.3', repository: `http://127.0.0.1:${(silent.address() as AddressInfo).port}` },
    }),
  )
  const start = Date.now()
  await assert.rejects(findChart('demo', { helm, source: 'real', files: { ...files, pins } }), /could not be pulled/)
  assert.ok(Date.now() - start < 6000)
  silent.closeAllConnections()
  silent.close()
})
