// Misconfigurations and secrets in our files, and secrets in their history. `make scan`; infrastructure/docs/PULL-REQUESTS.md.
// Known vulnerabilities of images are a report of their own (make scan-images): upstream mends those, not a pull request.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { parse } from 'yaml'
import { listAt, textAt } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import { applicationManifests, platformManifests } from '../manifests/rendered.ts'
import { temporaryFolder } from '../temporary.ts'
import { looked, toolsOf } from './tools.ts'

const [checks, scanner] = await Promise.all([toolsOf('checks'), toolsOf('trivy')])
const work = temporaryFolder('scan')
before(() => {
  // As the cluster gets them: filled in, and each by itself.
  for (const [i, object] of [...platformManifests(), ...applicationManifests()].entries())
    writeFileSync(join(work, `${i}-${object.kind}-${object.metadata.name}.json`), JSON.stringify(object, null, 2))
})

const leaks = (...args: string[]) =>
  looked(join(checks.dir, 'gitleaks'), [...args, '--no-banner', '--redact', '--config', join(root, '.gitleaks.toml')])

test('gitleaks finds no secret in the history', { skip: checks.skip }, async () => {
  const { code, said } = await leaks('git', '--verbose', root)
  assert.equal(code, 0, said)
})

test('gitleaks would: a token in a file is found', { skip: checks.skip }, async () => {
  const folder = temporaryFolder('leak')
  writeFileSync(join(folder, 'notes.txt'), `token = "ghp_${'a1B2c3D4e5F6'.repeat(3)}"\n`)
  const { code, said } = await leaks('dir', folder)
  assert.notEqual(code, 0, said)
})

const ignored = join(root, '.trivyignore.yaml')
const trivy = (...args: string[]) =>
  looked(join(scanner.dir, 'trivy'), [
    ...['filesystem', '--quiet', '--no-progress', '--skip-version-check', '--skip-check-update', '--exit-code', '1'],
    ...['--cache-dir', join(work, '.cache'), '--ignorefile', ignored, ...args],
  ])

/** A line each: `ConfigMap-adguard-seed.json: KSV-0109 HIGH …`. */
async function misconfigured(folder: string): Promise<string[]> {
  const asked = ['--scanners', 'misconfig', '--severity', 'HIGH,CRITICAL', '--format', 'json']
  const { said } = await trivy(...asked, folder)
  return listAt(JSON.parse(said), 'Results').flatMap(result =>
    listAt(result, 'Misconfigurations').map(one =>
      [`${textAt(result, 'Target')}:`, ...['ID', 'Severity', 'Message'].map(field => textAt(one, field))].join(' '),
    ),
  )
}

test('Trivy finds no misconfiguration of weight in what goes into the cluster', { skip: scanner.skip }, async () => {
  assert.deepEqual(await misconfigured(work), [])
})

test('Trivy would: a privileged container is found', { skip: scanner.skip }, async () => {
  const folder = temporaryFolder('privileged')
  const container = { name: 'a', image: 'docker.io/library/busybox:1', securityContext: { privileged: true } }
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'a', namespace: 'a' },
    spec: { containers: [container] },
  }
  writeFileSync(join(folder, 'pod.json'), JSON.stringify(pod, null, 2))
  const found = await misconfigured(folder)
  assert.ok(
    found.some(one => one.startsWith('pod.json: ')),
    found.join('\n'),
  )
})

test('Trivy finds no secret in the files', { skip: scanner.skip }, async () => {
  const skipped = ['node_modules', '.git', 'tests'].flatMap(one => ['--skip-dirs', one])
  const { code, said } = await trivy('--scanners', 'secret', ...skipped, root)
  assert.equal(code, 0, said)
})

test('each exception of the scanner has a reason and a date', () => {
  const { misconfigurations = [] } = (parse(readFileSync(ignored, 'utf8')) ?? {}) as {
    misconfigurations?: { id?: string; statement?: string; expired_at?: string }[]
  }
  for (const { id, statement = '', expired_at: until = '' } of misconfigurations) {
    assert.ok(statement.length > 20, `${id}: why?`)
    assert.ok(Date.parse(until) > Date.now(), `${id}: expired on ${until}; look again, then set a new date`)
  }
})
