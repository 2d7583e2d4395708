// Works through rows: the clean run first, then each row on a sandbox of its own, or on one that is still as it should be.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { HomelabError } from '../../scripts/lib/errors.ts'
import { Lab, sandboxFor } from '../e2e/support.ts'
import { Fails, type Row } from './row.ts'
import { hashOf, readState, type State } from './state.ts'
import { adminOf, bootstrap, type Control, Trial } from './trial.ts'

export interface Result {
  id: string
  end: 'converged' | 'refused' | Fails['kind']
  /** How one can tell that the fault fired; of a failure, what is wrong. */
  told: string
  /** Milliseconds of the whole trial, and of the run that brought the cluster to its end. */
  took: number
  run: number
  /** Writes where none was allowed. */
  forbidden: number
}

export interface MatrixOptions {
  seed: number
  /** How many rows are tried side by side. */
  workers: number
  onControl(control: Control, secondRun: number): void
  onResult(result: Result): void
}

// Of what hangs. A clean run takes a tenth of that.
const limit = 300_000

/** Tries rows; each result is told as soon as it is there. */
export async function tryRows(rows: readonly Row[], options: MatrixOptions): Promise<void> {
  const first = await newLab(0)
  const kept: (Kept | undefined)[] = []
  const { control, secondRun } = await cleanRun(first)
  kept[0] = { on: 'built', lab: first }
  options.onControl(control, secondRun)
  // The long ones on a platform that is built first: what is kept of a sandbox is of use only then.
  const waiting = [...rows].sort((a, b) => Number(b.on === 'built') - Number(a.on === 'built'))
  const work = async (worker: number): Promise<void> => {
    for (let row = waiting.shift(); row; row = waiting.shift()) {
      let result: Result | undefined
      // A trial that is void shows nothing, neither good nor bad: once more, on another sandbox.
      for (let attempt = 0; attempt < 2 && (!result || result.end === 'void'); attempt++) {
        const lab: Lab = await labFor(row, worker, kept[worker], control)
        kept[worker] = undefined
        result = await tryRow(row, lab, control, `${options.seed} ${row.id} ${attempt || ''}`)
        kept[worker] = await keep(lab, control)
      }
      if (result) options.onResult(result)
    }
    await kept[worker]?.lab.end()
  }
  await Promise.all(Array.from({ length: options.workers }, (_, worker) => work(worker)))
}

interface Kept {
  on: 'bare' | 'built'
  lab: Lab
}

let made = 0
const newLab = async (worker: number) =>
  new Lab(await sandboxFor(`faults-${process.pid % 100_000}-${worker}-${made++}`, { readyAfter: 200 }))

/** The undisturbed run, and what a second one writes. */
async function cleanRun(lab: Lab): Promise<{ control: Control; secondRun: number }> {
  const admin = adminOf(lab.sandbox)
  try {
    const bare = await readState(admin)
    const { code, events, milliseconds, stdout, stderr } = await lab.run(bootstrap)
    if (code !== 0) throw new Error(`the clean run fails, so no fault can be judged: ${stdout}${stderr}`)
    const second = await lab.run(bootstrap)
    const built = await readState(admin)
    return { control: { bare, built, events, milliseconds }, secondRun: second.writes.length }
  } finally {
    await admin.close()
  }
}

async function labFor(row: Row, worker: number, kept: Kept | undefined, control: Control): Promise<Lab> {
  const wanted = row.on ?? 'bare'
  if (kept?.on === wanted) return kept.lab
  await kept?.lab.end()
  const lab = await newLab(worker)
  if (wanted === 'bare') return lab
  const trial = new Trial(lab, control, () => 0)
  try {
    await trial.converged(await trial.run())
    return lab
  } finally {
    await trial.close()
  }
}

/** A sandbox is used again only if its hash says that nothing is left of the fault. */
async function keep(lab: Lab, control: Control): Promise<Kept | undefined> {
  const admin = adminOf(lab.sandbox)
  const state = await readState(admin).catch((): State => new Map())
  await admin.close()
  // One that was taken apart (its API server killed, its line cut) is no good even if it looks well.
  const hash = isThrough(lab) ? hashOf(state) : ''
  if (hash === hashOf(control.bare)) return { on: 'bare', lab }
  if (hash === hashOf(control.built)) return { on: 'built', lab }
  await lab.end()
  return undefined
}

/** Whether the scripts reach the API server itself, by nobody's line and under the user that they had. */
function isThrough({ sandbox }: Lab): boolean {
  const [ours, admins] = [sandbox.kubeconfig, sandbox.adminKubeconfig].map(file => readFileSync(file, 'utf8'))
  const server = (text = '') => /server: (\S+)/.exec(text)?.[1]
  return server(ours) === server(admins) && (ours ?? '').includes('system:masters')
}

async function tryRow(row: Row, lab: Lab, control: Control, seed: string): Promise<Result> {
  const started = Date.now()
  const trial = new Trial(lab, control, randomOf(seed))
  const result = (end: Result['end'], told: string): Result => ({
    id: row.id,
    end,
    told,
    took: Date.now() - started,
    run: trial.took,
    forbidden: trial.forbidden,
  })
  const wanted = row.ends ?? 'converged'
  try {
    await within(limit, row.run(trial))
    if (!trial.proof) return result('void', 'nothing shows that the fault fired')
    return trial.ends.has(wanted) ? result(wanted, trial.proof) : result('void', `nothing shows that it is ${wanted}`)
  } catch (error) {
    if (error instanceof Fails) return result(error.kind, error.message)
    // The harness's own question was not answered: that says nothing of the scripts.
    if (error instanceof HomelabError) return result('void', `${error.what}: ${error.why ?? ''}`)
    return result('wrong', error instanceof Error ? (error.stack ?? error.message) : String(error))
  } finally {
    await trial.close()
  }
}

function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Fails('wrong', `it hangs: no end after ${milliseconds / 1000} s`)),
      milliseconds,
    )
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

/** Numbers from 0 up to 1 that follow from a text (mulberry32). */
export function randomOf(text: string): () => number {
  let state = createHash('sha256').update(text).digest().readUInt32LE()
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
