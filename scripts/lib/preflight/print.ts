// What the doctor found, for people (80 columns) or programs (JSON).
import { paint, print, seconds, whyAndFix, wrap } from '../output.ts'
import { pasteable } from '../site/choose.ts'
import type { Site } from '../site/site.ts'
import { withPage } from '../troubleshooting.ts'
import { type Examined, groupOf, groups, type Result } from './check.ts'

const marks = {
  well: ['green', '✓'],
  notice: ['cyan', '·'],
  warning: ['yellow', '!'],
  problem: ['red', '✗'],
  unknown: ['dim', '?'],
} as const

type Counts = Record<Result['state'], number>

/** Mark and title stand to the left of what was found. */
const margin = 21

export function countResults(examined: readonly Examined[]): Counts {
  const counts: Counts = { well: 0, notice: 0, warning: 0, problem: 0, unknown: 0 }
  for (const { results } of examined) for (const { state } of results) counts[state]++
  return counts
}

/**
 * Prints the examination.
 * @param took milliseconds
 */
export function printExamined(examined: readonly Examined[], site: Site, took: number, json: boolean): void {
  const counts = countResults(examined)
  if (json) {
    print(
      JSON.stringify({
        environment: site.environment,
        context: site.context,
        domain: site.domain,
        well: counts.problem === 0,
        counts,
        milliseconds: took,
        checks: examined.map(({ check, results }) => ({
          id: check.id,
          group: groups[groupOf(check)],
          title: check.title,
          results: results.map(one => ('fix' in one && one.fix ? { ...one, fix: pasteable(one.fix, site) } : one)),
        })),
      }),
    )
    return
  }
  print(`${paint('bold', site.domain)} · ${site.environment} · ${site.sandbox ? 'sandbox' : `context ${site.context}`}`)
  let group = ''
  for (const one of examined) {
    const title = groups[groupOf(one.check)]
    if (title !== group) print(`\n${paint('bold', title)}`)
    group = title
    one.results.forEach((result, i) => {
      for (const line of linesOf(i === 0 ? one.check.title : '', result, site)) print(line)
    })
  }
  print(`\n${summary(counts)}, in ${seconds(took)}; nothing was written`)
  print(`next: ${next(counts, site)}`)
}

function linesOf(title: string, result: Result, site: Site): string[] {
  const [colour, mark] = marks[result.state]
  const head = `${paint(colour, mark)} ${title.padEnd(margin - 3)} `
  const text = 'text' in result ? result.text : result.state === 'unknown' ? `not checked: ${result.why}` : result.what
  const shade = (line: string) => (result.state === 'unknown' ? paint('dim', line) : line)
  const [first = '', ...rest] = wrap(text, 80 - margin)
  const lines = [`${head}${shade(first)}`.trimEnd(), ...rest.map(line => `${' '.repeat(margin)}${shade(line)}`)]
  if (result.state !== 'problem' && result.state !== 'warning') return lines
  const { why, fix, link } = withPage(result)
  lines.push(...whyAndFix(why, fix && pasteable(fix, site), link))
  return lines
}

function summary({ problem, warning, notice, well, unknown }: Counts): string {
  const parts = [
    problem ? paint('red', `${problem} problem${problem > 1 ? 's' : ''}`) : paint('green', 'no problems'),
    warning ? paint('yellow', `${warning} warning${warning > 1 ? 's' : ''}`) : '',
    `${well + notice} well`,
    `${unknown} could not be checked`,
  ]
  return parts.filter(Boolean).join(', ')
}

function next({ problem }: Counts, site: Site): string {
  if (problem) return 'mend the first problem, then make doctor again'
  return site.sandbox
    ? './bootstrap/bootstrap-all.ts --sandbox'
    : 'make plan shows what would change, make status how it is'
}
