// Everything that is in gitops/, by a real Argo CD: the stage of a rehearsal, and what happens to wrong input.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parent } from '../../scripts/lib/applications/read.ts'
import { exit } from '../../scripts/lib/errors.ts'
import { nameOf, quantity, textAt } from '../../scripts/lib/k8s.ts'
import { sentence } from '../../scripts/lib/proof.ts'
import { publishedAs } from '../../scripts/lib/proxmox/command.ts'
import { notBuilt } from '../../scripts/lib/sandbox/extra-build.ts'
import { applications, refresh, settled, stateOf } from '../../scripts/lib/sandbox/gitops/applications.ts'
import { makeSnapshot, type Snapshot } from '../../scripts/lib/sandbox/gitops/snapshot.ts'
import { gitopsPrograms, Story } from '../../scripts/lib/sandbox/gitops/stage.ts'
import { sandboxSite } from '../../scripts/lib/sandbox/site.ts'
import { Lab, sandboxFor, within } from './support.ts'

const missing = (await Promise.all(gitopsPrograms.map(notBuilt))).filter(why => why !== false)
const skip = missing[0] ?? false
/** Without the programs one line says so for all of them. */
const story = (name: string, body: () => void | Promise<void>): void => {
  if (!skip) void test(name, body)
}
if (skip) test('the applications by a real Argo CD', { skip }, () => {})

let lab: Lab
let snapshot: Snapshot
let argo: Story
let names: string[]

before(async () => {
  if (skip) return
  lab = new Lab(await sandboxFor('gitops', { extras: gitopsPrograms }))
  const told = await lab.run('bootstrap/bootstrap-all.ts')
  assert.equal(told.code, exit.done, told.stderr)
  const { site } = await sandboxSite('gitops')
  snapshot = await makeSnapshot(lab.sandbox, site, () => {})
  argo = new Story(lab.sandbox, lab.cluster, snapshot, () => {})
  await argo.prepare()
})

after(async () => lab?.end())

story(sentence('applications'), async () => {
  assert.deepEqual(await argo.bringUp('dev'), [])
  names = argo.names('dev')
})

story('and none of their syncs failed on the way there', () => {
  // Its own log: the status of an application knows only the newest sync, and one that was repeated looks well.
  const log = readFileSync(join(lab.sandbox.dir, 'logs/argocd-application-controller.log'), 'utf8')
  const syncs = log.split('\n').filter(line => /Updating operation state\. phase: Running -> /.test(line))
  assert.ok(
    syncs.some(line => line.includes('-> Succeeded')),
    'the log has the syncs',
  )
  assert.deepEqual(
    syncs.filter(line => /-> (Failed|Error)/.test(line)),
    [],
  )
})

for (const [claim, look] of [
  ['git-sync', () => argo.heals()],
  ['prune', () => argo.prunes()],
  ['leave', () => argo.leaves()],
] as const)
  story(sentence(claim), async () => {
    const shown = await look()
    assert.ok(shown.holds, shown.but)
  })

/** What a command for applications says of them. */
interface Account {
  code: number
  milliseconds: number
  next?: string
  applications: (Record<string, unknown> & { name: string })[]
}
async function command(file: string, ...args: string[]) {
  const { code, stderr, events, summary } = await lab.run(`scripts/${file}.ts`, args)
  return { code, stderr, events, account: summary as unknown as Account }
}

story(
  'make sync brings a commit within seconds, tells from where to where, and has nothing to do afterwards',
  async () => {
    await argo.bringUp('dev') // the one that left is there again
    const file = 'gitops/apps/welcome/index.html'
    const commit = snapshot.git.commit('a line on the page', { [file]: `${snapshot.read(file)}<p>a new line</p>\n` })
    const { code, stderr, account } = await command('sync', '--app', 'welcome')
    const welcome = account?.applications.find(({ name }) => name === 'welcome')
    assert.equal(code, exit.done, `${stderr}\n${JSON.stringify(account)}`)
    assert.deepEqual(welcome?.to, [commit])
    assert.notDeepEqual(welcome?.from, [commit])
    within(15_000, account.milliseconds, 'commit to synced')
    const again = await command('sync')
    assert.equal(again.code, exit.done, again.stderr)
    assert.deepEqual(again.account.applications.map(({ name }) => name).sort(), [parent, ...names].sort())
    assert.deepEqual(
      again.account.applications.filter(({ from, to }) => String(from) !== String(to) && String(from).includes(commit)),
      [],
    )
  },
)

story('a host that is changed in site.yaml is the one that make proxmox hands on', async () => {
  const file = 'gitops/environments/dev/site.yaml'
  const text = snapshot.read(file)
  snapshot.git.commit('series', { [file]: text.replace(/(influxdbHost: )influxdb/, '$1series') })
  const { code, stderr } = await command('sync')
  assert.equal(code, exit.done, stderr)
  assert.match(publishedAs(await lab.cluster.list('ingresses', { namespace: 'influxdb' })), /^series\./)
  snapshot.git.commit('and back', { [file]: text })
  assert.equal((await command('sync')).code, exit.done)
})

story('make test-applications finds all of them synced and healthy, and no answer that is wrong', async () => {
  await settled(lab.cluster, [parent, ...names], 'all of them', () => {}, 90) // after the commits of the test before
  const { code, stderr, account } = await command('test-applications')
  assert.equal(code, exit.done, `${stderr}\n${JSON.stringify(account, null, 1)}`)
  assert.deepEqual(account.applications.map(({ name }) => name).sort(), [parent, ...names].sort())
  for (const { name, synced, healthy } of account.applications)
    assert.deepEqual([synced, healthy], ['right', 'right'], name)
})

story('make logs asks the pods of an application, and an unknown one is refused by each command', async () => {
  const { code, events } = await command('logs', '--app', 'welcome')
  assert.equal(code, exit.done)
  const [log] = events.filter(({ event }) => event === 'log') as unknown as { pod: string; silent?: string }[]
  assert.match(log?.pod ?? '', /^welcome-/)
  assert.ok(log?.silent, 'a fake pod says nothing, and that is said')
  for (const file of ['logs', 'sync', 'test-applications']) {
    const refused = await lab.run(`scripts/${file}.ts`, ['--app', 'welcom'])
    assert.equal(refused.code, exit.usage, file)
    assert.match(refused.stdout + refused.stderr, /welcom[^e][\s\S]*welcome/, 'the ones that there are')
  }
})

/** What Argo CD says of an application, once it says that something must change first. */
async function trouble(name: string): Promise<{ why: string; fix: string }> {
  for (const end = Date.now() + 90_000; ; await new Promise(done => setTimeout(done, 500))) {
    const found = (await applications(lab.cluster)).find(one => one.metadata.name === name)
    const state = found && stateOf(found)
    if (state?.stuck) return { why: state.why, fix: state.fix ?? '' }
    if (Date.now() > end) throw new Error(`nothing is said of ${name}: ${JSON.stringify(found?.status)}`)
  }
}

/** The others are as they were, and `make status` says the same as we read here. */
async function othersGoOn(name: string, words: RegExp): Promise<void> {
  await settled(
    lab.cluster,
    names.filter(one => one !== name && one !== 'welcome'),
    'the others',
    () => {},
    60,
  )
  const told = await lab.run('scripts/status.ts')
  assert.match(told.stdout, words)
}

const source = async (change: object) => {
  const application = (await applications(lab.cluster)).find(one => one.metadata.name === 'welcome')
  assert.ok(application)
  // The parent would undo it: it is Git that is wrong here, so the parent is told so too.
  await lab.cluster.patch(application, { spec: { source: change } })
}

const faults = [
  [
    'the repository cannot be reached',
    { repoURL: 'file:///nowhere/homelab.git' },
    /does not exist|not.*reach|refused/i,
  ],
  ['the branch does not exist', { targetRevision: 'no-such-branch' }, /branch or tag does not exist/],
  ['the path does not exist', { path: 'gitops/apps/nothing' }, /path does not exist/],
] as const

story('a wrong source of one application is named with its cause, and the others go on', async () => {
  await argo.bringUp('dev') // the one that left is there again
  await lab.cluster.delete((await applications(lab.cluster)).find(one => one.metadata.name === parent) as never)
  const project = await lab.cluster.find('appproject.argoproj.io/argocd/homelab')
  assert.ok(project)
  await lab.cluster.patch(project, { spec: { sourceRepos: ['*'] } })
  const [good] = (await applications(lab.cluster)).filter(one => one.metadata.name === 'welcome')
  assert.ok(good)
  const { source: right } = good.spec as { source: object }
  for (const [what, change, words] of faults) {
    await source(change)
    const { why, fix } = await trouble('welcome')
    assert.match(why, words, what)
    assert.ok(fix, 'a way out')
    await othersGoOn('welcome', words)
    await source(right)
    await settled(lab.cluster, ['welcome'], 'mended', () => {}, 90)
  }
})

story('a manifest that is no YAML is named, and mended it syncs', async () => {
  const file = 'gitops/apps/welcome/service.yaml'
  const text = snapshot.read(file)
  snapshot.git.commit('a tab', { [file]: 'apiVersion: v1\nkind: Service\n\tmetadata: {}\n' })
  await refresh(lab.cluster, ['welcome'])
  const { why, fix } = await trouble('welcome')
  assert.match(why, /service\.yaml|yaml/i)
  assert.ok(fix)
  const { code, account } = await command('sync', '--app', 'welcome', '--timeout', '5')
  assert.equal(code, exit.failed)
  const told = account.applications.find(({ name }) => name === 'welcome')
  assert.match(String(told?.cause), /service\.yaml|yaml/i)
  assert.ok(told?.fix)
  snapshot.git.commit('mended', { [file]: text })
  await refresh(lab.cluster, ['welcome'])
  await settled(lab.cluster, ['welcome'], 'mended', () => {}, 90)
})

story('an application that never gets healthy is named with its cause, and the others go on', async () => {
  const file = 'gitops/apps/welcome/deployment.yaml'
  const text = snapshot.read(file)
  snapshot.git.commit('too large for every node', {
    [file]: text.replace(/memory: 8Mi/, 'memory: 900Gi').replace(/memory: 32Mi/, 'memory: 900Gi'),
  })
  await refresh(lab.cluster, ['welcome'])
  const named = /welcome.*the limit range allows 256Mi memory for a container at most, 900Gi is asked for/is
  let told = ''
  for (const end = Date.now() + 60_000; !named.test(told) && Date.now() < end; )
    told = (await lab.run('scripts/status.ts')).stdout
  assert.match(told, named)
  const tested = await command('test-applications', '--app', 'welcome')
  assert.equal(tested.code, exit.failed)
  assert.match(JSON.stringify(tested.account), /limit range allows 256Mi memory/)
  await othersGoOn('welcome', /welcome/)
  snapshot.git.commit('mended', { [file]: text })
  await refresh(lab.cluster, ['welcome'])
  await settled(lab.cluster, ['welcome'], 'mended', () => {}, 90)
})

story('make logs shows the pod that fails, and why', async () => {
  const nodes = await lab.cluster.list('nodes')
  const [pod] = (await lab.cluster.list('pods', { namespace: 'welcome' })).filter(({ status }) => status)
  assert.ok(pod)
  const open = (unschedulable: boolean) =>
    Promise.all(nodes.map(node => lab.cluster.patch(node, { spec: { unschedulable } })))
  await open(true)
  await lab.cluster.delete(pod)
  let cause = ''
  for (const end = Date.now() + 60_000; !cause && Date.now() < end; ) {
    const { events } = await command('logs', '--app', 'welcome')
    cause = (events as { event: string; cause?: string }[]).find(({ event }) => event === 'log')?.cause ?? ''
  }
  await open(false)
  assert.match(cause, /node|cordon|schedul/i)
  await settled(lab.cluster, ['welcome'], 'mended', () => {}, 90)
})

story(sentence('parent'), async () => {
  await argo.bringUp('dev')
  const shown = await argo.parentGoes()
  assert.ok(shown.holds, shown.but)
})

story(
  'everything of the house fits on three nodes of four cores and 8 GiB: the scheduler has placed each pod',
  async () => {
    await argo.clear('dev')
    assert.deepEqual(await argo.bringUp('prod'), [])
    const [nodes, pods] = await Promise.all([lab.cluster.list('nodes'), lab.cluster.list('pods')])
    assert.deepEqual(
      nodes.map(({ status }) => [
        textAt(status, 'capacity', 'cpu'),
        quantity(textAt(status, 'capacity', 'memory') ?? ''),
      ]),
      Array.from({ length: 3 }, () => ['4', quantity('8Gi')]),
    )
    const applicationsOf = new Set(pods.map(({ metadata }) => metadata.namespace))
    for (const namespace of ['monitoring', 'loki', 'influxdb', 'velero', 'argocd', 'traefik'])
      assert.ok(applicationsOf.has(namespace), `${namespace} has no pod`)
    const waiting = pods.filter(
      ({ spec, status }) => !textAt(spec, 'nodeName') || !/^(Running|Succeeded)$/.test(textAt(status, 'phase') ?? ''),
    )
    assert.deepEqual(waiting.map(nameOf), [])
  },
)
