// The figures of the matrix, each with its denominator.
import { print, seconds } from '../../scripts/lib/output.ts'
import type { Result } from './matrix.ts'
import type { Row } from './row.ts'

export interface Figures {
  seed: number
  /** Rows that were to converge and did, of those that ended so or failed. */
  survived: Count
  refused: Count
  /** Ended wrong and nobody told. */
  silent: number
  killPoints: Count
  /** Of the run after a kill, as ratios to the clean run. */
  converge: { p50: number; p95: number }
  secondRunWrites: number
  wrongClusterWrites: number
  rows: { id: string; fault: string; expect: string; end: Result['end'] | 'not tried' }[]
}

interface Count {
  of: number
  well: number
}

export function figuresOf(
  rows: readonly Row[],
  results: readonly Result[],
  { seed, clean, secondRun }: { seed: number; clean: number; secondRun: number },
): Figures {
  const end = (id: string) => results.find(one => one.id === id)?.end ?? 'not tried'
  const refusals = results.filter(one => refuses(rows.find(row => row.id === one.id)))
  const survivals = results.filter(one => !refusals.includes(one))
  const kills = results.filter(one => one.id.startsWith('K1-'))
  const times = kills.filter(one => one.end === 'converged').map(one => one.run / (clean || 1))
  const wrongCluster = results.filter(one => one.id.startsWith('C1-'))
  return {
    seed,
    survived: count(survivals),
    refused: count(refusals),
    silent: results.filter(one => one.end === 'silent').length,
    killPoints: count(kills),
    converge: { p50: percentile(times, 50), p95: percentile(times, 95) },
    secondRunWrites: secondRun,
    wrongClusterWrites: wrongCluster.filter(one => /\d+ writes/.test(one.told) && !isWell(one)).length,
    rows: rows.map(({ id, fault, expect }) => ({ id, fault, expect, end: end(id) })),
  }
}

const isWell = ({ end }: Result): boolean => end === 'converged' || end === 'refused'
const refuses = (row: Row | undefined): boolean => /^(refused|named|ends with)/.test(row?.expect ?? '')
const count = (results: readonly Result[]): Count => ({ of: results.length, well: results.filter(isWell).length })

function percentile(numbers: readonly number[], percent: number): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const found = sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0
  return Math.round(found * 100) / 100
}

export function printFigures(figures: Figures, took: number, chosen: number): void {
  const of = ({ well, of }: Count) => `${well}/${of}`
  const tried = figures.survived.of + figures.refused.of
  print(`faults survived ${of(figures.survived)}, refused with cause ${of(figures.refused)}, silent ${figures.silent}`)
  if (figures.killPoints.of)
    print(
      `kill points converged ${of(figures.killPoints)}; the run after a kill takes ${figures.converge.p50} (p50), ${figures.converge.p95} (p95) of a clean one`,
    )
  print(`second run: ${figures.secondRunWrites} writes; writes to a wrong cluster: ${figures.wrongClusterWrites}`)
  print(`${tried} of ${chosen} rows in ${seconds(took)}`)
}
