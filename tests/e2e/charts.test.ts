// Where charts come from, with the real helm and a real repository on loopback: pulled once, recorded, held to the record.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type ChartFiles, findChart } from '../../scripts/lib/charts.ts'
import { exit, type HomelabError } from '../../scripts/lib/errors.ts'
import { ensurePrograms } from '../../scripts/lib/sandbox/programs.ts'

const folder = mkdtempSync(join(tmpdir(), 'homelab-charts-'))
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

before(async () => {
  helm = (await ensurePrograms(() => {})).paths.helm
  mkdirSync(files.cache)
  server = createServer((request, response) => {
    asked++
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
  server.close()
  rmSync(folder, { recursive: true })
})

/** Packages a small chart and an index of it, as a publisher does. */
function publish(content: string): void {
  const source = join(folder, 'demo')
  mkdirSync(join(source, 'templates'), { recursive: true })
  writeFileSync(join(source, 'Chart.yaml'), JSON.stringify({ apiVersion: 'v2', name: 'demo', version: '1.2.3' }))
  writeFileSync(
    join(source, 'templates/a.yaml'),
    JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { content } }),
  )
  execFileSync(helm, ['package', source, '-d', served])
  execFileSync(helm, ['repo', 'index', served, '--url', origin])
}

const forget = () => rmSync(join(files.cache, 'demo-1.2.3.tgz'), { force: true })

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
    assert.match(error.fix ?? '', /demo-1\.2\.3\.tgz/)
    return true
  })
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
