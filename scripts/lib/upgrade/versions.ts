// What lies between two versions: how large the step is, and what it leaps over. Pure.
import { compareVersions, numbersOf } from '../preflight/kube-version.ts'

export interface Versions {
  /** Of the chart, where there is one. */
  chart?: string
  /** Of the program: the tag of its image. */
  program?: string
}

/** `other`: one of them is no version, such as a branch or a digest. */
export type Size = 'equal' | 'patch' | 'minor' | 'major' | 'downgrade' | 'other'

export function sizeOf(from: string, to: string): Size {
  if (from === to) return 'equal'
  const order = compareVersions(from, to)
  const [a, b] = [numbersOf(from), numbersOf(to)]
  if (order === undefined || !a || !b) return 'other'
  if (order === 0) return 'equal'
  if (order > 0) return 'downgrade'
  return a[0] !== b[0] ? 'major' : a[1] !== b[1] ? 'minor' : 'patch'
}

export interface Step {
  moves: boolean
  downgrade: boolean
  /** Whether the publisher's notes are worth reading: anything more than a patch. */
  notable: boolean
  /** What is said about it, a line each. */
  remarks: string[]
}

/** @param minors `one` where the publisher asks for one minor version at a time */
export function between(from: Versions, to: Versions, minors?: 'one'): Step {
  const parts = [
    { of: 'the chart', from: from.chart, to: to.chart },
    { of: 'the program', from: from.program, to: to.program },
  ].flatMap(({ of, from, to }) => (from === undefined || to === undefined ? [] : [{ of, from, to }]))
  const remarks: string[] = []
  const sizes = parts.map(({ of, from, to }) => {
    const size = sizeOf(from, to)
    if (size === 'major') remarks.push(`a new major version of ${of}: ${from} → ${to}`)
    const skipped = skippedMinors(from, to)
    if (skipped.length && of === 'the program')
      remarks.push(
        `leaves out ${skipped.join(', ')} of the program${minors === 'one' ? ': its publisher asks to go one minor version at a time' : ': read the notes of each'}`,
      )
    return size
  })
  // A chart that rises takes its program along; one that falls, or a program that falls by itself, is a way back.
  return {
    moves: sizes.some(size => size !== 'equal'),
    downgrade: sizes.includes('downgrade'),
    notable: sizes.some(size => size === 'minor' || size === 'major' || size === 'other'),
    remarks: [...new Set(remarks)],
  }
}

/** The minor versions between two of one major version: `3.5`, `3.6` of v3.4.4 → v3.7.0. */
function skippedMinors(from: string, to: string): string[] {
  const [a, b] = [numbersOf(from), numbersOf(to)]
  if (!a || !b || a[0] !== b[0]) return []
  return Array.from({ length: Math.max(0, b[1] - a[1] - 1) }, (_, i) => `${a[0]}.${a[1] + 1 + i}`)
}
