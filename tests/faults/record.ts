// Keeps what whole runs came to in infrastructure/docs/faults.json, from which the tables are generated. The figures that
// are not the matrix's own come from the tests that make them, run here.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { print } from '../../scripts/lib/output.ts'
import { root } from '../../scripts/lib/root.ts'
import { temporaryFolder } from '../temporary.ts'
import type { Figures } from './figures.ts'

export interface Recorded {
  /** The newest three. */
  runs: Figures[]
  /** The same row again and again. */
  repeats: { id: string; fault: string; of: number; well: number }[]
  /** As the tests report them (tests/figures.ts), by name. */
  tests: Record<string, Record<string, number>>
}

export const recordFile = join(root, 'infrastructure/docs/faults.json')

export function recorded(): Recorded {
  return JSON.parse(readFileSync(recordFile, 'utf8')) as Recorded
}

/** Takes a whole run, or repeats, into the record, with the figures of the tests beside them. */
export async function record(news: { run: Figures } | { repeats: Recorded['repeats'] }): Promise<void> {
  const known = recorded()
  if ('repeats' in news)
    known.repeats = [...known.repeats.filter(old => !news.repeats.some(one => one.id === old.id)), ...news.repeats]
  else {
    known.runs = [...known.runs, news.run].slice(-3)
    known.tests = testFigures('tests/unit/corpus.test.ts', 'tests/e2e/canaries.test.ts')
  }
  writeFileSync(recordFile, `${JSON.stringify(known, null, 2)}\n`)
  print('kept in infrastructure/docs/faults.json; next: make docs')
}

/** Runs tests and reads what they report. @throws Error when one fails: then there is no figure */
function testFigures(...files: string[]): Recorded['tests'] {
  const file = join(temporaryFolder('figures'), 'figures')
  print(`the figures of ${files.join(' and ')}`)
  const loader = join(root, 'scripts/lib/typescript.mjs')
  const ran = spawnSync(process.execPath, ['--import', loader, '--test', ...files], {
    cwd: root,
    env: { ...process.env, FIGURES: file },
    encoding: 'utf8',
  })
  if (ran.status !== 0) throw new Error(`they fail:\n${ran.stdout.slice(-3000)}`)
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  return Object.fromEntries(
    lines.map(line => {
      const { figure, ...numbers } = JSON.parse(line) as { figure: string } & Record<string, number>
      return [figure, numbers]
    }),
  )
}
