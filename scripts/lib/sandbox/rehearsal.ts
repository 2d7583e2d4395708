// A rehearsal: sandbox up, the real scripts as processes, twice, a look at what was written, a short report.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { type Summary, standInLine } from '../account.ts'
import { Cluster } from '../cluster.ts'
import { exit, HomelabError } from '../errors.ts'
import { textAt } from '../k8s.ts'
import { paint, print, seconds, wrap } from '../output.ts'
import { standing } from '../policies/own.ts'
import { claims, sentence } from '../proof.ts'
import { root } from '../root.ts'
import { platform } from '../status/platform.ts'
import type { Verdict, Worth } from '../verdict.ts'
import { auditPosition, ownWrites } from './audit.ts'
import { type Sandbox, sandboxDown, sandboxUp } from './cluster.ts'
import { builtExtra } from './extra-build.ts'
import { type ExtraName, extraNames } from './extras.ts'
import { type GitOps, gitopsPrograms, gitopsStage } from './gitops/stage.ts'
import { defaultNodes, parseNodes } from './nodes.ts'
import { seesRenewal } from './renewal.ts'
import { createReport, type Report } from './report.ts'
import { sandboxSite } from './site.ts'

/** Runs a rehearsal and returns the exit code: 0 when the platform came up and a second run wrote nothing. */
export async function rehearse(options: {
  nodes?: string
  keep: boolean
  json: boolean
  debug: boolean
  /** Without the applications, which a real Argo CD brings up otherwise. */
  fast: boolean
}): Promise<number> {
  const say = options.json ? () => {} : (text: string) => print(text)
  const started = Date.now()
  const nodes = parseNodes(options.nodes ?? defaultNodes)
  say(`A rehearsal: a real control plane, ${nodes.length} fake nodes, nothing else is touched.`)
  const progress = createReport(options.json)
  const sandbox = await sandboxUp({
    name: 'rehearsal',
    nodes,
    report: progress,
    extras: options.fast ? [] : await wantedPrograms(),
    ...(options.keep ? {} : { ownerPid: process.pid }),
  })
  const up = Date.now()
  const cluster = new Cluster(sandbox)
  try {
    const first = await bootstrap(sandbox, options)
    if (first.code !== exit.done) {
      if (first.code === exit.failed) say('  to look at what is there: make rehearse KEEP=1 leaves the sandbox up')
      return first.code
    }
    say('\nThe same again: what does a second run write?')
    const position = auditPosition(sandbox.auditLog)
    const second = await bootstrap(sandbox, { ...options, quiet: true })
    const writes = ownWrites(sandbox.auditLog, position)
    say(
      writes.length
        ? writes.map(write => `  ${write.verb} ${write.object}`).join('\n')
        : `  nothing, in ${seconds(second.milliseconds)}`,
    )
    const verdicts = [
      ...first.verdicts,
      verdict(writes.length === 0 && second.code === exit.done, 'a second run writes nothing'),
      verdict(
        await areClosed(cluster),
        'each namespace of the platform is closed by network policies (the API objects)',
      ),
      verdict(await seesRenewal(cluster), 'cert-manager renews a certificate before it expires, by itself'),
    ]
    const gitops = options.fast ? undefined : await applications(sandbox, cluster, progress, say)
    for (const { claim, holds, but } of gitops?.shown ?? [])
      verdicts.push(verdict(holds, holds ? sentence(claim) : `${sentence(claim)} (${but})`))
    if (gitops) verdicts.push(...assumed)
    const version = textAt(JSON.parse(await cluster.raw('/version')), 'gitVersion') ?? ''
    const failed = verdicts.filter(one => one.worth === 'not so')
    if (options.json)
      print(
        JSON.stringify({
          event: 'rehearsal',
          verdicts,
          standIns: first.standIns,
          imitations: first.imitations,
          kubernetes: version,
          firstRun: first.milliseconds,
          secondRun: second.milliseconds,
          writes,
          ...(gitops ? { gitops } : {}),
        }),
      )
    else
      report({
        verdicts,
        first,
        second,
        version,
        up: up - started,
        total: Date.now() - started,
        keep: options.keep,
        ...(gitops ? { gitops } : {}),
      })
    return failed.length ? exit.failed : exit.done
  } finally {
    await cluster.close()
    if (!options.keep) await sandboxDown('rehearsal')
  }
}

/** Whether the policies stand where the platform's pods are. What they shut is seen on a node only. */
async function areClosed(cluster: Cluster): Promise<boolean> {
  const [policies, namespaces] = await Promise.all([standing(cluster), cluster.list('namespaces')])
  const closed = policies
    .filter(({ metadata }) => metadata.name === 'default-deny')
    .map(({ metadata }) => metadata.namespace)
  const there = namespaces.map(({ metadata }) => metadata.name)
  return platform.every(({ namespace }) => !there.includes(namespace) || closed.includes(namespace))
}

/** What the stage needs; other optional programs only where they are built already. */
async function wantedPrograms(): Promise<ExtraName[]> {
  const needed: readonly ExtraName[] = gitopsPrograms
  const built = await Promise.all(extraNames.map(async name => needed.includes(name) || (await builtExtra(name))))
  return extraNames.filter((_, i) => built[i])
}

async function applications(
  sandbox: Sandbox,
  cluster: Cluster,
  report: Report,
  say: (text: string) => void,
): Promise<GitOps> {
  say('\nNow Git: a real Argo CD brings up the applications, one environment after the other.')
  const { site } = await sandboxSite(sandbox.name)
  return gitopsStage({ sandbox, cluster, site, report }, say)
}

type Judged = Omit<Verdict, 'worth'> & { worth: Worth | 'not so' }

function verdict(holds: boolean, check: string): Judged {
  return { step: 'rehearsal', check, worth: holds ? 'proven' : 'not so' }
}

/** What the whole of a rehearsal cannot show, from the table that the cluster suite works through. */
const onlyOnANode: readonly { check: string }[] = claims
  .filter(one => one.sandbox === 'not measurable here')
  .map(one => ({ check: one.what }))

/** What Argo CD takes for healthy because the sandbox says so. */
const assumed: Judged[] = [
  {
    step: 'gitops',
    check: 'the pods of the applications run (they are fake, unless a real program is named below)',
    worth: 'assumed',
  },
  { step: 'gitops', check: 'an Ingress has the address of Traefik (written in its place)', worth: 'assumed' },
]

const nothing: Omit<Summary, 'code'> = {
  ...{ event: 'summary', plan: false, changes: 0, milliseconds: 0 },
  ...{ verdicts: [], standIns: [], imitations: [], problems: {} },
}

/** The real script, as an owner would start it; its output goes to the same terminal. */
function bootstrap(sandbox: Sandbox, options: { json: boolean; debug: boolean; quiet?: boolean }): Promise<Summary> {
  const child = spawn(
    join(root, 'bootstrap/bootstrap-all.ts'),
    ['--sandbox', ...(options.json || options.quiet ? ['--json'] : []), ...(options.debug ? ['--debug'] : [])],
    {
      env: { ...process.env, SANDBOX: sandbox.name, HOMELAB_SUMMARY_FD: '3' },
      stdio: ['ignore', options.quiet ? 'ignore' : 'inherit', 'inherit', 'pipe'],
    },
  )
  let text = ''
  child.stdio[3]?.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', code => {
      try {
        resolve({ ...(JSON.parse(text) as Summary), code: code ?? exit.failed })
      } catch {
        // Refused before its first write: it has said why, and there is nothing to account for.
        if (code === exit.usage || code === exit.refused) return resolve({ ...nothing, code })
        reject(
          new HomelabError({
            what: 'the bootstrap ended without its account',
            why: `exit code ${code}`,
            fix: 'make rehearse again, with --debug',
          }),
        )
      }
    })
  })
}

function report(facts: {
  verdicts: Judged[]
  first: Summary
  second: Summary
  version: string
  up: number
  total: number
  keep: boolean
  gitops?: GitOps
}): void {
  const { verdicts, first, second } = facts
  const of = (worth: Judged['worth']) => verdicts.filter(one => one.worth === worth)
  print(`\n${paint('bold', 'What this rehearsal showed')}`)
  const rows: [Judged['worth'], string, string][] = [
    ['not so', '✗', 'not so'],
    ['proven', '✓', 'proven: seen for real, on a real API server and real controllers'],
    ['assumed', '·', 'assumed: filled in by the sandbox, since its pods are fake, or by an imitation'],
    ['not measurable here', '?', 'not measurable here: needs a network and nodes (make test-cluster shows most of it)'],
  ]
  for (const [worth, mark, title] of rows) {
    const found = [...of(worth), ...(worth === 'not measurable here' ? onlyOnANode : [])]
    if (!found.length) continue
    print(`\n${found.length} ${title}`)
    for (const one of found)
      print(
        `  ${worth === 'proven' ? paint('green', mark) : worth === 'not so' ? paint('red', mark) : mark} ${one.check}`,
      )
  }
  print(
    `\nKubernetes ${facts.version}; control plane up in ${seconds(facts.up)}, platform in ${seconds(first.milliseconds)},\nsecond run in ${seconds(second.milliseconds)}, all in ${seconds(facts.total)}`,
  )
  if (facts.gitops)
    print(
      `applications of three environments in ${seconds(facts.gitops.milliseconds)}; real programs in it:\n${wrap(
        facts.gitops.real.join(', '),
        76,
      )
        .map(line => `  ${line}`)
        .join('\n')}`,
    )
  else print('left out by FAST=1: Argo CD and everything that it brings from Git')
  if (facts.keep)
    print(
      `The sandbox stays: SANDBOX=rehearsal ./bootstrap/04-traefik.ts --sandbox\n  ends with: scripts/sandbox.ts down --name rehearsal`,
    )
  print('next: your own cluster: make configure, then make plan (README)')
  const standIns = [...first.standIns, ...(facts.gitops?.standIns ?? [])]
  print(standIns.length ? standInLine(standIns, first.imitations) : 'All charts were the real ones.')
}
