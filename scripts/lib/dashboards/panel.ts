// One panel as Grafana has it in a dashboard's JSON (schema version 42). Pure.
import { type Dashboard, type Panel, queriesOf, type Source, sources } from './definition.ts'
import { dataLinks } from './links.ts'

type Json = Record<string, unknown>

const types = {
  number: 'stat',
  graph: 'timeseries',
  bars: 'bargauge',
  table: 'table',
  history: 'state-timeline',
  logs: 'logs',
} as const

/** Columns of 24 and rows of 30 pixels, where a panel does not say. */
export const sizes: Record<Panel['kind'], { width: number; height: number }> = {
  number: { width: 4, height: 4 },
  graph: { width: 12, height: 8 },
  bars: { width: 12, height: 8 },
  table: { width: 12, height: 8 },
  history: { width: 24, height: 7 },
  logs: { width: 24, height: 14 },
}

export const datasource = (source: Source): Json => ({ type: source, uid: sources[source] })

/** A panel at its place. Everything that all panels have alike is here, so that a definition says only what is its own. */
export function grafanaPanel(panel: Panel, id: number, gridPos: Json, dashboards: readonly Dashboard[]): Json {
  return {
    id,
    type: types[panel.kind],
    title: panel.title,
    description: panel.about,
    datasource: datasource(panel.source),
    gridPos,
    fieldConfig: { defaults: fieldDefaults(panel, dashboards), overrides: overrides(panel) },
    options: options(panel),
    ...(panel.since ? { timeFrom: panel.since } : {}),
    targets: queriesOf(panel).map(({ query, legend }, index) => target(panel, query, legend, 'ABCDEFGH'[index] ?? 'Z')),
    ...(panel.kind === 'table' ? { transformations: columns(panel) } : {}),
  }
}

function target({ kind, source }: Panel, query: string, legend: string | undefined, refId: string): Json {
  const instant = kind === 'table' || kind === 'bars' || kind === 'number'
  const common = { refId, datasource: datasource(source) }
  const expr = query.trim()
  if (source === 'influxdb') return { ...common, query: expr }
  const legendFormat = legend ?? '__auto'
  if (source === 'loki')
    return { ...common, expr, legendFormat, queryType: instant ? 'instant' : 'range', editorMode: 'code' }
  const format = kind === 'table' ? 'table' : 'time_series'
  return { ...common, expr, legendFormat, format, instant, range: !instant, editorMode: 'code' }
}

function fieldDefaults(panel: Panel, dashboards: readonly Dashboard[]): Json {
  const { unit, decimals, min, max, states, empty, kind } = panel
  const judged = panel.bad !== undefined || panel.warn !== undefined || states !== undefined
  const links = dataLinks(panel, dashboards)
  return {
    color: { mode: judged || kind === 'number' || kind === 'bars' ? 'thresholds' : 'palette-classic' },
    custom: custom(panel, judged),
    thresholds: thresholds(panel),
    ...(unit ? { unit } : {}),
    ...(decimals === undefined ? {} : { decimals }),
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    ...(states ? { mappings: mappings(states) } : {}),
    ...(empty ? { noValue: empty } : {}),
    ...(links.length ? { links } : {}),
    // Flux has no legend; what it names a series by are the columns that the query keeps.
    ...(panel.source === 'influxdb' && panel.legend
      ? { displayName: panel.legend.replaceAll(/{{(\w+)}}/g, '${__field.labels.$1}') }
      : {}),
  }
}

/** Green, yellow and red, or without limits one quiet colour. */
function thresholds({ warn, bad, states, kind }: Panel): Json {
  const step = (color: string, value: number | null) => ({ color, value })
  const absolute = (...steps: Json[]) => ({ mode: 'absolute', steps })
  if (warn === undefined && bad === undefined)
    return absolute(step(states ? 'text' : kind === 'number' || kind === 'bars' ? 'blue' : 'green', null))
  const smallIsBad = bad !== undefined && warn !== undefined && bad < warn
  if (smallIsBad) return absolute(step('red', null), step('yellow', bad), step('green', warn))
  return absolute(
    step('green', null),
    ...(warn === undefined ? [] : [step('yellow', warn)]),
    ...(bad === undefined ? [] : [step('red', bad)]),
  )
}

function mappings(states: Readonly<Record<string, string>>): Json[] {
  const named = Object.entries(states).map(([value, words], index) => {
    const [color = '', ...rest] = words.split(' ')
    return [value, { color: color === 'grey' ? 'text' : color, text: rest.join(' '), index }] as const
  })
  return [{ type: 'value', options: Object.fromEntries(named) }]
}

function custom({ kind, stack }: Panel, judged: boolean): Json {
  if (kind === 'graph')
    return {
      drawStyle: 'line',
      lineWidth: 1,
      fillOpacity: stack ? 40 : 8,
      showPoints: 'never',
      spanNulls: false,
      stacking: { mode: stack ? 'normal' : 'none', group: 'A' },
      thresholdsStyle: { mode: judged ? 'dashed' : 'off' },
    }
  if (kind === 'history') return { lineWidth: 0, fillOpacity: 75 }
  if (kind === 'table') return { align: 'left', cellOptions: { type: 'auto' }, filterable: false }
  return {}
}

function options({ kind, states }: Panel): Json {
  const reduceOptions = { calcs: ['lastNotNull'], fields: '', values: false }
  const tooltip = { mode: 'multi', sort: 'desc' }
  const legend = { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [] }
  switch (kind) {
    case 'number':
      return { colorMode: 'background', graphMode: 'none', justifyMode: 'center', textMode: 'auto', reduceOptions }
    case 'graph':
      return { legend, tooltip }
    case 'bars':
      return { displayMode: 'basic', orientation: 'horizontal', showUnfilled: true, valueMode: 'color', reduceOptions }
    case 'table':
      return { showHeader: true, cellHeight: 'sm' }
    case 'history':
      return { mergeValues: true, showValue: states ? 'auto' : 'never', rowHeight: 0.85, legend, tooltip }
    case 'logs':
      return {
        showTime: true,
        wrapLogMessage: true,
        enableLogDetails: true,
        sortOrder: 'Descending',
        showLabels: false,
      }
  }
}

/** Headings by override, so that a link may go on naming the label itself; the judged value is coloured. */
function overrides(panel: Panel): Json[] {
  if (panel.kind !== 'table') return []
  const queries = queriesOf(panel)
  const judged = panel.bad !== undefined || panel.warn !== undefined || panel.states !== undefined
  const words = Object.entries(panel.columns ?? {}).map(([label, heading]) =>
    override(label, { displayName: heading, unit: 'string' }),
  )
  const values = queries.map(({ legend = '' }, index) =>
    override(valueField(queries.length, index), {
      displayName: legend,
      ...(panel.units?.[legend] ? { unit: panel.units[legend] } : {}),
      ...(judged && index === queries.length - 1 ? { 'custom.cellOptions': { type: 'color-text' } } : {}),
    }),
  )
  return [...words, ...values]
}

const override = (name: string, properties: Json): Json => ({
  matcher: { id: 'byName', options: name },
  properties: Object.entries(properties).map(([id, value]) => ({ id, value })),
})

const valueField = (queries: number, index: number) => (queries === 1 ? 'Value' : `Value #${'ABCDEFGH'[index]}`)

/** One row for each set of labels, the named columns only, the worst first. */
function columns(panel: Panel): Json[] {
  const count = queriesOf(panel).length
  const values = Array.from({ length: count }, (_, index) => valueField(count, index))
  const names = [...Object.keys(panel.columns ?? {}), ...values]
  const smallFirst = panel.bad !== undefined && panel.warn !== undefined && panel.bad < panel.warn
  return [
    ...(count > 1 ? [{ id: 'merge', options: {} }] : []),
    { id: 'filterFieldsByName', options: { include: { names } } },
    {
      id: 'organize',
      options: { indexByName: Object.fromEntries(names.map((name, index) => [name, index])), excludeByName: {} },
    },
    { id: 'sortBy', options: { sort: [{ field: values.at(-1), desc: !smallFirst }] } },
  ]
}
