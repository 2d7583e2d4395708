// The figures of the matrix, each with its denominator.
import { print, seconds } from '../../scripts/lib/output.ts'
import type { Result } from './matrix.ts'
import type { Row } from './row.ts'

/** What one run of the matrix came to. Kept in infrastructure/docs/faults.json, from which the tables are generated. */
export interface Figures {
  /** Day of the run, `2026-11-25`. */
  date: string
  seed: number
  /** Rows that were to converge, and did. */
  survived: Count
  /** Rows that were to end with a named cause, and did. */
  refused: Count
  /** Ended wrong and nobody told. */
  silent: number
  killPoints: Count
  /** Of the run after a kill, as ratios to the clean run. */
  converge: { p50: number; p95: number }
  secondRunWrites: number
  wrongClusterWrites: number
}

export interface Count {
  of: number
  well: number
}

export interface Known {
  seed: number
  /** Milliseconds of the clean run: what all other times are compared with. */
  clean: number
  /** Mutating requests of a second run. */
  secondRun: number
  results: Result[]
}

/** @param rows those that were to be tried: one without a result counts as not well */
export function figuresOf(rows: readonly Row[], { seed, clean, secondRun, results }: Known): Figures {
  const result = (row: Row) => results.find(one => one.id === row.id)
  const count = (some: readonly Row[]): Count => ({
    of: some.length,
    well: some.filter(row => isWell(result(row))).length,
  })
  const kills = rows.filter(row => row.id.startsWith('K1-'))
  const times = kills.flatMap(row => (isWell(result(row)) ? [(result(row)?.run ?? 0) / (clean || 1)] : []))
  const wrongCluster = rows.filter(row => row.id.startsWith('C1-'))
  return {
    date: new Date().toISOString().slice(0, 10),
    seed,
    survived: count(rows.filter(row => row.ends === undefined)),
    refused: count(rows.filter(row => row.ends === 'refused')),
    silent: rows.filter(row => result(row)?.end === 'silent').length,
    killPoints: count(kills),
    converge: { p50: percentile(times, 50), p95: percentile(times, 95) },
    secondRunWrites: secondRun,
    wrongClusterWrites: wrongCluster.reduce((sum, row) => sum + (result(row)?.forbidden ?? 0), 0),
  }
}

export const isWell = (result: Pick<Result, 'end'> | undefined): boolean =>
  result?.end === 'converged' || result?.end === 'refused'

function percentile(numbers: readonly number[], percent: number): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const found = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0
  return Math.round(found * 100) / 100
}

export function printFigures(figures: Figures, took: number): void {
  const of = ({ well, of }: Count) => `${well}/${of}`
  print(`faults survived ${of(figures.survived)}, refused with cause ${of(figures.refused)}, silent ${figures.silent}`)
  if (figures.killPoints.of)
    print(
      `kill points converged ${of(figures.killPoints)}; the run after a kill takes ${figures.converge.p50} (p50), ${figures.converge.p95} (p95) of a clean one`,
    )
  print(`second run: ${figures.secondRunWrites} writes; writes to a wrong cluster: ${figures.wrongClusterWrites}`)
  print(`in ${seconds(took)}`)
}
