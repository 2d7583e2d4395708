// A rehearsal: sandbox up, the real scripts as processes, twice, a look at what was written, a short report.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { type Summary, standInLine } from '../account.ts'
import { Cluster } from '../cluster.ts'
import { exit, HomelabError } from '../errors.ts'
import { textAt } from '../k8s.ts'
import { paint, print, seconds } from '../output.ts'
import { claims } from '../proof.ts'
import { root } from '../root.ts'
import type { Verdict, Worth } from '../verdict.ts'
import { auditPosition, ownWrites } from './audit.ts'
import { type Sandbox, sandboxDown, sandboxUp } from './cluster.ts'
import { defaultNodes, parseNodes } from './nodes.ts'
import { seesRenewal } from './renewal.ts'
import { createReport } from './report.ts'

/** Runs a rehearsal and returns the exit code: 0 when the platform came up and a second run wrote nothing. */
export async function rehearse(options: {
  nodes?: string
  keep: boolean
  json: boolean
  debug: boolean
}): Promise<number> {
  const say = options.json ? () => {} : (text: string) => print(text)
  const started = Date.now()
  const nodes = parseNodes(options.nodes ?? defaultNodes)
  say(`A rehearsal: a real control plane, ${nodes.length} fake nodes, nothing else is touched.`)
  const sandbox = await sandboxUp({
    name: 'rehearsal',
    nodes,
    report: createReport(options.json),
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
      verdict(await seesRenewal(cluster), 'cert-manager renews a certificate before it expires, by itself'),
    ]
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
        sandbox,
      })
    return failed.length ? exit.failed : exit.done
  } finally {
    await cluster.close()
    if (!options.keep) await sandboxDown('rehearsal')
  }
}

type Judged = Omit<Verdict, 'worth'> & { worth: Worth | 'not so' }

function verdict(holds: boolean, check: string): Judged {
  return { step: 'rehearsal', check, worth: holds ? 'proven' : 'not so' }
}

/** What the whole of a rehearsal cannot show, from the table that the cluster suite works through. */
function onlyOnANode(): { check: string }[] {
  return claims.filter(one => one.sandbox === 'not measurable here').map(one => ({ check: one.what }))
}

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
  sandbox: Sandbox
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
    const found = [...of(worth), ...(worth === 'not measurable here' ? onlyOnANode() : [])]
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
  if (facts.keep)
    print(
      `The sandbox stays: SANDBOX=rehearsal ./bootstrap/04-traefik.ts --sandbox\n  ends with: scripts/sandbox.ts down --name rehearsal`,
    )
  print('next: your own cluster: make configure, then make plan (README)')
  print(first.standIns.length ? standInLine(first.standIns, first.imitations) : 'All charts were the real ones.')
}
