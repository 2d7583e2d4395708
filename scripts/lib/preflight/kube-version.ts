// Versions of Kubernetes against what a chart asks for, and against each other.
import { aboutChart } from '../chart-file.ts'

/**
 * The `kubeVersion` of a chart's own Chart.yaml, or undefined when it states none.
 * @param path the archive or the folder
 */
export const kubeVersionOf = (path: string): string | undefined => aboutChart(path).kubeVersion

interface Version {
  numbers: readonly [number, number, number]
  pre: string | undefined
}

/** `v1.36.3+k3s1`: what follows the plus does not count (https://semver.org/#spec-item-10). */
function parseVersion(text: string): Version | undefined {
  const match = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([\w.-]+))?(?:\+.*)?$/.exec(text.trim())
  if (!match) return undefined
  return { numbers: [Number(match[1]), Number(match[2] ?? 0), Number(match[3] ?? 0)], pre: match[4] }
}

function compare(a: Version, b: Version): number {
  for (const i of [0, 1, 2] as const) if (a.numbers[i] !== b.numbers[i]) return a.numbers[i] - b.numbers[i]
  if (a.pre === b.pre) return 0
  if (a.pre === undefined || b.pre === '0') return 1
  if (b.pre === undefined || a.pre === '0') return -1
  return a.pre < b.pre ? -1 : 1
}

/**
 * Whether a version meets a chart's constraint, as Helm judges it: comparisons joined by a blank or a comma, alternatives
 * by `||`; a pre-release meets only comparisons that have one (`>=1.25.0-0`).
 * @returns undefined when either is written in a way that is not understood here; Helm itself will say
 */
export function meets(version: string, constraint: string): boolean | undefined {
  const have = parseVersion(version)
  if (!have) return undefined
  const alternatives = constraint.split('||').map(part => part.replace(/([<>=])\s+(?=[\dv])/g, '$1').trim())
  let fits = false
  for (const alternative of alternatives) {
    const verdicts = alternative.split(/[\s,]+/).map(text => {
      const [, operator = '', rest = ''] = /^(>=|<=|>|<|=)(.+)$/.exec(text) ?? []
      const wanted = operator === '' ? undefined : parseVersion(rest)
      if (!wanted) return undefined
      if (have.pre !== undefined && wanted.pre === undefined) return false
      const order = compare(have, wanted)
      return operator === '='
        ? order === 0
        : operator.startsWith('>')
          ? order > 0 || (order === 0 && operator === '>=')
          : order < 0 || (order === 0 && operator === '<=')
    })
    if (verdicts.includes(undefined)) return undefined
    if (verdicts.every(Boolean)) fits = true
  }
  return fits
}

/**
 * Which of two versions is the higher one: below 0 the second, above 0 the first.
 * @returns undefined when one of them is no version
 */
export function compareVersions(a: string, b: string): number | undefined {
  const [first, second] = [parseVersion(a), parseVersion(b)]
  return first && second && compare(first, second)
}

/** `[41, 3, 0]` of `v41.3.0-rc.1`; undefined when it is no version. */
export function numbersOf(version: string): readonly [number, number, number] | undefined {
  return parseVersion(version)?.numbers
}

/** The minor version: 36 of `v1.36.3+k3s1`. */
export function minorOf(version: string): number | undefined {
  return parseVersion(version)?.numbers[1]
}
