// What was seen, for people (a table of 80 columns, then each fault) or programs (JSON).
import { paint, print, seconds, whyAndFix, wrap } from '../output.ts'
import type { Seen } from '../outside/outside.ts'
import { pasteable } from '../site/choose.ts'
import type { Site } from '../site/site.ts'
import { withPage } from '../troubleshooting.ts'
import type { Finding } from './findings.ts'
import type { HostLook, Look, ResolverLook } from './look.ts'
import type { Tested } from './read.ts'

type Mark = 'right' | 'wrong' | 'warning' | 'unseen' | 'unmeasurable'

const marks = {
  right: ['green', '✓'],
  wrong: ['red', '✗'],
  warning: ['yellow', '!'],
  unseen: ['dim', '–'],
  unmeasurable: ['dim', '?'],
} as const satisfies Record<Mark, unknown>

/** Widths of the columns behind the host, which takes what is left of 80. */
const widths = { dns: 3, tcp: 3, certificate: 11, redirect: 8, status: 9, time: 7 }
const room = 80 - Object.values(widths).reduce((sum, width) => sum + width + 1, 0)

/** Whether nothing is wrong: warnings are no fault of the lab, and what nobody publishes cannot be opened. */
export function well({ findings, look }: Tested): boolean {
  return look.hosts.length > 0 && findings.every(({ level }) => level !== 'wrong')
}

export function printTested(tested: Tested, site: Site, json: boolean): void {
  const counts = count(tested.look)
  const next = whatNext(tested, site)
  if (json) {
    const fixed = tested.findings.map(one => (one.fix ? { ...one, fix: pasteable(one.fix, site) } : one))
    const { hosts, resolvers, ms } = tested.look
    print(
      JSON.stringify({
        ...{ environment: site.environment, context: site.context, domain: site.domain },
        ...{ traefik: site.traefikAddress, well: well(tested), next, ms, counts },
        ...{ hosts, resolvers, findings: fixed, ignored: tested.ignored },
      }),
    )
    return
  }
  print(
    `${paint('bold', site.domain)} · ${site.environment} · ${site.sandbox ? 'sandbox' : `context ${site.context}`}\n`,
  )
  for (const line of table(tested, site)) print(line)
  for (const finding of tested.findings) for (const line of describe(finding, site)) print(line)
  if (tested.ignored.length) print('')
  for (const { object, why } of tested.ignored)
    for (const [i, line] of wrap(`– not looked at: ${object}: ${why}`, 78).entries())
      print(paint('dim', i ? `  ${line}` : line))
  print('')
  const warnings = tested.findings.filter(({ level }) => level === 'warning').length
  const unseen = counts.notMeasurable
  const known = warnings ? `, ${warnings} warning${warnings === 1 ? '' : 's'}` : ''
  // What was not seen is no pass.
  const mark = marked(!well(tested) ? 'wrong' : unseen ? 'unseen' : 'right', '', 1)
  const { length } = tested.look.hosts
  print(
    `${mark} ${length} host${length === 1 ? '' : 's'} in ${seconds(tested.look.ms)}: ${counts.right} checks right, ${counts.wrong} wrong${known}`,
  )
  if (unseen) print(`  ?  ${unseen} not measurable here: a rehearsal has no real program behind that address`)
  print(`next: ${next}`)
}

/** How many looks there were at hosts and at the servers for names, by what they showed. */
export function count(look: Look): { hosts: number; right: number; wrong: number; notMeasurable: number } {
  const all = [...look.hosts.flatMap(looksOf), ...look.resolvers.flatMap(({ wildcard }) => wildcard)]
  const measured = all.filter(one => !one.notMeasurable)
  return {
    hosts: look.hosts.length,
    right: measured.filter(({ ok }) => ok).length,
    wrong: measured.filter(({ ok }) => !ok).length,
    notMeasurable: all.length - measured.length,
  }
}

function looksOf({ host, dns, tcp, certificate, redirect, page }: HostLook): Seen[] {
  // What a foreign name leads to is told, and not judged.
  return [...(host.ours ? dns : []), tcp, redirect, ...[certificate ?? [], page ?? []].flat()]
}

function whatNext({ findings, look, published }: Tested, site: Site): string {
  if (published === 0)
    return site.sandbox ? './bootstrap/bootstrap-all.ts --sandbox' : 'make status: nobody publishes a host yet'
  const first = findings.find(({ level, fix }) => level === 'wrong' && fix)
  if (first?.fix) return pasteable(first.fix, site)
  if (count(look).notMeasurable) return 'make test-ingress on the real cluster, from a machine in its network'
  return `all is well; open https://${look.hosts[0]?.host.name}`
}

function table({ look: { hosts, resolvers }, findings }: Tested, site: Site): string[] {
  const warned = findings.filter(({ level, check }) => level === 'warning' && check === 'certificate')
  const width = Math.min(room, Math.max(4, ...hosts.map(({ host }) => host.name.length)))
  const cell = (text: string, of: keyof typeof widths) => text.padEnd(widths[of])
  const heads = Object.keys(widths) as (keyof typeof widths)[]
  const head = heads.map(name => (name === 'time' ? name.padStart(widths.time) : cell(name, name)))
  const rows = hosts.map(({ host, dns, tcp, certificate, redirect, page }) => {
    const names = dns.filter(one => !one.ok)
    const resolved = host.ours ? (names.find(one => !one.notMeasurable) ?? names[0] ?? dns[0]) : undefined
    const days = certificate?.certificate?.daysLeft
    const left = certificate?.ok && days !== undefined ? `${days} day${days === 1 ? '' : 's'}` : ''
    const status = page?.status === undefined ? '' : String(page.status)
    return [
      shorten(host.name, width).padEnd(width),
      marked(markOf(resolved), '', widths.dns),
      marked(markOf(tcp), '', widths.tcp),
      marked(
        warned.some(one => one.hosts.includes(host.name)) ? 'warning' : markOf(certificate),
        left,
        widths.certificate,
      ),
      marked(markOf(redirect), '', widths.redirect),
      marked(markOf(page), status, widths.status),
      (page?.ok ? `${page.ms} ms` : '–').padStart(widths.time),
    ].join(' ')
  })
  return [
    ...(hosts.length
      ? [paint('dim', ['host'.padEnd(width), ...head].join(' ')), ...rows, '']
      : ['No host is published.', '']),
    ...resolvers.map(resolver => resolverLine(resolver, site)),
  ]
}

function resolverLine({ address, wildcard: [udp, tcp], internet, nowhere }: ResolverLook, site: Site): string {
  const mark = (seen: Seen | undefined) => marked(markOf(seen), '', 1)
  const far = [internet.ok, nowhere.code === 3 || nowhere.code === 0].every(Boolean) && !nowhere.ok
  const outside = internet.notMeasurable ? 'unmeasurable' : far ? 'right' : 'warning'
  return `DNS ${address.padEnd(15)} *.${site.domain} ${mark(udp)} udp ${mark(tcp)} tcp, internet ${marked(outside, '', 1)}`
}

function markOf(seen: Seen | undefined): Mark {
  if (seen === undefined) return 'unseen'
  return seen.notMeasurable ? 'unmeasurable' : seen.ok ? 'right' : 'wrong'
}

function marked(mark: Mark, text: string, width: number): string {
  const [colour, sign] = marks[mark]
  return paint(colour, sign) + `${text && ` ${text}`}`.padEnd(width - 1)
}

function shorten(name: string, width: number): string {
  return name.length <= width ? name : `${name.slice(0, width - 1)}…`
}

function describe(finding: Finding, site: Site): string[] {
  const { level, what, why, fix, link } = withPage(finding)
  const [colour, sign] = marks[level]
  return [
    '',
    ...wrap(what, 78).map((line, i) => `${i ? ' ' : paint(colour, sign)} ${line}`),
    ...whyAndFix(why, fix && pasteable(fix, site), link),
  ]
}
