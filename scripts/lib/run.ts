// A whole run: site, preflight, the steps side by side, and the account at the end.
import { account, standInLine } from './account.ts'
import {
  type Chart,
  type ChartSource,
  chartsMirror,
  findChart,
  type Packaged,
  pins,
  readChartSource,
} from './charts.ts'
import { Cluster } from './cluster.ts'
import type { Values } from './command.ts'
import { exit, fromSystem, HomelabError, stopCode } from './errors.ts'
import type { Vars } from './fill.ts'
import { Helm } from './helm.ts'
import { Lock } from './lock.ts'
import { createReporter, type Reporter } from './output.ts'
import { preflight } from './preflight/preflight.ts'
import { root } from './root.ts'
import { signalChildren } from './shell.ts'
import { writableSite } from './site/choose.ts'
import { type Site, vars } from './site/site.ts'
import type { Step } from './step.ts'
import { createVerbs, Skipped } from './verbs.ts'
import type { Verdict } from './verdict.ts'
import { judgeRef, Snapshots } from './wait.ts'
import { refuseBadYaml } from './yaml/check.ts'

// A server that restarts is back within half a minute: a run outlasts that, twice. Seconds.
const outage = 60

interface Gate {
  open: Promise<void>
  /** Without an error: the step has installed what it brings. */
  settle: (error?: Error) => void
}

/** What the steps of one run share. */
export class Run {
  readonly site: Site
  readonly reporter: Reporter
  readonly plan: boolean
  readonly cluster: Cluster
  readonly helm: Helm
  readonly vars: Vars
  readonly snapshots: Snapshots
  /** Writes of each step so far. */
  readonly changes = new Map<string, number>()
  readonly verdicts: Verdict[] = []
  readonly standIns: string[] = []
  /** Of these, the charts whose program is imitated too. */
  readonly imitations: string[] = []
  /** Steps whose program is an imitation: what is seen of it is assumed. */
  readonly imitated = new Set<string>()
  readonly chartSource: ChartSource
  /** Set by preflight: `v1.36.3`. */
  kubernetes = ''
  /** Set by preflight: that of the namespace kube-system, by which a cluster is known. */
  uid = ''
  stopping: NodeJS.Signals | undefined
  readonly #gates = new Map<string, Gate>()
  readonly #charts = new Map<string, Promise<Chart>>()

  constructor(site: Site, reporter: Reporter, plan: boolean, steps: readonly Step[]) {
    this.site = site
    this.reporter = reporter
    this.plan = plan
    this.cluster = new Cluster(site, outage)
    this.helm = new Helm(this.cluster)
    this.snapshots = new Snapshots(this.cluster)
    this.vars = vars(site)
    this.chartSource = readChartSource(process.env.CHARTS, site.sandbox ? 'auto' : 'real')
    for (const step of steps) this.#gates.set(step.id, createGate())
  }

  /** Steps of this run wait for each other; a step that is not part of it must have done its job before. */
  async gate(step: Step, other: string): Promise<void> {
    const gate = this.#gates.get(other)
    if (gate) {
      this.reporter.doing(step.id, `waiting for ${other}`)
      return gate.open
    }
    const { default: needed } = (await import(`${root}/bootstrap/${other}.ts`)) as { default: Step }
    const found = await judgeRef(this.cluster, needed.ready)
    if (found.state === 'ready') return
    throw new HomelabError({
      what: `${step.id} needs ${other}`,
      why: `${needed.ready} is ${found.state}${found.cause ? `: ${found.cause}` : ''}`,
      fix: `./bootstrap/${other}.ts`,
    })
  }

  openGate(step: Step, error?: Error): void {
    this.#gates.get(step.id)?.settle(error)
  }

  /** Between two actions: nothing new is started once the owner has said stop. */
  checkpoint(): void {
    if (this.stopping)
      throw new HomelabError({ what: 'interrupted', fix: 'run the same command again: it goes on where it was' })
  }

  /** A pinned chart, found once a run. */
  chart(name: string): Promise<Chart> {
    const known = this.#charts.get(name)
    if (known) return known
    const { sandbox } = this.site
    const packaged: Packaged = sandbox ? async () => sandbox.charts : packagedCharts
    const where = { source: this.chartSource, packaged, ...chartsMirror(this.site) }
    const found = findChart(name, { helm: sandbox?.programs.helm ?? 'helm', ...where })
    this.#charts.set(name, found)
    found.then(
      chart => {
        if (chart.standIn) this.standIns.push(name)
        if (chart.imitated) this.imitations.push(name)
      },
      () => {}, // whoever needs it says so
    )
    return found
  }
}

/** Those that come with the sandbox's programs, built first if need be: only where no network was to be had. */
async function packagedCharts(): Promise<Readonly<Record<string, string>>> {
  const [{ ensurePrograms }, { createReport }] = await Promise.all([
    import('./sandbox/programs.ts'),
    import('./sandbox/report.ts'),
  ])
  return (await ensurePrograms(createReport())).charts
}

function createGate(): Gate {
  let settle: Gate['settle'] = () => {}
  const open = new Promise<void>((resolve, reject) => {
    settle = error => (error ? reject(error) : resolve())
  })
  open.catch(() => {}) // nobody may be waiting
  return { open, settle }
}

/** Thrown in a step that waited for one which failed. */
class Blocked extends Error {}

/** `--only`, `--from`, `--skip`: a step is named by its number or its whole name. */
export function choose(steps: readonly Step[], values: Values): Step[] {
  const named = (option: string): Step[] | undefined => {
    const text = values[option]
    if (typeof text !== 'string') return undefined
    return text.split(',').map(part => {
      const name = part.trim()
      const found = steps.find(step => step.id === name || step.id.startsWith(`${name.padStart(2, '0')}-`))
      if (!found)
        throw new HomelabError({
          what: `--${option} ${text}: there is no step ${name}`,
          fix: `the steps are ${steps.map(step => step.id).join(', ')}`,
          code: exit.usage,
        })
      return found
    })
  }
  const only = named('only')
  const from = named('from')?.[0]
  const skip = named('skip') ?? []
  return steps.filter(
    step =>
      (!only || only.includes(step)) && (!from || steps.indexOf(step) >= steps.indexOf(from)) && !skip.includes(step),
  )
}

/**
 * Runs steps to their end.
 * @returns the exit code: 0 all done, 1 a step failed, 130/143 interrupted
 * @throws HomelabError (exit 2 or 3) when nothing was begun
 */
export async function runSteps(steps: readonly Step[], values: Values): Promise<number> {
  const { site, notices } = await writableSite(values)
  const plan = values.plan === true
  const reporter = createReporter({ json: values.json === true, plan, ...(values.debug ? { live: false } : {}) })
  const run = new Run(site, reporter, plan, steps)
  refuseBadYaml(root, run.vars)
  try {
    return await carryOut(run, steps, values, notices)
  } finally {
    await run.cluster.lock?.release()
    await run.cluster.close()
  }
}

async function carryOut(run: Run, steps: readonly Step[], values: Values, notices: string[]): Promise<number> {
  const { reporter, plan } = run
  const started = Date.now()
  // All at once and early: a pull takes longer than anything else that a run does before its first write.
  const early = run.chartSource !== 'real' || steps.length > 1 ? Object.keys(pins()) : []
  const charts = Promise.allSettled(early.map(name => run.chart(name)))
  notices.push(...(await preflight(run, values, steps)))
  if (run.chartSource !== 'real') await charts
  if (run.standIns.length) reporter.notice(standInLine(run.standIns, run.imitations))
  for (const notice of notices) reporter.notice(notice)
  if (!plan) await lockFor(run)
  if (!plan) listenForSignals(run)
  reporter.begin(steps)
  const failures = new Map<string, Error>()
  if (values.sequential) for (const step of steps) await runStep(run, step, failures)
  else await Promise.all(steps.map(step => runStep(run, step, failures)))
  reporter.end()
  return account(run, failures, Date.now() - started, values.json === true)
}

/** From here on every write is under the lock. @throws HomelabError (exit 3) while another run is at work */
export async function lockFor(run: Run): Promise<void> {
  const lock = new Lock(
    run.cluster,
    run.uid,
    text => run.reporter.notice(text),
    id => run.helm.repairAll(id),
  )
  await lock.look()
  run.cluster.lock = lock
}

async function runStep(run: Run, step: Step, failures: Map<string, Error>): Promise<void> {
  const { reporter } = run
  reporter.state(step.id, 'running')
  try {
    await step.body(createVerbs(run, step))
    run.openGate(step)
    const changes = run.changes.get(step.id) ?? 0
    reporter.state(
      step.id,
      'done',
      changes ? `${changes} change${changes > 1 ? 's' : ''}${run.plan ? ' to make' : ''}` : 'nothing to change',
    )
  } catch (caught) {
    const thrown = fromSystem(caught)
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    if (error instanceof Skipped) {
      run.openGate(step)
      return reporter.state(step.id, 'skipped', error.message)
    }
    run.openGate(step, new Blocked(`${step.id} did not finish`))
    if (run.stopping) return reporter.state(step.id, 'skipped', 'interrupted')
    // One refusal stops all: it is told once.
    const told = [...failures.values()].includes(error)
    if (error instanceof Blocked || told) return reporter.state(step.id, 'blocked', error.message)
    failures.set(step.id, error)
    reporter.state(step.id, 'failed', error.message.split('\n')[0] ?? '')
  }
}

/** The first one starts nothing more and asks helm to end, the second one kills. */
export function listenForSignals(run: Run): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      const code = stopCode(signal)
      if (run.stopping) {
        signalChildren('SIGKILL')
        process.exit(code)
      }
      run.stopping = signal
      run.reporter.notice('stopping: what is under way is brought to an end (once more to kill it)')
      signalChildren('SIGTERM')
      setTimeout(() => {
        signalChildren('SIGKILL')
        process.exit(code)
      }, 30_000).unref() // helm needs a moment to write that it was interrupted
    })
  }
}
