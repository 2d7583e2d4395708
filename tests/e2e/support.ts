// What the end-to-end tests share: a sandbox, and the real scripts as processes.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, symlinkSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import { Cluster } from '../../scripts/lib/cluster.ts'
import { siteWrite } from '../../scripts/lib/configure/site-file.ts'
import { root } from '../../scripts/lib/root.ts'
import { auditPosition, ownWrites } from '../../scripts/lib/sandbox/audit.ts'
import { type Sandbox, sandboxDown, sandboxUp, type UpOptions } from '../../scripts/lib/sandbox/cluster.ts'
import { parseNodes } from '../../scripts/lib/sandbox/nodes.ts'
import { ensurePrograms } from '../../scripts/lib/sandbox/programs.ts'
import { examine } from '../../scripts/lib/site/examine.ts'
import type { Verdict } from '../../scripts/lib/verdict.ts'
import { temporaryFolder } from '../temporary.ts'

export interface Ended {
  code: number
  stdout: string
  stderr: string
  milliseconds: number
}

export interface Event {
  event: string
  time?: string
  step?: string
  text?: string
  state?: string
  note?: string
}

export interface Summary {
  code: number
  changes: number
  verdicts: Verdict[]
  standIns: string[]
  problems: Record<string, { what: string; why?: string; fix?: string }>
}

/** Runs a script of the repository (or any program) to its end. */
export function script(
  file: string,
  args: readonly string[] = [],
  options: {
    env?: Record<string, string | undefined>
    cwd?: string
    stdin?: string
    kill?: { after: RegExp; signal: NodeJS.Signals }
    /** Told each line of standard output as it comes, and the process that wrote it. */
    onLine?: (line: string, child: ChildProcess) => void
  } = {},
): Promise<Ended> {
  const started = Date.now()
  const elsewhere = file.startsWith('/')
  const child = spawn(elsewhere ? file : join(root, file), [...args], {
    cwd: options.cwd ?? '/',
    env: {
      ...{ ...process.env, NO_COLOR: '1', CHARTS: 'stand-in' },
      ...(elsewhere ? { NODE_DISABLE_COMPILE_CACHE: '1' } : {}), // of a checkout that is gone soon nothing is kept
      ...options.env,
    },
    stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
  if (options.stdin !== undefined) child.stdin?.end(options.stdin)
  let stdout = ''
  let stderr = ''
  let killed = false
  let line = ''
  child.stdout?.on('data', chunk => {
    stdout += chunk
    const lines = (line + chunk).split('\n')
    line = lines.pop() ?? ''
    for (const whole of lines) options.onLine?.(whole, child)
    if (options.kill && !killed && options.kill.after.test(stdout)) {
      killed = true
      child.kill(options.kill.signal)
    }
  })
  child.stderr?.on('data', chunk => {
    stderr += chunk
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) =>
      resolve({ code: code ?? (signal === 'SIGKILL' ? 137 : -1), stdout, stderr, milliseconds: Date.now() - started }),
    )
  })
}

/** Holds a time to its limit (milliseconds), unless this machine has other work: then it says so. */
export function within(limit: number, took: number, what: string): void {
  const [load = 0] = loadavg()
  const cores = availableParallelism()
  if (took > limit && load > cores * 3)
    console.log(`# ${what}: not held to ${limit} ms, load ${load} on ${cores} cores`)
  else assert.equal(took <= limit, true, `${what} took ${took} ms, at most ${limit} are allowed`)
}

/** A copy of the checkout, for tests that write into one. */
export function checkout(): string {
  const folder = temporaryFolder('checkout')
  for (const part of ['bootstrap', 'scripts', 'infrastructure', 'gitops', 'package.json', 'tsconfig.json'])
    cpSync(join(root, part), join(folder, part), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

/** One with this .env, as `make configure` leaves it: what a run finds wrong then, the test has made wrong. */
export async function ownersCheckout(env: string): Promise<string> {
  const folder = checkout()
  writeFileSync(join(folder, '.env'), env, { mode: 0o600 })
  await writeSiteFile(folder)
  return folder
}

/** The site file says what the .env in the folder says. */
export async function writeSiteFile(folder: string): Promise<void> {
  const site = siteWrite(await examine({ root: folder, processEnv: {} }), folder)
  if (site) writeFileSync(site.path, site.text)
}

/** The sandbox's kubectl and helm on PATH, as an owner would have them. */
export async function withTools(): Promise<Record<string, string>> {
  const { dir } = await ensurePrograms(() => {})
  return { PATH: `${dir}:${process.env.PATH}` }
}

/** A sandbox that ends with this test process, whatever happens. */
export function sandboxFor(name: string, options: Partial<UpOptions> = {}): Promise<Sandbox> {
  return sandboxUp({ name, nodes: parseNodes(), report: () => {}, readyAfter: 300, ownerPid: process.pid, ...options })
}

/** One sandbox and the scripts pointed at it. */
export class Lab {
  readonly sandbox: Sandbox
  readonly cluster: Cluster

  constructor(sandbox: Sandbox) {
    this.sandbox = sandbox
    this.cluster = new Cluster(sandbox)
  }

  /** Takes the sandbox down and ends what reached it. */
  async end(): Promise<void> {
    // make metrics-list ALL=1: what the test made happen is in the metrics of the programs that it happened to.
    const env = { SANDBOX: this.sandbox.name }
    const listed = process.env.METRICS_LIST ? await script('scripts/metrics-list.ts', [], { env }) : undefined
    await this.cluster.close()
    await sandboxDown(this.sandbox.name)
    assert.equal(listed?.code ?? 0, 0, listed?.stderr)
  }

  /** A script on this sandbox; its events and its account. */
  async run(file: string, args: readonly string[] = [], options: Parameters<typeof script>[2] = {}) {
    const position = auditPosition(this.sandbox.auditLog)
    const ended = await script(file, ['--sandbox', '--json', ...args], {
      ...options,
      env: { SANDBOX: this.sandbox.name, ...options.env },
    })
    const events = ended.stdout
      .split('\n')
      .filter(line => line.startsWith('{'))
      .map(line => JSON.parse(line) as Event)
    const summary = events.find(event => event.event === 'summary') as unknown as Summary | undefined
    return { ...ended, events, summary, writes: ownWrites(this.sandbox.auditLog, position) }
  }
}
