// Where a click leads: to the logs of the same thing, or to another dashboard with the same thing chosen.
import { type Dashboard, type Panel, sources, uidOf } from './definition.ts'

export interface DataLink {
  title: string
  url: string
}

/** In a table a label is a field of its row, elsewhere it belongs to the series. */
const filled = (label: string, table: boolean) => `\${${table ? '__data.fields' : '__field.labels'}.${label}}`

/** The links of a panel. Grafana fills the `${…}` in when somebody clicks. */
export function dataLinks(panel: Panel, dashboards: readonly Pick<Dashboard, 'name' | 'title'>[]): DataLink[] {
  const table = panel.kind === 'table'
  const links = Object.entries(panel.to ?? {}).map(([name, variables]) => {
    const chosen = Object.entries(variables).map(([variable, label]) => `var-${variable}=${filled(label, table)}`)
    const title = dashboards.find(other => other.name === name)?.title ?? name
    return { title, url: `/d/${uidOf(name)}?${['${__url_time_range}', ...chosen].join('&')}` }
  })
  return panel.logs ? [{ title: 'Logs', url: exploreLogs(panel.logs, table) }, ...links] : links
}

/** Explore with the log lines that carry the same labels, in the same time. */
function exploreLogs(labels: readonly string[], table: boolean): string {
  const selector = labels.map(label => `${label}="${filled(label, table)}"`).join(', ')
  const datasource = { type: 'loki', uid: sources.loki }
  const pane = {
    datasource: sources.loki,
    queries: [{ refId: 'A', datasource, expr: `{${selector}}`, queryType: 'range', editorMode: 'code' }],
    range: { from: '${__from}', to: '${__to}' },
  }
  // A browser wants the JSON encoded, Grafana wants its placeholders as they are.
  const encoded = encodeURIComponent(JSON.stringify({ logs: pane }))
  const panes = encoded.replaceAll(/%24%7B([\w.]+)%7D/g, (_, name) => `\${${name}}`)
  return `/explore?schemaVersion=1&orgId=1&panes=${panes}`
}
