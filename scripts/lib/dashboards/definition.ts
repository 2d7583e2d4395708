// How a dashboard is written: a short YAML file, checked here. panel.ts and dashboard.ts make Grafana's JSON of it.
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import * as v from 'valibot'
import { parse } from 'yaml'
import { type Problem, throwProblems } from '../errors.ts'
import { root } from '../root.ts'

/** Where the definitions lie, and below it, in `generated`, what is made of them. */
export const dashboardsFolder = 'infrastructure/monitoring/kube-prometheus-stack/manifests/base/dashboards'

/** The data sources, by the uid that Grafana gives them. */
export const sources = { prometheus: 'prometheus', loki: 'loki', influxdb: 'influxdb' } as const

export type Source = keyof typeof sources

const text = v.pipe(v.string(), v.minLength(1))
const source = v.optional(v.picklist(['prometheus', 'loki', 'influxdb']), 'prometheus')

const query = v.strictObject({
  query: text,
  /** Of a line or bar, with labels in double braces; of a table the heading of its value. */
  legend: v.optional(v.string()),
})

const panel = v.strictObject({
  /** The question that the panel answers. */
  title: v.pipe(text, v.endsWith('?')),
  /** What an answer means and what to do about it. */
  about: text,
  kind: v.picklist(['number', 'graph', 'bars', 'table', 'history', 'logs']),
  source,
  query: v.optional(text),
  legend: v.optional(v.string()),
  queries: v.optional(v.array(query)),
  unit: v.optional(text),
  decimals: v.optional(v.number()),
  min: v.optional(v.number()),
  max: v.optional(v.number()),
  /** From here on yellow, then red; where `bad` is the smaller, small is what is bad. */
  warn: v.optional(v.number()),
  bad: v.optional(v.number()),
  /** What a value is called, and its colour: `0: red down` */
  states: v.optional(v.record(v.string(), v.pipe(v.string(), v.regex(/^(green|yellow|red|blue|grey) .+$/)))),
  /** What stands there when the query finds nothing. */
  empty: v.optional(text),
  stack: v.optional(v.boolean()),
  /** Of a table: the labels that become columns, with their headings. */
  columns: v.optional(v.record(text, text)),
  /** Of a table with several values: the unit of each that differs from `unit`, by heading. */
  units: v.optional(v.record(text, text)),
  /** A click leads to the logs of the same thing: the labels that metrics and logs share. */
  logs: v.optional(v.array(v.picklist(['namespace', 'pod', 'container', 'app']))),
  /** A click leads to another dashboard, with these labels as its variables: `storage: { namespace: namespace }` */
  to: v.optional(v.record(text, v.record(text, text))),
  /** A time of its own instead of the dashboard's: `2y` */
  since: v.optional(v.pipe(v.string(), v.regex(/^\d+[hdwMy]$/))),
  /** Of 24 columns; and of rows of 30 pixels. */
  width: v.optional(v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(24))),
  height: v.optional(v.pipe(v.number(), v.integer(), v.minValue(2))),
})

const variable = v.strictObject({
  label: text,
  source,
  /** `label_values(METRIC, LABEL)`, of Loki too; without a query it is a field to type in. */
  query: v.optional(text),
})

const dashboard = v.strictObject({
  title: text,
  about: text,
  from: v.optional(text, 'now-6h'),
  refresh: v.optional(text, '1m'),
  variables: v.optional(v.record(text, variable), {}),
  rows: v.array(v.strictObject({ title: text, panels: v.array(panel) })),
})

export type Query = v.InferOutput<typeof query>
export type Panel = v.InferOutput<typeof panel>
export type Variable = v.InferOutput<typeof variable>
export type Dashboard = v.InferOutput<typeof dashboard> & {
  /** The file's name without its ending; also the end of its uid. */
  name: string
}

/** The uid by which links find a dashboard, whatever its title becomes. */
export const uidOf = (name: string): string => `homelab-${name}`

/** What a panel asks, whether it is written as one query or as several. */
export function queriesOf({ query, queries = [], legend }: Panel): readonly Query[] {
  return query === undefined ? queries : [{ query, ...(legend === undefined ? {} : { legend }) }]
}

/**
 * All dashboards, in the order of their file names.
 * @throws HomelabError with everything that is wrong in any of them
 */
export function readDashboards(folder = join(root, dashboardsFolder)): Dashboard[] {
  const problems: Problem[] = []
  const read = readdirSync(folder)
    .filter(file => file.endsWith('.yaml') && file !== 'kustomization.yaml')
    .sort()
    .flatMap(file => {
      const checked = check(file, readFileSync(join(folder, file), 'utf8'))
      problems.push(...checked.problems)
      return checked.dashboard ? [checked.dashboard] : []
    })
  throwProblems(problems)
  return read
}

/** One file's text as a dashboard, or what is wrong with it. */
export function check(file: string, yaml: string): { dashboard?: Dashboard; problems: Problem[] } {
  const wrong = (place: string, what: string): Problem => ({
    what: `${file}${place ? ` ${place}` : ''}: ${what}`,
    fix: `correct ${dashboardsFolder}/${file}; its README says what a panel may have`,
  })
  let value: unknown
  try {
    value = parse(yaml)
  } catch (cause) {
    return { problems: [wrong('', (cause as Error).message.split('\n')[0] ?? 'is no YAML')] }
  }
  const { success, issues, output } = v.safeParse(dashboard, value)
  if (!success) return { problems: issues.map(issue => wrong(v.getDotPath(issue) ?? '', issue.message)) }
  const problems = output.rows
    .flatMap(({ panels }) => panels)
    .flatMap(one => flaws(one).map(what => wrong(`“${one.title}”`, what)))
  return problems.length ? { problems } : { dashboard: { ...output, name: basename(file, '.yaml') }, problems }
}

/** What the shape alone does not show. */
function flaws(panel: Panel): string[] {
  const found: string[] = []
  if ((panel.query === undefined) === (panel.queries === undefined)) found.push('say either query or queries')
  if (panel.kind === 'table' && !panel.columns) found.push('a table needs columns')
  if (panel.kind !== 'table' && (panel.columns || panel.units)) found.push('columns and units are for tables')
  if (panel.kind === 'logs' && panel.source !== 'loki') found.push('logs come from loki')
  if (panel.kind === 'history' && !panel.states) found.push('a history needs states')
  if (panel.kind === 'table' && queriesOf(panel).some(({ legend }) => !legend))
    found.push('each query of a table needs a legend, the heading of its value')
  return found
}
