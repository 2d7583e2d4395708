#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/../../scripts/lib/launch" "$0" "$@"'
// make faults: the fault matrix, row by row; what is done is kept, so that a run can be broken off and gone on with.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { command, common } from '../../scripts/lib/command.ts'
import { exit, HomelabError } from '../../scripts/lib/errors.ts'
import { print, seconds } from '../../scripts/lib/output.ts'
import { root } from '../../scripts/lib/root.ts'
import { figuresOf, isWell, type Known, printFigures } from './figures.ts'
import { type Result, tryRows } from './matrix.ts'
import { record } from './record.ts'
import type { Row } from './row.ts'
import { excluded, rows, secondRun } from './rows.ts'

const file = join(root, '.homelab/faults.json')

await command(
  {
    line: 'make faults [ROWS=K1,A1] [SEED=N] [AGAIN=1] [RECORD=1] [REPEAT=50]',
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
      repeat: {
        type: 'string',
        value: 'N',
        help: 'each of the rows N times (R2 is a second run): does it always end so?',
      },
      record: { type: 'boolean', help: 'keep the figures of a whole run for the tables in the documentation' },
      ...common,
    },
  },
  async values => {
    if (values.list) return list()
    const text = (name: string) => (typeof values[name] === 'string' && values[name] !== '' ? values[name] : undefined)
    const chosen = choose(text('rows'), values.quick === true)
    const repeat = Number(text('repeat') ?? 1)
    if (values.record && repeat === 1 && chosen.length < rows.length)
      throw new HomelabError({
        what: 'part of the rows is no whole run',
        fix: 'make faults RECORD=1',
        code: exit.usage,
      })
    const tried = repeat > 1 ? chosen.flatMap(row => repeated(row, repeat)) : chosen
    const kept = values.again || repeat > 1 ? undefined : readKept()
    const seed = Number(text('seed') ?? kept?.seed ?? Math.floor(Math.random() * 1e6))
    const known: Known = kept?.seed === seed ? kept : { seed, clean: 0, secondRun: 0, results: [] }
    const open = tried.filter(row => !known.results.some(one => one.id === row.id && isWell(one)))
    print(`seed ${seed}: ${open.length} of ${tried.length} rows to try${kept ? ', the others are done' : ''}`)
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
          if (repeat === 1) keep(known)
          print(line(result))
        },
      })
    const figures = figuresOf(tried, known)
    print('')
    printFigures(figures, Date.now() - started)
    if (values.record) await record(repeat > 1 ? { repeats: repeatsOf(chosen, known) } : { run: figures })
    const well = tried.every(row => isWell(known.results.find(one => one.id === row.id)))
    return well && known.secondRun === 0 ? exit.done : exit.failed
  },
)

/** The same row again and again, each time with other moments. */
function repeated(row: Row, times: number): Row[] {
  return Array.from({ length: times }, (_, i) => ({ ...row, id: `${row.id}#${i + 1}` }))
}

function repeatsOf(
  chosen: readonly Row[],
  { results }: Known,
): { id: string; fault: string; of: number; well: number }[] {
  return chosen.map(({ id, fault }) => {
    const own = results.filter(one => one.id.startsWith(`${id}#`))
    return { id, fault, of: own.length, well: own.filter(isWell).length }
  })
}

function line({ id, end, took, told }: Result): string {
  const well = isWell({ end })
  return `${well ? '✓' : '✗'} ${id.padEnd(18)} ${seconds(took).padStart(7)}  ${end}: ${well ? (told.split('\n')[0] ?? '') : told}`
}

/** `K` stands for all of that family, `K1` for all of K1, `K1-2.4` for itself. */
function choose(ids: string | undefined, quick: boolean): Row[] {
  const named = ids?.split(',').map(id => id.trim())
  const all = named?.includes(secondRun.id) ? [...rows, secondRun] : rows
  for (const id of named ?? [])
    if (!all.some(row => isOf(row, id)))
      throw new HomelabError({ what: `there is no row ${id}`, fix: 'make faults LIST=1', code: exit.usage })
  return all.filter(row => (!named || named.some(id => isOf(row, id))) && (!quick || row.quick))
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

function readKept(): Known | undefined {
  if (!existsSync(file)) return undefined
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Known
  } catch {
    rmSync(file) // half-written: the run was killed
    return undefined
  }
}

function keep(known: Known): void {
  mkdirSync(join(root, '.homelab'), { recursive: true })
  writeFileSync(`${file}.new`, JSON.stringify(known, null, 1))
  renameSync(`${file}.new`, file)
}
