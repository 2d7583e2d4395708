// What a pull request changes as Markdown for a comment: counts first, each application behind a fold, cut to fit. Pure.
import type { ObjectDiff } from './compare.ts'

export interface AppDiff {
  application: string
  /** Those in which it changes in the same way. */
  environments: readonly string[]
  objects: readonly ObjectDiff[]
  /** Argo CD's own words, by side, where there was nothing to compare. */
  failed?: string
  /** The Application itself comes or goes. */
  comes?: 'new' | 'gone'
}

export interface Report {
  /** What with what, for the line below the counts. */
  compared: string
  applications: readonly AppDiff[]
  /** How many were not rendered, because nothing that they read differs. */
  same: number
  standIns: readonly string[]
  /** Files that Argo CD does not bring to a cluster: the steps do. */
  platform: readonly string[]
  /** Where the whole of it is, when it is cut. */
  whole: string
}

/** The length of a comment on GitHub, in characters. */
export const commentLimit = 65_536

/** Marks our comment, so that the next run replaces it. */
export const marker = '<!-- homelab diff -->'

/** @param limit characters; the diffs share what the counts leave, and each is cut at the end of a line */
export function markdown(report: Report, limit = Number.POSITIVE_INFINITY): string {
  const head = headOf(report)
  const whole = report.applications.map(one => section(one))
  const spent = head.length + whole.reduce((sum, text) => sum + text.length, 0)
  if (spent <= limit) return head + whole.join('')
  const pointer = `\n> Cut to fit a comment. The whole of it: ${report.whole}\n`
  let left = limit - head.length - pointer.length
  // Small ones first get what they need; the large ones share the rest.
  const order = whole.map((_, i) => i).sort((a, b) => (whole[a]?.length ?? 0) - (whole[b]?.length ?? 0))
  const shown: string[] = []
  for (const [n, i] of order.entries()) {
    const one = report.applications[i]
    const text = one ? section(one, Math.floor(left / (order.length - n))) : ''
    if (text.length > left) continue
    left -= text.length
    shown[i] = text
  }
  return `${head}${shown.filter(Boolean).join('')}${pointer}`.slice(0, limit)
}

function headOf({ compared, applications, same, standIns, platform }: Report): string {
  const names = new Set(applications.map(one => one.application))
  const failed = applications.filter(one => one.failed).length
  const counts = countsOf(applications.flatMap(one => one.objects)) + (failed ? `, ${failed} cannot be rendered` : '')
  const lines = [marker, '## What this changes in the cluster', '']
  lines.push(
    names.size
      ? `**${plural(names.size, 'application')}** ${names.size === 1 ? 'changes' : 'change'}: ${counts}. ${same} not rendered: nothing that they read differs.`
      : `No application changes; ${same} looked at.`,
  )
  lines.push('', `${compared}, rendered by Argo CD's repo server.`)
  if (standIns.length && names.size)
    lines.push('', `> Stand-in charts, because there was no network: ${[...new Set(standIns)].sort().join(', ')}.`)
  if (platform.length)
    lines.push(
      '',
      `> ${plural(platform.length, 'file')} of the platform, which the steps bring and not Argo CD, differ too; \`make plan\` shows what that changes: ${platform.slice(0, 5).join(', ')}${platform.length > 5 ? ', …' : ''}`,
    )
  if (names.size) {
    lines.push('', '| application | environments | added | removed | changed |', '|---|---|--:|--:|--:|')
    for (const { application, environments, objects, failed, comes } of applications) {
      const of = (result: string) => objects.filter(one => one.result === result).length
      const cells = failed ? ['cannot be rendered', '', ''] : [of('added'), of('removed'), of('changed')]
      lines.push(`| ${application}${comes ? ` (${comes})` : ''} | ${environments.join(', ')} | ${cells.join(' | ')} |`)
    }
  }
  return `${lines.join('\n')}\n`
}

function section(
  { application, environments, objects, failed, comes }: AppDiff,
  room = Number.POSITIVE_INFINITY,
): string {
  const title = `<b>${application}</b> · ${environments.join(', ')} · ${failed ? 'cannot be rendered' : countsOf(objects)}`
  const said =
    comes === 'gone' ? '\nIts objects stay in the cluster until `make remove-app` is told to take them away.\n' : ''
  const body = failed ?? objects.map(one => `${sign[one.result]} ${one.title}\n${one.patch}`).join('\n')
  // A fence longer than any in the text: a ConfigMap may hold Markdown.
  const longest = Math.max(2, ...[...body.matchAll(/`+/g)].map(([ticks]) => ticks.length))
  const fence = '`'.repeat(longest + 1)
  const around = (text: string) =>
    `\n<details><summary>${title}</summary>\n${said}\n${fence}${failed ? '' : 'diff'}\n${text}\n${fence}\n\n</details>\n`
  const whole = around(body)
  if (whole.length <= room) return whole
  const lines = body.split('\n')
  let size = around('').length + 40
  let n = 0
  while (n < lines.length && size + (lines[n]?.length ?? 0) + 1 <= room) size += (lines[n++]?.length ?? 0) + 1
  return around(`${lines.slice(0, n).join('\n')}\n… ${lines.length - n} more lines`)
}

const sign = { added: '+++ added:', removed: '--- removed:', changed: '### changed:' } as const

function countsOf(objects: readonly ObjectDiff[]): string {
  const parts = (['added', 'removed', 'changed'] as const).flatMap(result => {
    const n = objects.filter(one => one.result === result).length
    return n ? [`${n} ${result}`] : []
  })
  return `${parts.join(', ') || 'no'} object${objects.length === 1 ? '' : 's'}`
}

const plural = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`
