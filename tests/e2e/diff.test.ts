// make diff as its owner sees it: a branch in a fork, rendered on both sides by Argo CD's own code. No cluster, no network.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { notBuilt } from '../../scripts/lib/sandbox/extra-build.ts'
import { checkout, script, withTools } from './support.ts'

const skip = await notBuilt('render')
const folder = checkout()
after(() => rmSync(folder, { recursive: true, force: true }))
let tools: Record<string, string>

const git = (...args: string[]): string => execFileSync('git', ['-C', folder, ...args], { encoding: 'utf8' }).trim()
/** As main has it: each branch begins there. */
const read = (file: string) => execFileSync('git', ['-C', folder, 'show', `main:${file}`], { encoding: 'utf8' })

/** A branch from main with one commit. */
function branch(name: string, files: Readonly<Record<string, string>>): void {
  git('checkout', '-q', '-B', name, 'main')
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), text)
  }
  git('add', '-A')
  git('commit', '-q', '-m', name)
}

const diff = (...args: string[]) =>
  script(join(folder, 'scripts/diff.ts'), args, { env: { ...tools, HOME: process.env.HOME } })

interface Summary {
  same: number
  standIns: string[]
  platform: string[]
  applications: {
    application: string
    environments: string[]
    failed?: string
    comes?: string
    objects: { title: string; result: string }[]
  }[]
}
async function summary(): Promise<Summary> {
  const ended = await diff('--json')
  assert.equal(ended.code, 0, ended.stderr)
  return JSON.parse(ended.stdout)
}

before(async () => {
  tools = await withTools()
  writeFileSync(join(folder, '.gitignore'), 'node_modules\n*.full.md\n')
  git('init', '-q', '-b', 'main')
  for (const [key, value] of [
    ['user.name', 'me'],
    ['user.email', 'me@home.arpa'],
    ['commit.gpgsign', 'false'],
  ] as const)
    git('config', key, value)
  git('add', '-A')
  git('commit', '-q', '-m', 'the fork')
})

test('a revision that Git does not know is refused with the way out', async () => {
  const ended = await diff('--base', 'no-such-branch')
  assert.equal(ended.code, 2)
  assert.match(ended.stderr, /Git knows no revision no-such-branch[\s\S]*fix .*git fetch/)
})

test('changes that are not committed are refused, named, and left alone', async () => {
  const file = 'gitops/applications/loki.yaml'
  const text = read(file)
  writeFileSync(join(folder, file), `${text}# mine\n`)
  const ended = await diff()
  assert.equal(ended.code, 2)
  assert.match(
    ended.stderr,
    /not committed[\s\S]*loki\.yaml[\s\S]*fix .*commits are compared, and what is in none is not seen/,
  )
  assert.equal(readFileSync(join(folder, file), 'utf8'), `${text}# mine\n`)
  git('checkout', '-q', '--', file)
})

test('a branch that bumps one chart shows exactly that application', { skip }, async () => {
  const file = 'gitops/applications/loki.yaml'
  branch('bump', { [file]: read(file).replace('targetRevision: 18.11.0', 'targetRevision: 18.99.0') })
  const { applications, same, standIns } = await summary()
  assert.deepEqual([...new Set(applications.map(one => one.application))], ['loki'])
  assert.deepEqual(applications.flatMap(one => one.environments).sort(), ['dev', 'prod', 'staging'])
  assert.ok(same > 10, `${same} were not rendered`)
  assert.deepEqual([...new Set(standIns)], ['loki'])
  // The stand-in is the same in every version; what the parent applies is not.
  for (const { objects } of applications)
    assert.deepEqual(objects, [{ title: 'Application argocd/loki', result: 'changed' }])
  const { stdout } = await diff()
  assert.match(stdout, /^-.*targetRevision: 18\.11\.0\n\+.*targetRevision: 18\.99\.0$/m)
})

test('a change of documentation, or of the platform, renders nothing', { skip }, async () => {
  const file = 'infrastructure/platform/traefik/values.yaml'
  branch('platform', { 'README.md': 'mine\n', [file]: `${read(file)}# mine\n` })
  const { applications, platform } = await summary()
  assert.deepEqual([applications, platform], [[], [file]])
  assert.match((await diff()).stdout, /No application changes/)
})

test('a value of one environment changes that environment only, and a shared file all of them', { skip }, async () => {
  const site = 'gitops/environments/dev/site.yaml'
  const values = 'infrastructure/logging/alloy/values.yaml'
  branch('value', { [site]: read(site).replace(/lokiSize: \S+/, 'lokiSize: 7Gi') })
  assert.deepEqual(
    (await summary()).applications.map(one => [one.application, one.environments]),
    [['loki', ['dev']]],
  )
  branch('values', { [values]: read(values).replace('cpu: 50m, memory: 128Mi', 'cpu: 60m, memory: 128Mi') })
  const { applications } = await summary()
  assert.deepEqual(
    applications.map(one => [one.application, one.environments]),
    [['alloy', ['dev', 'staging', 'prod']]],
  )
})

test('what a Secret holds is in no line, the fold says that it changes, and its application is new', {
  skip,
}, async () => {
  const value = 'correct-horse-battery-staple'
  const secret = (text: string) =>
    `apiVersion: v1\nkind: Secret\nmetadata: { name: login }\ndata: { password: ${Buffer.from(text).toString('base64')} }\n`
  const kustomization = 'gitops/apps/welcome/kustomization.yaml'
  const list = read(kustomization).replace('  - service.yaml\n', '  - service.yaml\n  - login.yaml\n')
  branch('secret', { 'gitops/apps/welcome/login.yaml': secret(value), [kustomization]: list })
  const { stdout } = await diff()
  assert.match(stdout, /added: Secret welcome\/login/)
  for (const text of [value, Buffer.from(value).toString('base64')]) assert.ok(!stdout.includes(text))
})

test('what does not fit a comment is cut with a pointer, and the whole is in the file', { skip }, async () => {
  const lines = Array.from(
    { length: 4000 },
    (_, i) => `    line ${i} of a long text that nobody reads to its end\n`,
  ).join('')
  const kustomization = 'gitops/apps/welcome/kustomization.yaml'
  const list = read(kustomization).replace('  - service.yaml\n', '  - service.yaml\n  - long.yaml\n')
  const text = `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: long }\ndata:\n  text: |\n${lines}`
  branch('long', { 'gitops/apps/welcome/long.yaml': text, [kustomization]: list })
  const file = join(folder, 'all.full.md')
  const { stdout, code, stderr } = await diff('--full', file)
  assert.equal(code, 0, stderr)
  assert.ok(stdout.length <= 65_536 && stdout.length > 50_000, `${stdout.length}`)
  assert.match(stdout, /Cut to fit a comment.*make diff BASE=main FULL=diff\.md/)
  const whole = readFileSync(file, 'utf8')
  assert.ok(whole.includes('line 3999 of') && !whole.includes('Cut to fit'))
})

test('an application that Argo CD cannot render is named with its words, and the others are shown', {
  skip,
}, async () => {
  const [file, other] = ['gitops/apps/welcome/service.yaml', 'gitops/applications/velero.yaml']
  branch('broken', {
    [file]: 'apiVersion: v1\nkind: Service\n\tmetadata: {}\n',
    [other]: read(other).replace("s3ForcePathStyle: 'true'", "s3ForcePathStyle: 'false'"),
  })
  const { stdout, code } = await diff()
  assert.equal(code, 1)
  assert.match(stdout, /welcome \| dev, staging, prod \| cannot be rendered/)
  assert.match(stdout, /HEAD: .*service\.yaml/)
  assert.match(stdout, /\| velero \|/)
  assert.doesNotMatch(stdout, /[0-9a-f]{8}-[0-9a-f]{4}-/, 'a path of this machine')
})

test('two sides of many applications', { skip }, async t => {
  const many = Number(process.env.DIFF_APPLICATIONS ?? 20)
  const one = (i: number) => `apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: { name: many-${i}, namespace: argocd, labels: { homelab/values: this-repository } }
spec:
  project: homelab
  sources:
    - repoURL: https://helm.influxdata.com
      chart: telegraf
      targetRevision: 1.8.74
      helm: { releaseName: many-${i}, valueFiles: [$values/infrastructure/many/${i}.yaml] }
    - { repoURL: https://github.com/OWNER/homelab.git, targetRevision: main, ref: values }
  destination: { server: https://kubernetes.default.svc, namespace: influxdb }
`
  const numbers = Array.from({ length: many }, (_, i) => i)
  const values = (n: number) =>
    Object.fromEntries(
      numbers.map(i => [`infrastructure/many/${i}.yaml`, `fullnameOverride: many-${i}\nargs: ['n${n}']\n`]),
    )
  const list = 'gitops/environments/dev/kustomization.yaml'
  branch('many', {
    ...values(1),
    'gitops/environments/dev/many.yaml': numbers.map(one).join('---\n'),
    [list]: read(list).replace('  - site.yaml\n', '  - site.yaml\n  - many.yaml\n'),
  })
  const main = git('rev-parse', 'many')
  for (const [file, text] of Object.entries(values(2))) writeFileSync(join(folder, file), text)
  git('commit', '-qam', 'all of them')
  await diff('--base', main, '--json') // warm
  const { stdout, milliseconds, code, stderr } = await diff('--base', main, '--json')
  assert.equal(code, 0, stderr)
  const { applications } = JSON.parse(stdout) as Summary
  assert.equal(applications.length, many)
  t.diagnostic(`two sides of ${many} applications: ${(milliseconds / 1000).toFixed(1)} s`)
  assert.ok(milliseconds < many * 1500, `${milliseconds} ms`)
})
