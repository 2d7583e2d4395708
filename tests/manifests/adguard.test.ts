// AdGuard Home's own program accepts the seed, whatever the site says.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { type K8sObject, listAt, mapAt, textAt } from '../../scripts/lib/k8s.ts'
import { hashPassword } from '../../scripts/lib/secrets.ts'
import { temporaryFolder } from '../temporary.ts'
import { adguardSeed, platformManifests, run, sample } from './rendered.ts'

const manifests = platformManifests()
const find = (kind: string, name: string): K8sObject => {
  const found = manifests.find(object => object.kind === kind && object.metadata.name === name)
  assert.ok(found, `${kind} ${name}`)
  return found
}

/** The init container's own command, with its three paths led into a folder. */
async function seeded(folder: string, seed: string): Promise<string> {
  writeFileSync(join(folder, 'seed.yaml'), seed)
  const pod = (find('StatefulSet', 'adguard').spec as { template: { spec: unknown } }).template.spec
  const [shell = '', flags = '', script = ''] = listAt(listAt(pod, 'initContainers')[0], 'command').map(String)
  const here = script
    .replaceAll('/opt/adguardhome/conf/', `${folder}/`)
    .replaceAll('/seed/AdGuardHome.yaml', `${folder}/seed.yaml`)
  const hash = await hashPassword('correct horse battery staple')
  return execFileSync(shell, [flags, here], { encoding: 'utf8', env: { PATH: process.env.PATH, PASSWORD_HASH: hash } })
}

function inFolder(name: string, body: (folder: string) => Promise<void>): void {
  test(name, () => body(temporaryFolder('adguard')))
}

test('the ConfigMap carries the seed as text, and the seed knows the site', () => {
  const seed = parse(mapAt(find('ConfigMap', 'adguard-seed'), 'data')['AdGuardHome.yaml'] ?? '')
  assert.deepEqual(seed.dns.upstream_dns, sample.dnsUpstreams)
  assert.deepEqual(
    seed.filtering.rewrites.map((rewrite: { domain: string; answer: string }) => [rewrite.domain, rewrite.answer]),
    [
      ['lab.home.arpa', '192.168.77.200'],
      ['*.lab.home.arpa', '192.168.77.200'],
    ],
  )
  assert.equal(textAt(seed, 'users', 0, 'password'), '@PASSWORD_HASH@')
})

inFolder('the program accepts the seed with a password in it', async folder => {
  assert.match(await seeded(folder, adguardSeed()), /first configuration written/)
  // Without the file it would start to serve instead of checking, so the file comes first.
  const said = run('adguardhome', [
    '--check-config',
    '--config',
    join(folder, 'AdGuardHome.yaml'),
    '--work-dir',
    folder,
  ])
  assert.doesNotMatch(said, /panic|fatal/i)
})

inFolder('the program refuses a newer schema than its own', async folder => {
  await seeded(folder, adguardSeed().replace(/^schema_version: .*$/m, 'schema_version: 99'))
  const check = ['--check-config', '--config', join(folder, 'AdGuardHome.yaml'), '--work-dir', folder]
  assert.throws(() => run('adguardhome', check))
})

inFolder('a configuration that is there is left alone', async folder => {
  writeFileSync(join(folder, 'AdGuardHome.yaml'), 'mine: true\n')
  assert.match(await seeded(folder, adguardSeed()), /configured already/)
  assert.equal(execFileSync('cat', [join(folder, 'AdGuardHome.yaml')], { encoding: 'utf8' }), 'mine: true\n')
})
