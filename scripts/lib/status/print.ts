// A summary for people (80 columns) or programs (JSON).

import { paint, print, whyAndFix } from '../output.ts'
import { pasteable } from '../site/choose.ts'
import type { Site } from '../site/site.ts'
import type { Row } from './component.ts'

const marks = {
  ready: ['green', '✓'],
  progressing: ['cyan', '…'],
  unwell: ['red', '✗'],
  missing: ['yellow', '·'],
} as const
const titles = { cluster: '', platform: 'Platform', applications: 'Applications' } as const

/** What stands to the left of the text: mark, number, name, version. */
const margin = 22
const versionWidth = 20

/** Whether nothing is unwell or missing. What is on its way counts as well: it needs no help. */
export function well(rows: readonly Row[]): boolean {
  return rows.every(row => row.state === 'ready' || row.state === 'progressing')
}

/** The one thing to do next. */
function next(rows: readonly Row[], site: Site): string {
  const platform = rows.filter(row => row.layer === 'platform')
  if (platform.every(row => row.state === 'missing' || row.off))
    return site.sandbox ? './bootstrap/bootstrap-all.ts --sandbox' : 'make plan, then make install'
  const first = rows.find(row => row.state === 'unwell') ?? rows.find(row => row.state === 'missing')
  if (first?.fix) return pasteable(first.fix, site)
  if (rows.some(row => row.state === 'progressing')) return 'wait a moment, then make status again'
  const warned = rows.find(row => row.warning)
  if (warned?.fix) return pasteable(warned.fix, site)
  return 'all is well; make credentials shows how to log in'
}

export function printSummary(rows: readonly Row[], site: Site, json: boolean): void {
  if (json) {
    print(
      JSON.stringify({
        environment: site.environment,
        context: site.context,
        domain: site.domain,
        well: well(rows),
        next: next(rows, site),
        rows: rows.map(row => (row.fix ? { ...row, fix: pasteable(row.fix, site) } : row)),
      }),
    )
    return
  }
  print(`${paint('bold', site.domain)} · ${site.environment} · ${site.sandbox ? 'sandbox' : `context ${site.context}`}`)
  let layer: Row['layer'] = 'cluster'
  for (const row of rows) {
    if (row.layer !== layer) print(`\n${paint('bold', titles[row.layer])}`)
    layer = row.layer
    for (const line of linesOf(row, site)) print(line)
  }
  if (!rows.some(row => row.layer === 'applications'))
    print(`\n${paint('dim', 'No applications yet: Argo CD brings them from Git.')}`)
  print(`\nnext: ${next(rows, site)}`)
}

function linesOf(row: Row, site: Site): string[] {
  const [colour, mark] = row.off ? (['dim', '–'] as const) : row.warning ? (['yellow', '!'] as const) : marks[row.state]
  const told = row.state !== 'ready' || row.warning
  const number = row.step ? row.step.slice(0, 2) : '  '
  const name = `${number} ${row.name}`.padEnd(margin - 3)
  const indent = ' '.repeat(margin)
  const more = [
    row.url,
    row.certificate ? `certificate ${row.certificate.name} until ${until(row.certificate.ends)}` : undefined,
  ].filter(text => text !== undefined)
  // What is not there yet fits on one line, with the script that brings it.
  if (row.state === 'missing') return [`${paint(colour, mark)} ${name} ${row.cause}: ${pasteable(row.fix ?? '', site)}`]
  const lines = [
    `${paint(colour, mark)} ${name} ${`${row.version ?? ''} `.padEnd(versionWidth)}${row.facts ?? ''}`.trimEnd(),
  ]
  // Two things on one line where they fit.
  if (more.length)
    lines.push(
      ...(indent.length + more.join(' · ').length <= 80 ? [more.join(' · ')] : more).map(text => `${indent}${text}`),
    )
  if (told) lines.push(...whyAndFix(row.cause, row.fix && pasteable(row.fix, site)))
  return lines
}

function until(iso: string): string {
  const days = Math.floor((Date.parse(iso) - Date.now()) / 86_400_000)
  return days < 2 ? `${iso.slice(0, 16).replace('T', ' ')} UTC` : `${iso.slice(0, 10)} (${days} days)`
}
