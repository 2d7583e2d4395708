// The commands in the pages, typed: on a sandbox with the platform and, where their programs are built, with the applications
// by a real Argo CD. What is not typed is counted aloud; what there is to it all the same, tests/unit/docs/commands.test.ts says.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { root } from '../../scripts/lib/root.ts'
import { builtExtra } from '../../scripts/lib/sandbox/extra-build.ts'
import type { ExtraName } from '../../scripts/lib/sandbox/extras.ts'
import { makeSnapshot } from '../../scripts/lib/sandbox/gitops/snapshot.ts'
import { gitopsPrograms, Story } from '../../scripts/lib/sandbox/gitops/stage.ts'
import { sandboxSite } from '../../scripts/lib/sandbox/site.ts'
import { commands, declares, inPassing, single, wordsOf } from '../unit/docs/commands.ts'
import { checkout, Lab, sandboxFor, script } from './support.ts'

const name = 'e2e-docs'
const isBuilt = async (extra: ExtraName) => ((await builtExtra(extra)) ? [extra] : [])
const extras = (await Promise.all([...gitopsPrograms, 'secrets' as const].map(isBuilt))).flat()
const withApplications = gitopsPrograms.every(one => extras.includes(one))

interface How {
  /** Exit codes that are right here: 0 alone unless said. */
  codes?: readonly number[]
  /** What it says, where it cannot do its work here: the owner's next step. */
  says?: RegExp
  /** Only with the applications. */
  applications?: true
  /** When all the others have been typed. */
  last?: true
  /** Not typed, and why. */
  not?: string
}

const noted: How = { codes: [0, 1] } // it looks, and what it finds is not its fault
const asks = (says: RegExp): How => ({ codes: [2], says }) // nobody is there to answer

const targets: Readonly<Record<string, How>> = {
  status: noted,
  doctor: {},
  plan: {},
  install: {},
  'test-ingress': noted,
  'trust-ca': {},
  credentials: {},
  'network-policies': {},
  upgrade: {},
  uninstall: { last: true }, // a sandbox is not asked about
  configure: asks(/DOMAIN: not set/),
  'add-app': { not: 'tests/e2e/gitops-commands.test.ts does, in a repository with commits' },
  promote: { not: 'tests/e2e/gitops-commands.test.ts does, in a repository with commits' },
  proxmox: asks(/\.env not found/),
  'backup-keys': asks(/no passphrase|there is no bundle/),
  'restore-keys': asks(/there is no bundle/),
  seal: { ...(extras.includes('secrets') ? {} : { not: 'kubeseal is not built: make programs' }) },
  backups: { ...noted, applications: true },
  backup: { applications: true },
  restore: { codes: [0, 2], says: /there is|is there|would|confirm|nothing was changed/, applications: true },
  sync: { applications: true },
  'test-applications': { ...noted, applications: true },
  logs: { ...noted, applications: true },
  'test-alert': { codes: [1, 2], says: /Alertmanager/, applications: true },
  policies: asks(/there are no policies in this cluster/),
  outdated: { not: 'it asks the publishers' },
  rehearse: { not: 'it is a test itself' },
  test: { not: 'it is this' },
}

let lab: Lab
let folder: string
let node: string
let tools: Record<string, string>

before(async () => {
  lab = new Lab(await sandboxFor(name, { extras }))
  const told = await lab.run('bootstrap/bootstrap-all.ts')
  assert.equal(told.code, 0, told.stdout + told.stderr)
  node = (await lab.cluster.list('nodes'))[0]?.metadata.name ?? ''
  folder = checkout()
  writeFileSync(join(folder, 'login.txt'), 'token=a-token-of-no-use\n')
  const { programs, kubeconfig, env } = lab.sandbox
  // A home of its own: what a page writes into ~ is not the tester's. What was built stays where it is.
  const home = { HOME: folder, XDG_CACHE_HOME: process.env.XDG_CACHE_HOME || join(homedir(), '.cache') }
  tools = {
    ...env,
    ...home,
    PATH: `${programs.kubectl.replace(/\/kubectl$/, '')}:${process.env.PATH}`,
    KUBECONFIG: kubeconfig,
  }
})
after(async () => {
  if (folder) rmSync(folder, { recursive: true, force: true })
  await lab?.end()
})

/** A real Argo CD brings up the applications of dev. */
async function bringUp(): Promise<void> {
  const { site } = await sandboxSite(name)
  const story = new Story(lab.sandbox, lab.cluster, await makeSnapshot(lab.sandbox, site, () => {}), () => {})
  await story.prepare()
  assert.deepEqual(await story.bringUp('dev'), [])
}

/** What stands for something of the owner's, as this sandbox has it. */
function filled(text: string): string {
  const things = {
    certificate: 'wildcard',
    'HOST=': 'traefik',
    'namespace NAME': 'traefik',
    storageclass: 'local-path',
  }
  const thing = Object.entries(things).find(([about]) => text.includes(about))?.[1] ?? 'welcome'
  return text
    .replace(/=NAMESPACE\b/, '=adguard')
    .replace(/\bNAMESPACE\b(?!=)/g, 'traefik')
    .replace(/\bNODE\b/g, node)
    .replace(/\bNAME\b(?!=)/g, thing)
}

/** A command of make as the lines that it would run. */
const recipe = (words: readonly string[]): string[] =>
  execFileSync('make', ['-n', '--no-print-directory', ...words.slice(1)], { cwd: root, encoding: 'utf8' })
    .split('\n')
    .filter(line => /^\s*(scripts\/lib\/launch|bootstrap\/)/.test(line))

const writing = ['delete', 'drain', 'uncordon', 'patch', 'annotate']
const looking = ['logs', 'port-forward', 'exec', 'rollout']

/** kubectl as it is typed, but without its effect; what would follow a log or a port looks for the pods behind it. */
function harmless(text: string): string {
  const words = wordsOf(text)
  const verb = words.find(word => [...writing, ...looking].includes(word)) ?? ''
  if (writing.includes(verb)) return `${text} --dry-run=server`
  if (!looking.includes(verb)) return text
  const [looked = ''] = text.replace(/ (logs|port-forward|exec|rollout restart) /, ' get ').split(' -- ')
  const plain = looked.replace(/ (--tail=\d+|-c [a-z]+|-it|:?\d+)(?=\s|$)/g, '')
  return /\b[a-z]+\//.test(plain) ? plain : plain.replace(/(\S+)$/, 'pod $1')
}

/** In passing: words about a command, and what has no object on a sandbox. */
const notHere = [
  /^kubectl \S+$/,
  /^kubectl (describe certificate|logs --previous|port-forward pod)/,
  /…/,
  /^kubectl (delete networkpolicy|apply -f incident\.yaml)$/, // of a pod that was broken into
  /^kubectl taint nodes/, // its nodes have none
  /node-password|argocd-initial-admin-secret|influxdb-setup/, // k3s, Argo CD's own start and a Job that is over make them
]

const skipped: string[] = []

/** A single command, typed. @returns what is wrong with how it ended */
async function typed(text: string): Promise<string | undefined> {
  const [program = '', target = ''] = wordsOf(text)
  const how: How = program === 'make' ? (targets[target] ?? { not: '' }) : {}
  if (how.not === '') return `nobody says how make ${target} ends here`
  const reason =
    how.not ??
    (how.applications && !withApplications ? 'without the applications: make programs' : undefined) ??
    (/velero|alloy|influxdb|loki|monitoring|sealedsecrets|welcome/.test(text) && !withApplications
      ? 'without the applications: make programs'
      : undefined)
  if (reason !== undefined) {
    skipped.push(`${text} (${reason})`)
    return undefined
  }
  const words = wordsOf(filled(text)).filter(word => !/^ENV=/.test(word))
  const lines = program === 'make' ? recipe(words) : [program === 'kubectl' ? harmless(filled(text)) : filled(text)]
  for (const line of lines) {
    const file = /(?:scripts|bootstrap)\/[a-z0-9-]+\.ts/.exec(line)?.[0]
    const here = file && declares(file, 'sandbox') ? `${line} --sandbox` : line
    const ended = await script('/bin/sh', ['-c', here], {
      cwd: folder,
      env: { ...tools, SANDBOX: name, ENV: undefined },
      ...(text.includes('FROM=-') ? { stdin: 'token=a-token-of-no-use\n' } : {}),
    })
    const said = ended.stdout + ended.stderr
    if (
      !(how.codes ?? [0]).includes(ended.code) ||
      (how.says && !how.says.test(said)) ||
      /mistake in the scripts/.test(said)
    )
      return `${here}: exit code ${ended.code}\n${said.slice(-1500)}`
  }
  return lines.length ? undefined : `${text}: make runs nothing`
}

/** Commands that differ only in which step, application or host: one of them is typed. */
const shape = (text: string): string => (text.startsWith('make ') ? text.replace(/=(\S+|"[^"]*")/g, '=') : text)

/** What is typed when: first what builds the platform, since it takes Argo CD's project back to what the owner has. */
function turn(text: string): number {
  const how = targets[wordsOf(text)[1] ?? '']
  if (text.startsWith('kubectl') || (text.startsWith('make ') && how?.applications)) return 1
  return text.startsWith('make ') && how?.last ? 2 : 0
}

test('every command in the pages does what an owner expects of it', async t => {
  const all = [...new Set(commands.filter(({ hardware }) => !hardware).flatMap(({ text }) => single(text)))]
  const passing = inPassing(/^kubectl /).filter(text => !notHere.some(one => one.test(text)))
  const ours = [...all.filter(text => /^(make|kubectl|scripts\/|\.\/bootstrap)/.test(text)), ...passing]
  const shapes = [...new Map(ours.map(text => [shape(text), text])).values()]
  const wrong: string[] = []
  for (const now of [0, 1, 2]) {
    if (now === 1 && withApplications) await bringUp()
    for (const text of shapes.filter(one => turn(one) === now))
      wrong.push(...[await typed(text)].flatMap(one => one ?? []))
  }
  t.diagnostic(`${shapes.length - skipped.length} different commands typed`)
  for (const one of skipped) t.diagnostic(`not typed: ${one}`)
  t.diagnostic(`not typed, the shell and git are not ours: ${all.filter(text => !ours.includes(text)).join(' · ')}`)
  assert.deepEqual(wrong, [])
})
