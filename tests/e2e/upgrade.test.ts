// An owner moves to newer versions: sees exactly what moves, is kept from what would do harm, and does it step by step.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parseAllDocuments, stringify } from 'yaml'
import { type K8sObject, textAt } from '../../scripts/lib/k8s.ts'
import { ensurePrograms } from '../../scripts/lib/sandbox/programs.ts'
import { temporaryFolder } from '../temporary.ts'
import { checkout, type Ended, Lab, sandboxFor, script, withTools } from './support.ts'

const charts = 'infrastructure/sandbox/charts'

/** A checkout in which texts are replaced; each must be there. */
function variant(edits: Record<string, [from: string | RegExp, to: string][]>): string {
  const folder = checkout()
  for (const [file, pairs] of Object.entries(edits)) {
    let text = readFileSync(join(folder, file), 'utf8')
    for (const [from, to] of pairs) {
      const next = text.replace(from, to)
      assert.notEqual(next, text, `${file} has no ${from}`)
      text = next
    }
    writeFileSync(join(folder, file), text)
  }
  return folder
}

const traefik = (version: string, program: string): Record<string, [string | RegExp, string][]> => ({
  'infrastructure/charts.yaml': [['version: 41.3.0', `version: ${version}`]],
  [`${charts}/traefik/Chart.yaml`]: [
    ['version: 41.3.0', `version: ${version}`],
    ['v3.7.11', program],
  ],
})

const openSchema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
interface Version {
  name: string
  served: boolean
  storage: boolean
  schema?: unknown
}

/** Middlewares as some release of Traefik might have them: versions, and the fields that they know. */
function middlewareVersions(folder: string, versions: Version[], fields?: string[], without?: string): string {
  const file = join(folder, charts, 'traefik/crds/crds.yaml')
  const crds = parseAllDocuments(readFileSync(file, 'utf8')).map(document => document.toJS())
  const properties = Object.fromEntries((fields ?? []).map(name => [name, openSchema]))
  const spec = { type: 'object', properties: { spec: { type: 'object', properties } } }
  const schema = { openAPIV3Schema: fields ? spec : openSchema }
  const crd = crds.find(({ metadata }) => metadata.name === 'middlewares.traefik.io')
  crd.spec.versions = versions.map(version => ({ schema, ...version }))
  const texts = crds.filter(({ metadata }) => metadata.name !== without).map(one => stringify(one))
  writeFileSync(file, texts.join('---\n'))
  return folder
}

const v1alpha1 = { name: 'v1alpha1', served: true, storage: true }
const kept = ['basicAuth', 'redirectScheme', 'headers']

// What an owner installed a year ago: an older AdGuard Home and Traefik; Middlewares in one more version, with one more field.
const older = middlewareVersions(
  variant({
    ...traefik('39.0.2', 'v3.4.1'),
    'infrastructure/platform/adguard/statefulset.yaml': [[/v0\.107\.71/g, 'v0.107.60']],
  }),
  [{ name: 'v1alpha0', served: true, storage: false }, v1alpha1],
  [...kept, 'retired'],
  'serverstransporttcps.traefik.io',
)
// This checkout, whose Middlewares have the field no more.
const current = middlewareVersions(variant({}), [v1alpha1], kept)

let lab: Lab
before(async () => {
  lab = new Lab(await sandboxFor('upgrade'))
  const { code, stdout, stderr } = await lab.run(join(older, 'bootstrap/bootstrap-all.ts'))
  assert.equal(code, 0, stdout + stderr)
  await lab.cluster.apply([middleware], { manager: 'kubectl' })
})
after(async () => {
  await lab?.end()
})

const middleware: K8sObject = {
  apiVersion: 'traefik.io/v1alpha1',
  kind: 'Middleware',
  metadata: { name: 'mine', namespace: 'default' },
  spec: { retired: { much: 1 }, headers: {} },
}

interface Shown {
  moves: number
  problems: { what: string; why?: string; fix?: string }[]
  backups: { ways: { command: string }[] }
  steps: {
    step: string
    state: string
    note?: string
    from: { chart?: string; program?: string }
    to: { chart?: string; program?: string }
    remarks: string[]
    notes: string[]
    crds: { name: string; change: string; lines: string[] }[]
    rolls: { workload: string; change: string; pods?: number; images: string[] }[]
    back?: { command?: string; not: string }
  }[]
}

const upgradeFile = (folder: string) => join(folder, 'scripts/upgrade.ts')
const eventOf = (ended: Ended, event: string) =>
  ended.stdout
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line))
    .find(one => one.event === event)

/** What `make upgrade` of a checkout shows; it writes nothing. */
async function show(folder: string, code: number, ...args: string[]): Promise<Shown> {
  const ended = await lab.run(upgradeFile(folder), args)
  assert.equal(ended.code, code, ended.stdout + ended.stderr)
  assert.deepEqual(ended.writes, [], 'it only reads')
  return eventOf(ended, 'upgrade') as Shown
}
/** The account of the whole, after those of its steps. */
const last = ({ events }: { events: { event: string }[] }) => events.filter(({ event }) => event === 'summary').at(-1)
const moving = (shown: Shown) => shown.steps.filter(({ state }) => state === 'moves').map(({ step }) => step)
const stepOf = (shown: Shown, step: string) => {
  const found = shown.steps.find(one => one.step === step)
  assert.ok(found, `${step} is shown`)
  return found
}

test('what runs as pinned is said to, step by step, and nothing else', async () => {
  const shown = await show(older, 0)
  assert.deepEqual(moving(shown), [])
  assert.deepEqual(
    shown.steps.map(({ state }) => state),
    ['equal', 'equal', 'equal', 'equal', 'equal', 'equal', 'equal'],
  )
})

test('exactly what moves is shown: versions, kinds, pods, what to read, the way back', async () => {
  const shown = await show(current, 0)
  assert.deepEqual(moving(shown), ['03-adguard', '04-traefik'])
  const adguard = stepOf(shown, '03-adguard')
  assert.deepEqual([adguard.from, adguard.to], [{ program: 'v0.107.60' }, { program: 'v0.107.71' }])
  assert.deepEqual(
    adguard.rolls.map(({ workload, pods }) => `${workload} ${pods}`),
    ['StatefulSet adguard/adguard 2'],
  )
  assert.match(adguard.back?.not ?? '', /refuses the configuration/)
  const door = stepOf(shown, '04-traefik')
  assert.deepEqual(door.from, { chart: '39.0.2', program: 'v3.4.1' })
  assert.deepEqual(door.to, { chart: '41.3.0', program: 'v3.7.11' })
  assert.match(door.remarks.join('\n'), /new major version of the chart: 39\.0\.2 → 41\.3\.0\n.*leaves out 3\.5, 3\.6/)
  assert.ok(
    door.notes.some(url => url.includes('traefik-helm-chart')),
    'the notes of the publisher',
  )
  assert.deepEqual(
    door.crds.map(({ name, change }) => `${change} ${name}`),
    ['changed middlewares.traefik.io', 'new serverstransporttcps.traefik.io'],
  )
  assert.deepEqual(door.crds[0]?.lines, [
    'no longer serves v1alpha0',
    'drops v1alpha1 spec.retired, which 1 object has',
  ])
  assert.deepEqual(
    door.rolls.map(({ workload, images }) => [workload, ...images]),
    [['Deployment traefik/traefik', 'docker.io/traefik:v3.4.1 → v3.7.11']],
  )
  assert.match(
    door.back?.command ?? '',
    /^git checkout \S+ -- infrastructure\/charts\.yaml .* && make install STEP=04$/,
  )
  assert.ok(shown.backups.ways.length > 0, 'how a backup is made')
})

test('for people it fits a terminal, commands and addresses aside', async () => {
  const { stdout, code } = await script(upgradeFile(current), ['--sandbox'], { env: { SANDBOX: 'upgrade' } })
  assert.equal(code, 0, stdout)
  for (const line of stdout.split('\n'))
    if (!/https?:|git checkout|kubectl|sudo/.test(line)) assert.ok(line.length <= 80, `${line.length}: ${line}`)
  assert.match(stdout, /Make a backup first/)
  assert.match(stdout, /2 of 7 steps move; nothing was written/)
  assert.match(stdout, /next: \.\/scripts\/upgrade\.ts --sandbox --apply/)
})

test('the commit to go back to is found in Git', async () => {
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', current, '-c', 'user.name=me', '-c', 'user.email=me@lab.home.arpa', ...args], {
      encoding: 'utf8',
    }).trim()
  const pins = join(current, 'infrastructure/charts.yaml')
  const now = readFileSync(pins, 'utf8')
  git('init', '-q')
  writeFileSync(pins, now.replace('41.3.0', '39.0.2'))
  git('add', 'infrastructure')
  git('commit', '-qm', 'old')
  const old = git('rev-parse', '--short', 'HEAD')
  writeFileSync(pins, now)
  git('commit', '-qam', 'new')
  const shown = await show(current, 0, '--only', '04')
  rmSync(join(current, '.git'), { recursive: true })
  assert.equal(
    stepOf(shown, '04-traefik').back?.command,
    `git checkout ${old} -- infrastructure/charts.yaml infrastructure/platform/traefik && make install STEP=04`,
  )
})

test('a chart that does not run on this Kubernetes, or does not take our values, is refused before anything moves', async () => {
  const folder = variant({
    ...traefik('43.0.0', 'v3.9.0'),
    'infrastructure/charts.yaml': [
      ['version: 41.3.0', 'version: 43.0.0'],
      ['version: 2.15.0', 'version: 2.20.0'],
    ],
    [`${charts}/rancher/Chart.yaml`]: [
      ['version: 2.15.0', 'version: 2.20.0'],
      ["kubeVersion: '<1.37.0-0'", "kubeVersion: '<1.30.0-0'"],
    ],
  })
  writeFileSync(
    join(folder, charts, 'traefik/values.schema.json'),
    JSON.stringify({ type: 'object', properties: { ports: { type: 'array' } } }),
  )
  const { problems } = await show(folder, 3)
  assert.equal(problems.length, 2, JSON.stringify(problems))
  assert.equal(problems[0]?.what, 'Traefik: the new chart does not take our values')
  assert.match(problems[0]?.fix ?? '', /infrastructure\/platform\/traefik\/values\.yaml/)
  assert.match(problems[1]?.what ?? '', /rancher 2\.20\.0 does not run on Kubernetes v1\.36\.3: .*<1\.30\.0-0/)
  const refused = await lab.run(upgradeFile(folder), ['--apply'])
  assert.equal(refused.code, 3)
  assert.deepEqual(refused.writes, [])
})

test('what the API server would refuse to change in place is seen before', async () => {
  const folder = variant({
    ...traefik('42.0.0', 'v3.8.0'),
    [`${charts}/traefik/templates/_labels.tpl`]: [['name: traefik\n', 'name: traefik\nlab/part: door\n']],
  })
  middlewareVersions(folder, [v1alpha1], kept)
  const { problems } = await show(folder, 3, '--only', '04')
  assert.deepEqual(
    problems.map(({ what }) => what),
    ['Deployment traefik/traefik cannot be changed in place'],
  )
  assert.match(problems[0]?.why ?? '', /immutable/)
})

test('a step that fails ends the upgrade: what is done stays, what is left is named, with the way back', async () => {
  const folder = variant({
    ...traefik('42.0.0', 'v3.8.0'),
    'infrastructure/charts.yaml': [
      ['version: 41.3.0', 'version: 42.0.0'],
      ['version: 2.15.0', 'version: 2.16.0'],
    ],
    [`${charts}/rancher/Chart.yaml`]: [['version: 2.15.0', 'version: 2.16.0']],
  })
  middlewareVersions(folder, [v1alpha1], [...kept, 'retired'])
  // No workload, so no dry run sees it.
  const bad = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'Not_A_Name' } }
  writeFileSync(join(folder, charts, 'traefik/templates/bad.yaml'), stringify(bad))
  const ended = await lab.run(upgradeFile(folder), ['--apply'])
  assert.equal(ended.code, 1, ended.stdout)
  assert.deepEqual(last(ended), {
    ...{ event: 'summary', code: 1, upgraded: ['03-adguard'], left: ['04-traefik', '06-rancher'], unwell: [] },
  })
  const shown = await show(folder, 0)
  assert.deepEqual(moving(shown), ['04-traefik', '06-rancher'])
  assert.match(stepOf(shown, '04-traefik').note ?? '', /left failed/)
  assert.equal(stepOf(shown, '03-adguard').state, 'equal')
})

test('applied from the right checkout it goes on from there, and the second time there is nothing', async () => {
  // The failed one was newer, and some of it may be there.
  const shown = await show(current, 0, '--allow-downgrade')
  assert.ok(moving(shown).includes('04-traefik'), moving(shown).join())
  const done = await lab.run(upgradeFile(current), ['--apply', '--allow-downgrade'])
  assert.equal(done.code, 0, done.stdout + done.stderr)
  assert.deepEqual((last(done) as { upgraded?: string[] } | undefined)?.upgraded, ['04-traefik'])
  const deployment = await lab.cluster.find('deployment/traefik/traefik')
  assert.match(textAt(deployment, 'spec', 'template', 'spec', 'containers', 0, 'image') ?? '', /:v3\.7\.11$/)
  const crd = await lab.cluster.find('customresourcedefinition/serverstransporttcps.traefik.io')
  assert.ok(crd, 'the new kind is there')

  assert.deepEqual(moving(await show(current, 0)), [])
  const again = await lab.run(upgradeFile(current), ['--apply'])
  assert.equal(again.code, 0)
  assert.deepEqual(again.writes, [])
  const install = await lab.run(join(current, 'bootstrap/bootstrap-all.ts'))
  assert.deepEqual(install.writes, [], 'nor has an install anything to do')
})

test('a way back is refused unless it is asked for', async () => {
  const { problems } = await show(older, 3, '--only', '04')
  assert.match(problems[0]?.what ?? '', /Traefik would go back: 41\.3\.0 \(v3\.7\.11\) → 39\.0\.2 \(v3\.4\.1\)/)
  assert.match(problems[0]?.fix ?? '', /DOWNGRADE=1/)
  const refused = await lab.run(upgradeFile(older), ['--only', '04', '--apply'])
  assert.equal(refused.code, 3)
  assert.deepEqual(refused.writes, [])
  const asked = await show(older, 0, '--only', '04', '--allow-downgrade')
  assert.match(
    stepOf(asked, '04-traefik')
      .crds.map(({ name, change }) => `${change} ${name}`)
      .join(),
    /gone servers/,
  )
})

const stores = (...names: string[]) => names.map((name, i) => ({ name, served: true, storage: i === names.length - 1 }))

test('a stored version that goes is refused; the way out that is named leads out', async () => {
  // Straight from v1alpha1 to v1: what is stored could not be read any more.
  const far = middlewareVersions(variant(traefik('44.0.0', 'v3.9.0')), stores('v1'), kept)
  const { problems } = await show(far, 3, '--only', '04')
  assert.equal(problems.length, 2, JSON.stringify(problems))
  assert.equal(problems[1]?.what, 'middlewares.traefik.io: v1alpha1 is no longer served, and our own manifests use it')
  assert.match(problems[1]?.why ?? '', /Middleware traefik\/dashboard-auth of 04-traefik/)
  const dashboard = join(far, 'infrastructure/platform/traefik/dashboard.yaml')
  const text = readFileSync(dashboard, 'utf8')
  writeFileSync(dashboard, text.replace('traefik.io/v1alpha1\nkind: Middleware', 'traefik.io/v1\nkind: Middleware'))
  assert.match(problems[0]?.what ?? '', /middlewares\.traefik\.io: objects are, or were, stored as v1alpha1/)
  assert.match(problems[0]?.fix ?? '', /pin a release between the two that has v1alpha1 and stores another version/)

  // With a release between, which has both. Nothing has rewritten the objects yet, so it is refused still.
  const between = middlewareVersions(variant(traefik('43.0.0', 'v3.8.0')), stores('v1alpha1', 'v1'), kept)
  const mid = await lab.run(upgradeFile(between), ['--only', '04', '--apply'])
  assert.equal(mid.code, 0, mid.stdout + mid.stderr)
  const [stored] = (await show(far, 3, '--only', '04')).problems
  assert.match(
    stored?.fix ?? '',
    /^kubectl .* while read .*managedFields.* && kubectl .*patch crd middlewares\.traefik\.io --subresource=status/,
  )
  const refused = await lab.run(upgradeFile(far), ['--only', '04', '--apply'])
  assert.deepEqual([refused.code, refused.writes], [3, []])

  const fix = await script('/bin/sh', ['-c', stored?.fix ?? 'false'], { env: await withTools() })
  assert.equal(fix.code, 0, fix.stderr)
  assert.deepEqual((await show(far, 0, '--only', '04')).problems, [])
  const applied = await lab.run(upgradeFile(far), ['--only', '04', '--apply'])
  assert.equal(applied.code, 0, applied.stdout + applied.stderr)
})

test('a release that was left in the middle is shown and run again, although its version is right', async () => {
  const [record] = await lab.cluster.list('secrets', {
    namespace: 'cattle-system',
    labels: 'owner=helm,name=rancher,status=deployed',
  })
  assert.ok(record, 'a record of the release')
  await lab.cluster.kubectl([
    'label',
    'secret',
    '-n',
    'cattle-system',
    record.metadata.name,
    'status=failed',
    '--overwrite',
  ])
  const shown = await show(current, 0, '--only', '06')
  assert.deepEqual(moving(shown), ['06-rancher'])
  assert.match(stepOf(shown, '06-rancher').note ?? '', /left failed/)
  await lab.cluster.kubectl([
    'label',
    'secret',
    '-n',
    'cattle-system',
    record.metadata.name,
    'status=deployed',
    '--overwrite',
  ])
})

test('make outdated: newer ones are named; without a network that is one line, and no failure', async () => {
  const { paths } = await ensurePrograms(() => {})
  const served = temporaryFolder('newer')
  const server = createServer((request, response) => {
    try {
      response.end(request.url === '/' ? '' : readFileSync(join(served, request.url ?? '')))
    } catch {
      response.writeHead(404).end()
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  for (const [name, version] of [
    ['metallb', '0.17.0'],
    ['traefik', '41.3.0'],
  ] as const) {
    mkdirSync(join(served, name))
    writeFileSync(join(served, name, 'Chart.yaml'), stringify({ apiVersion: 'v2', name, version, appVersion: 'v9' }))
    execFileSync(paths.helm, ['package', join(served, name), '-d', served])
  }
  execFileSync(paths.helm, ['repo', 'index', served, '--url', origin])
  const folder = checkout()
  const pins = {
    metallb: { version: '0.16.2', repository: origin },
    traefik: { version: '41.3.0', repository: origin },
    rancher: { version: '2.15.0', repository: 'http://127.0.0.1:9' },
  }
  writeFileSync(join(folder, 'infrastructure/charts.yaml'), stringify(pins))
  const { code, stdout, stderr } = await script(upgradeFile(folder), ['--newer'], { env: await withTools() })
  server.closeAllConnections()
  server.close()
  assert.equal(code, 0, stderr)
  assert.match(stdout, /↑ metallb 0\.16\.2 +0\.17\.0 \(v9\) is there: minor/)
  assert.match(stdout, /✓ traefik 41\.3\.0 +the newest/)
  assert.match(stdout, /\? not asked: rancher \(no connection to 127\.0\.0\.1:9 within 3 s\)/)
  assert.match(stdout, /Renovate/)
})
