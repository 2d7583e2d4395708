#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/../../scripts/lib/launch" "$0" "$@"'
// make faults: the fault matrix, row by row; what is done is kept, so that a run can be broken off and gone on with.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { command, common } from '../../scripts/lib/command.ts'
import { exit, HomelabError } from '../../scripts/lib/errors.ts'
import { print, seconds } from '../../scripts/lib/output.ts'
import { root } from '../../scripts/lib/root.ts'
import { figuresOf, printFigures } from './figures.ts'
import { type Result, tryRows } from './matrix.ts'
import type { Row } from './row.ts'
import { excluded, rows } from './rows.ts'

/** Results of the rows that are done, of one seed. */
interface Kept {
  seed: number
  /** Milliseconds of the clean run: what all other times are compared with. */
  clean: number
  /** Mutating requests of a second run. */
  secondRun: number
  results: Result[]
}

const file = join(root, '.homelab/faults.json')

await command(
  {
    line: 'make faults [ROWS=K1,A1] [SEED=N] [AGAIN=1]',
    about:
      'Injects each fault of the catalogue into a bootstrap and sees how it ends. Goes on where it was broken off.',
    options: {
      list: { type: 'boolean', help: 'the rows, and what is left out and why' },
      rows: { type: 'string', value: 'ID[,ID]', help: 'these only; an id stands for its variants too' },
      quick: { type: 'boolean', help: 'the part that make test has' },
      again: { type: 'boolean', help: 'from the start' },
      seed: {
        type: 'string',
        value: 'N',
        help: 'for the moments of the kills; printed, so that a run can be repeated',
      },
      workers: { type: 'string', value: 'N', help: 'rows side by side' },
      figures: { type: 'string', value: 'FILE', help: 'write the figures there as JSON' },
      ...common,
    },
  },
  async values => {
    if (values.list) return list()
    const text = (name: string) => (typeof values[name] === 'string' && values[name] !== '' ? values[name] : undefined)
    const chosen = choose(text('rows'), values.quick === true)
    const kept = values.again ? undefined : readKept()
    const seed = Number(text('seed') ?? kept?.seed ?? Math.floor(Math.random() * 1e6))
    const known = kept?.seed === seed ? kept : { seed, clean: 0, secondRun: 0, results: [] }
    const done = known.results.filter(one => one.end === 'converged' || one.end === 'refused')
    const open = chosen.filter(row => !done.some(one => one.id === row.id))
    print(`seed ${seed}: ${open.length} of ${chosen.length} rows to try${values.again ? '' : ', the others are done'}`)
    const started = Date.now()
    if (open.length)
      await tryRows(open, {
        seed,
        workers: Number(text('workers') ?? Math.min(2, availableParallelism())),
        onControl(control, writes) {
          known.clean = control.milliseconds
          known.secondRun = writes
          print(
            `✓ ${'clean run'.padEnd(18)} ${seconds(control.milliseconds).padStart(7)}  ${control.built.size} objects; a second run writes ${writes}`,
          )
        },
        onResult(result) {
          known.results = [...known.results.filter(one => one.id !== result.id), result]
          keep(known)
          print(line(result))
        },
      })
    const results = known.results.filter(one => chosen.some(row => row.id === one.id))
    const figures = figuresOf(rows, results, known)
    print('')
    printFigures(figures, Date.now() - started, chosen.length)
    const target = text('figures')
    if (target) writeFileSync(target, `${JSON.stringify(figures, null, 2)}\n`)
    const well = results.length === chosen.length && results.every(one => ['converged', 'refused'].includes(one.end))
    return well && known.secondRun === 0 ? exit.done : exit.failed
  },
)

function line({ id, end, took, told }: Result): string {
  const well = end === 'converged' || end === 'refused'
  return `${well ? '✓' : '✗'} ${id.padEnd(18)} ${seconds(took).padStart(7)}  ${end}: ${well ? (told.split('\n')[0] ?? '') : told}`
}

/** `K` stands for all of that family, `K1` for all of K1, `K1-2.4` for itself. */
function choose(ids: string | undefined, quick: boolean): Row[] {
  const named = ids?.split(',').map(id => id.trim())
  for (const id of named ?? [])
    if (!rows.some(row => isOf(row, id)))
      throw new HomelabError({ what: `there is no row ${id}`, fix: 'make faults LIST=1', code: exit.usage })
  return rows.filter(row => (!named || named.some(id => isOf(row, id))) && (!quick || row.quick))
}

function isOf(row: Row, id: string): boolean {
  return row.id === id || row.id.startsWith(`${id}-`) || (/^[A-Z]$/.test(id) && row.id.startsWith(id))
}

function list(): number {
  for (const { id, fault, expect } of rows) print(`${id.padEnd(18)} ${fault}\n${' '.repeat(19)}→ ${expect}`)
  print(`\n${rows.length} rows. Not tried here:`)
  for (const { id, fault, why } of excluded) print(`${id.padEnd(18)} ${fault}\n${' '.repeat(19)}${why}`)
  return exit.done
}

function readKept(): Kept | undefined {
  if (!existsSync(file)) return undefined
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Kept
  } catch {
    rmSync(file) // half-written: the run was killed
    return undefined
  }
}

function keep(known: Kept): void {
  mkdirSync(join(root, '.homelab'), { recursive: true })
  writeFileSync(`${file}.new`, JSON.stringify(known, null, 1))
  renameSync(`${file}.new`, file)
}
