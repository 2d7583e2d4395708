// One trial of a row: its sandbox, the real scripts on it, proof that the fault fired, and the judgement of the end.
import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from '../../scripts/lib/cluster.ts'
import { isRunning } from '../../scripts/lib/process.ts'
import { type AuditedWrite, auditPosition, ownWrites } from '../../scripts/lib/sandbox/audit.ts'
import { type Sandbox, sandboxSwitch } from '../../scripts/lib/sandbox/cluster.ts'
import { processes } from '../../scripts/lib/sandbox/processes.ts'
import type { Event, Lab } from '../e2e/support.ts'
import { Link } from './link.ts'
import { type End, Fails } from './row.ts'
import { difference, hashOf, readState, type State } from './state.ts'

export const bootstrap = 'bootstrap/bootstrap-all.ts'

/** What the undisturbed run came to, with which every trial is compared. */
export interface Control {
  bare: State
  built: State
  /** The run's own events, in order. */
  events: readonly Event[]
  milliseconds: number
}

export type Ended = Awaited<ReturnType<Lab['run']>>

export interface RunOptions {
  env?: Record<string, string | undefined>
  /** Told each event of the run as it comes. */
  onEvent?: (event: Event, child: ChildProcess) => void
}

export class Trial {
  readonly lab: Lab
  readonly sandbox: Sandbox
  /** Past the link and under another name: what the harness itself does is not in the scripts' account. */
  readonly admin: Cluster
  readonly control: Control
  /** 0 up to 1, the same in every run with the same seed. */
  readonly random: () => number
  proof = ''
  readonly ends = new Set<End>()
  /** Writes of the scripts where none was allowed. */
  forbidden = 0
  /** Milliseconds of the run that brought the cluster to its end. */
  took = 0

  constructor(lab: Lab, control: Control, random: () => number) {
    this.lab = lab
    this.sandbox = lab.sandbox
    this.admin = adminOf(lab.sandbox)
    this.control = control
    this.random = random
  }

  /** The fault happened, and this is how one can tell. Without it the trial is void. */
  fired(proof: string): void {
    this.proof ||= proof
  }

  /** A script of ours on this sandbox. */
  async run(file: string = bootstrap, args: readonly string[] = [], { env, onEvent }: RunOptions = {}): Promise<Ended> {
    const ended = await this.lab.run(file, args, {
      ...(env ? { env } : {}),
      onLine: (line, child) => {
        if (onEvent && line.startsWith('{')) onEvent(JSON.parse(line) as Event, child)
      },
    })
    this.took = ended.milliseconds
    if (/the sandbox \S+ is not up/.test(ended.stdout)) throw new Fails('void', 'the sandbox itself did not answer')
    if (ended.code === -1) throw new Fails('void', 'somebody else ended the scripts')
    return ended
  }

  /**
   * The run ended well and the cluster is as after an undisturbed one, also after a moment to settle.
   * @throws Fails `silent` when the run said that all is well and it is not
   */
  async converged(ended: Ended, wanted: State = this.control.built): Promise<void> {
    if (ended.code !== 0) throw new Fails(told(ended) ? 'wrong' : 'silent', `it did not converge: ${shown(ended)}`)
    for (const deadline = Date.now() + 20_000; ; await sleep(500)) {
      const found = await readState(this.admin)
      if (hashOf(found) === hashOf(wanted)) break
      if (Date.now() > deadline)
        throw new Fails('silent', `the end is not that of a clean run:\n${difference(wanted, found).join('\n')}`)
    }
    const repairs = ended.events.filter(({ text }) => /(^|; )repaired\b/.test(text ?? ''))
    if (repairs.length > 1) throw new Fails('wrong', `more than one repair: ${repairs.map(one => one.text).join('; ')}`)
    this.ends.add('converged')
  }

  /** The run ended with this code, its problem says these words, and it has a way out. */
  refused(ended: Pick<Ended, 'code' | 'stdout' | 'stderr'>, code: number, words: RegExp): void {
    const text = told(ended)
    if (!text) throw new Fails('silent', `nothing told why: ${shown(ended)}`)
    if (ended.code !== code) throw new Fails('wrong', `exit code ${ended.code} instead of ${code}: ${text}`)
    if (!words.test(text)) throw new Fails('wrong', `another cause than ${words}: ${text}`)
    if (/mistake in the scripts|\n\s+at .*\.[jt]s:\d+/.test(text)) throw new Fails('wrong', `a stack trace: ${text}`)
    if (!/"fix"|fix {2}|Fix: /.test(text)) throw new Fails('wrong', `no way out: ${text}`)
    this.ends.add('refused')
  }

  /** Nothing was written by the scripts. */
  untouched(writes: readonly AuditedWrite[]): void {
    this.forbidden += writes.length
    if (writes.length)
      throw new Fails('wrong', `${writes.length} writes, first ${writes[0]?.verb} ${writes[0]?.object}`)
  }

  expect(holds: boolean, otherwise: string): void {
    if (!holds) throw new Fails('wrong', otherwise)
  }

  /** Waits for what the harness itself has brought about. */
  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    for (const deadline = Date.now() + 30_000; !(await holds()); await sleep(300))
      if (Date.now() > deadline) throw new Fails('void', `it never came: ${what}`)
  }

  link(): Promise<Link> {
    return Link.between(this.sandbox)
  }

  switchOff(...names: string[]): Promise<void> {
    return sandboxSwitch(this.sandbox, names)
  }

  /** Creates or replaces objects as somebody else. */
  async others(objects: readonly object[], manager = 'kubectl'): Promise<void> {
    await this.kubectl(
      ['apply', '--server-side', '--force-conflicts', `--field-manager=${manager}`, '-f', '-'],
      objects,
    )
  }

  /** kubectl as the administrator. */
  async kubectl(args: readonly string[], objects?: readonly object[]): Promise<string> {
    const input = objects ? { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }) } : {}
    const ran = await this.admin.kubectl(args, input)
    if (ran.code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${ran.stderr}`)
    return ran.stdout
  }

  auditPosition(): number {
    return auditPosition(this.sandbox.auditLog)
  }

  writesSince(position: number): AuditedWrite[] {
    return ownWrites(this.sandbox.auditLog, position)
  }

  /** The running helms that work on this sandbox. @param doing part of their command line */
  helms(doing = ''): number[] {
    return processes()
      .filter(({ command }) => command.includes('/helm ') && command.includes(this.sandbox.kubeconfig))
      .filter(({ command }) => command.includes(doing))
      .map(({ pid }) => pid)
      .filter(isRunning)
  }

  async close(): Promise<void> {
    await this.admin.close()
  }
}

export function adminOf({ adminKubeconfig, context, programs, env }: Sandbox): Cluster {
  return new Cluster({ kubeconfig: adminKubeconfig, context, sandbox: { programs, env } })
}

/** What a run told of its failure: the problems of its account, or the error that ended it. */
export function told({ stdout, stderr }: { stdout: string; stderr: string }): string {
  const lines = stdout.split('\n').filter(line => /"event":"(summary|error)"/.test(line))
  const problems = lines.flatMap(line => {
    const { problems } = JSON.parse(line) as { problems?: Record<string, { what: string }> | { what: string }[] }
    return Object.values(problems ?? {}).map(one => JSON.stringify(one))
  })
  return problems.join('\n') || [stderr, stdout].find(text => text.includes('✗ ')) || ''
}

export function shown({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }): string {
  return `exit code ${code}\n${told({ stdout, stderr }) || `${stdout}${stderr}`.split('\n').slice(-6).join('\n')}`
}

export const sleepSeconds = (seconds: number): Promise<void> => sleep(seconds * 1000)
