// The fuzzer: a process that runs cases, and a watch over it.
import { spawn } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../temporary.ts'
import type { Planted } from './planted.ts'
import type { Done, Finding, Job } from './worker.ts'

/** Seconds of computing after which a case hangs, and seconds after which it waits for something that never comes. */
const patience = { computing: 2, waiting: 20 }

export interface Fuzzed extends Done {
  seed: number
}

/**
 * Runs cases until the time is over or one is wrong.
 * @param from the first case: one that was found can be run again alone
 */
export async function fuzz(options: {
  seed: number
  seconds: number
  from?: number
  planted?: Planted
}): Promise<Fuzzed> {
  const { seed, seconds, from = 0, planted } = options
  const folder = temporaryFolder('fuzz')
  const progress = join(folder, 'case')
  const job: Job = { seed, from, until: Date.now() + seconds * 1000, progress, ...(planted ? { planted } : {}) }
  const worker = fileURLToPath(new URL('./worker.ts', import.meta.url))
  // A loader that is given on the command line is what makes TypeScript run: the child gets the same.
  const child = spawn(
    process.execPath,
    [...process.execArgv.filter(arg => !/^--test/.test(arg)), worker, JSON.stringify(job)],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: folder, NODE_TEST_CONTEXT: undefined },
    },
  )
  let out = ''
  let words = ''
  child.stdout.on('data', chunk => (out += chunk))
  child.stderr.on('data', chunk => (words += chunk))
  const over = new AbortController()
  const ended = new Promise<Done>(resolve =>
    child.once('close', (code, signal) =>
      resolve(
        code === 0 && out
          ? (JSON.parse(out) as Done)
          : at(progress, `the process ended with ${signal ?? code}: ${words.slice(0, 1_000)}`),
      ),
    ),
  )
  try {
    const done = await Promise.race([ended, watch(child.pid ?? 0, progress, over.signal)])
    return { seed, ...done }
  } finally {
    over.abort()
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Resolves when a case does not end. Other programs may be using the machine, so it is computing time that counts. */
async function watch(pid: number, progress: string, over: AbortSignal): Promise<Done> {
  let last = ''
  let since = Date.now()
  let before = 0
  while (!over.aborted) {
    await new Promise(resolve => setTimeout(resolve, 100))
    const now = text(progress)
    if (now !== last || now === '') {
      last = now
      since = Date.now()
      before = computed(pid)
      continue
    }
    const waiting = (Date.now() - since) / 1000
    const computing = computed(pid) - before
    if (computing >= patience.computing || waiting >= patience.waiting)
      return at(progress, `no end after ${computing.toFixed(1)} s of computing in ${waiting.toFixed(1)} s`)
  }
  return at(progress, 'over')
}

function at(progress: string, problem: string): Done {
  const [, index = '-1', target = '?'] = /^(\d+) (.*?)\s*$/.exec(text(progress)) ?? []
  const finding: Finding = { index: Number(index), target, problem, content: '' }
  return { cases: Number(index), accepted: 0, refused: 0, finding }
}

/** Seconds that a process has computed (proc(5): fields 14 and 15, in hundredths of a second); its whole age elsewhere. */
function computed(pid: number): number {
  const [user, system] = text(`/proc/${pid}/stat`)
    .replace(/^.*\) /, '')
    .split(' ')
    .slice(11, 13)
  return user === undefined ? Date.now() / 1000 : (Number(user) + Number(system)) / 100
}

function text(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** How to see a finding again. */
export function describe({ seed, finding }: Fuzzed): string {
  if (!finding) return ''
  const { index, target, problem, content } = finding
  return `case ${index} of seed ${seed}, ${target}: ${problem}\nagain: FUZZ_SEED=${seed} FUZZ_CASE=${index} make test-fuzz\n${JSON.stringify(content)}`
}
