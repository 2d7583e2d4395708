// What was found of the applications, for people (80 columns) or programs (JSON).
import { paint, print, seconds, whyAndFix, wrap } from '../output.ts'
import { pasteable } from '../site/choose.ts'
import type { Site } from '../site/site.ts'
import { withPage } from '../troubleshooting.ts'
import type { State, Tested } from './test.ts'

const marks = {
  right: ['green', '✓'],
  wrong: ['red', '✗'],
  coming: ['yellow', '…'],
  unmeasurable: ['dim', '?'],
  none: ['dim', '–'],
} as const satisfies Record<State, unknown>

const columns = ['synced', 'healthy', 'endpoint', 'data'] as const

/** Whether everything that was asked is right; what is still on its way is not yet. */
export const well = (tested: readonly Tested[]): boolean =>
  tested.every(one => columns.every(column => one[column] !== 'wrong' && one[column] !== 'coming'))

export function printTested(tested: readonly Tested[], site: Site, took: number, json: boolean): void {
  const count = (state: State) => tested.flatMap(one => columns.filter(column => one[column] === state)).length
  const counts = {
    right: count('right'),
    wrong: count('wrong') + count('coming'),
    notMeasurable: count('unmeasurable'),
  }
  const good = well(tested)
  const fixed = tested.map(one => ({
    ...one,
    findings: one.findings.map(finding => (finding.fix ? { ...finding, fix: pasteable(finding.fix, site) } : finding)),
  }))
  const next = fixed.flatMap(({ findings }) => findings).find(({ fix }) => fix)?.fix ?? 'make test-ingress'
  if (json) {
    print(
      JSON.stringify({
        ...{ event: 'summary', environment: site.environment, well: good, counts, milliseconds: Math.round(took) },
        ...{ applications: fixed, next, code: good ? 0 : 1 },
      }),
    )
    return
  }
  const width = Math.max(12, ...tested.map(({ name }) => name.length))
  print(paint('dim', `${''.padEnd(width)}  ${columns.map(column => column.padEnd(8)).join('  ')}  hosts`))
  for (const one of tested) {
    const cells = columns.map(column => {
      const [colour, sign] = marks[one[column]]
      return `${paint(colour, sign)}       `
    })
    print(`${one.name.padEnd(width)}  ${cells.join('  ')}  ${paint('dim', one.hosts[0] ?? '')}`.trimEnd())
  }
  for (const { name, findings } of fixed)
    for (const { what, why, fix, link } of findings.map(withPage)) {
      print('')
      for (const [i, line] of wrap(`${name}: ${what}`, 76).entries()) print(`${i ? ' ' : paint('red', '✗')} ${line}`)
      for (const line of whyAndFix(why, fix, link)) print(line)
    }
  const unseen = counts.notMeasurable ? `, ${counts.notMeasurable} not measurable here` : ''
  print(
    `\n${good ? paint('green', '✓') : paint('red', '✗')} ${tested.length} applications in ${seconds(took)}: ${counts.right} right, ${counts.wrong} not${unseen}`,
  )
  print(`next: ${next}`)
}
