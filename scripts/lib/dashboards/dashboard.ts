// A whole dashboard as Grafana loads it: rows, places, variables, and what all dashboards share. Pure.
import { type Dashboard, type Panel, uidOf, type Variable } from './definition.ts'
import { datasource, grafanaPanel, sizes } from './panel.ts'

type Json = Record<string, unknown>

/** The newest that Grafana 13's own migrations lead to, so that nothing has to be migrated. */
export const schemaVersion = 42

const tag = 'homelab'

/**
 * The JSON of one dashboard. It has a fixed uid and no id, so that Grafana takes a new version for the same dashboard.
 * @param all every dashboard, for the titles of links between them
 */
export function grafanaDashboard(dashboard: Dashboard, all: readonly Dashboard[]): Json {
  return {
    uid: uidOf(dashboard.name),
    title: dashboard.title,
    description: dashboard.about,
    tags: [tag],
    schemaVersion,
    editable: false,
    graphTooltip: 1,
    timezone: 'browser',
    refresh: dashboard.refresh,
    time: { from: dashboard.from, to: 'now' },
    links: [
      {
        type: 'dashboards',
        title: 'Dashboards',
        tags: [tag],
        asDropdown: true,
        includeVars: true,
        keepTime: true,
        icon: 'external link',
        targetBlank: false,
        tooltip: '',
        url: '',
      },
    ],
    annotations: { list: [builtIn, ...annotations] },
    templating: {
      list: Object.entries(dashboard.variables).map(([name, variable]) => grafanaVariable(name, variable)),
    },
    panels: placed(dashboard, all),
  }
}

/** Panels from left to right; one that does not fit any more begins a new line below the highest of the last. */
function placed({ rows }: Dashboard, all: readonly Dashboard[]): Json[] {
  const panels: Json[] = []
  let y = 0
  for (const row of rows) {
    const gridPos = { x: 0, y, w: 24, h: 1 }
    panels.push({ id: panels.length + 1, type: 'row', title: row.title, collapsed: false, gridPos, panels: [] })
    y += 1
    let [x, tallest] = [0, 0]
    for (const panel of row.panels) {
      const { width, height } = sizeOf(panel)
      if (x + width > 24) [x, y, tallest] = [0, y + tallest, 0]
      panels.push(grafanaPanel(panel, panels.length + 1, { x, y, w: width, h: height }, all))
      x += width
      tallest = Math.max(tallest, height)
    }
    y += tallest
  }
  return panels
}

const sizeOf = ({ kind, width, height }: Panel) => ({
  width: width ?? sizes[kind].width,
  height: height ?? sizes[kind].height,
})

/** What changed, and what went wrong, as marks on every graph: at midnight the first two questions. */
const builtIn = {
  builtIn: 1,
  datasource: { type: 'grafana', uid: '-- Grafana --' },
  enable: true,
  hide: true,
  iconColor: 'blue',
  name: 'Annotations & Alerts',
  type: 'dashboard',
}

/** Queries of the marks; tests read them too. */
export const annotationQueries = {
  'Argo CD synced': 'sum by (name) (increase(argocd_app_sync_total{phase="Succeeded"}[1m])) > 0',
  'Critical alert': 'max by (alertname, namespace) (ALERTS{alertstate="firing", severity="critical"})',
}

const annotations = [
  mark('Argo CD synced', 'blue', '{{name}}'),
  mark('Critical alert', 'red', '{{alertname}} {{namespace}}'),
]

function mark(name: keyof typeof annotationQueries, iconColor: string, titleFormat: string): Json {
  const expr = annotationQueries[name]
  return { name, enable: true, datasource: datasource('prometheus'), expr, iconColor, titleFormat, step: '60s' }
}

/** What stands in a query while all is chosen: also lines and metrics without that label. Loki wants one label at least. */
export function allValue(name: string, { source, query }: Variable): string {
  if (query === undefined) return ''
  return source === 'loki' && name === 'namespace' ? '.+' : '.*'
}

function grafanaVariable(name: string, variable: Variable): Json {
  const { label, source, query } = variable
  if (query === undefined) return { type: 'textbox', name, label, query: '', current: { text: '', value: '' } }
  return {
    type: 'query',
    name,
    label,
    datasource: datasource(source),
    definition: query,
    query: source === 'loki' ? lokiVariable(query) : { query, refId: 'PrometheusVariableQueryEditor-VariableQuery' },
    refresh: 2, // when the time range changes
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: allValue(name, variable),
    current: { text: ['All'], value: ['$__all'] },
  }
}

/** Loki's own form of `label_values({…}, LABEL)`. */
function lokiVariable(query: string): Json {
  const [, stream = '', label = ''] = /^label_values\((?:(\{.*\}), ?)?(\w+)\)$/.exec(query) ?? []
  return { label, stream, type: 1, refId: 'LokiVariableQueryEditor-VariableQuery' }
}
