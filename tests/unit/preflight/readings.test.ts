// What the facts are read from: versions, chart archives, kubeconfigs, routes.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { accessProblems, readAccess } from '../../../scripts/lib/preflight/access.ts'
import { kubeVersionOf, meets, minorOf } from '../../../scripts/lib/preflight/kube-version.ts'
import { parseRoutes } from '../../../scripts/lib/preflight/machine.ts'
import { temporaryFolder } from '../../temporary.ts'

const openssl = spawnSync('openssl', ['version']).status === 0

function inFolder(name: string, body: (folder: string) => Promise<void> | void, skip: string | false = false): void {
  test(name, { skip }, () => body(temporaryFolder('preflight')))
}

test('a constraint is judged as Helm judges it', () => {
  for (const [version, constraint, verdict] of [
    ['v1.36.3', '>=1.25.0-0', true],
    ['v1.36.3+rke2r1', '>= 1.22.0-0', true],
    ['v1.36.3+k3s1', '< 1.37.0-0', true],
    ['v1.37.0', '<1.37.0-0', false],
    ['v1.37.0-alpha.1', '<1.37.0-0', false],
    ['v1.24.9', '>=1.25', false],
    ['v1.25.0', '>=1.25', true],
    ['v1.36.3-gke.100', '>=1.25.0', false],
    ['v1.36.3-gke.100', '>=1.25.0-0', true],
    ['v1.30.0', '>=1.28.0-0 <1.36.0-0', true],
    ['v1.36.0', '>= 1.28.0-0, < 1.36.0-0', false],
    ['v1.36.0', '<1.20.0-0 || >=1.36.0-0', true],
    ['v1.30.0', '<1.20.0 || >1.36.0', false],
    ['v1.36.3', '=1.36.3', true],
    ['v1.36.3', '>1.36.3', false],
    ['v1.36.3', '<=1.36.3', true],
    ['v1.36.3', '^1.30.0', undefined],
    ['v1.36.3', '1.36.x', undefined],
    ['latest', '>=1.25.0', undefined],
  ] as const)
    assert.equal(meets(version, constraint), verdict, `${version} ${constraint}`)
  assert.deepEqual([minorOf('v1.36.3+k3s1'), minorOf('none')], [36, undefined])
})

inFolder('the constraint is read from a folder and from an archive, whatever stands before it', folder => {
  const chart = join(folder, 'thing')
  mkdirSync(chart)
  writeFileSync(join(chart, 'Chart.yaml'), "name: thing\nkubeVersion: '>=1.25.0-0'\n")
  writeFileSync(join(chart, 'values.yaml'), 'x: 1\n'.repeat(500))
  assert.equal(kubeVersionOf(chart), '>=1.25.0-0')
  for (const [name, ...files] of [
    ['a', 'thing/Chart.yaml', 'thing/values.yaml'],
    ['b', 'thing/values.yaml', 'thing/Chart.yaml'],
  ]) {
    const archive = join(folder, `${name}.tgz`)
    execFileSync('tar', ['-czf', archive, '-C', folder, ...files])
    assert.equal(kubeVersionOf(archive), '>=1.25.0-0')
  }
  execFileSync('tar', ['-czf', join(folder, 'c.tgz'), '-C', folder, 'thing/values.yaml'])
  assert.throws(() => kubeVersionOf(join(folder, 'c.tgz')), /no Chart\.yaml/)
})

inFolder('a kubeconfig tells where it leads and until when', kubeconfigs, openssl ? false : 'openssl is not installed')

async function kubeconfigs(folder: string): Promise<void> {
  const file = join(folder, 'config')
  const config = (server: string, user: object, more = {}) =>
    writeFileSync(
      file,
      JSON.stringify({
        contexts: [
          { name: 'other', context: { cluster: 'none', user: 'none' } },
          { name: 'home', context: { cluster: 'c', user: 'u' } },
        ],
        clusters: [{ name: 'c', cluster: { server, ...more } }],
        users: [{ name: 'u', user }],
      }),
    )
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '10', '-subj', '/CN=admin', '-keyout', 'k', '-out', 'c'],
    { cwd: folder, stdio: 'ignore' },
  )
  config('https://192.168.1.10:6443', { 'client-certificate': 'c' }, { 'insecure-skip-tls-verify': true })
  const access = await readAccess(file, 'home')
  assert.deepEqual([access.server, access.insecure], ['https://192.168.1.10:6443', true])
  const ends = 'value' in access.ends ? access.ends.value : 0
  assert.ok(Math.abs(ends - Date.now() - 10 * 86_400_000) < 120_000, new Date(ends).toISOString())
  assert.deepEqual(accessProblems(access, Date.now()), [])
  assert.match(accessProblems(access, ends + 1)[0]?.what ?? '', /certificate ended/)

  config('https://127.0.0.1:6443', { token: 'secret' })
  const local = await readAccess(file, 'home')
  assert.match(JSON.stringify(local.ends), /token/)
  assert.doesNotMatch(JSON.stringify(local), /secret/)
  assert.match(accessProblems(local, Date.now())[0]?.what ?? '', /this machine itself \(https:\/\/127\.0\.0\.1/)

  config('https://x', {})
  assert.match(accessProblems(await readAccess(file, 'home'), Date.now())[0]?.what ?? '', /has no credentials/)

  config('https://x', { exec: { command: 'login' } })
  assert.match(JSON.stringify(await readAccess(file, 'home')), /program/)
  config('https://x', { 'client-certificate-data': 'bm9uZQ==' })
  assert.match(JSON.stringify(await readAccess(file, 'home')), /cannot be read/)
  assert.match(JSON.stringify(await readAccess(join(folder, 'none'), 'home')), /cannot be read/)
}

test('default routes are those without a destination, lowest byte first', () => {
  const routes = [
    'Iface\tDestination\tGateway \tFlags',
    'eth0\t00000000\t0101A8C0\t0003',
    'eth0\t0001A8C0\t00000000\t0001',
    'wg0\t00000000\t00000000\t0001',
  ]
  assert.deepEqual(parseRoutes(`${routes.join('\n')}\n`), [0xc0a80101])
})
