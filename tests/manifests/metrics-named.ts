// The queries of dashboards and rules, and the lists of what programs serve that they are held to.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { annotationQueries } from '../../scripts/lib/dashboards/dashboard.ts'
import { queriesOf, readDashboards } from '../../scripts/lib/dashboards/definition.ts'
import { readMetrics } from '../../scripts/lib/dashboards/metrics-file.ts'
import { listAt, textAt } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import { promqlFacts } from './queries.ts'

const folder = join(root, 'tests/fixtures/metrics')
export const lists = readdirSync(folder).map(file => readMetrics(readFileSync(join(folder, file), 'utf8')))

export interface Named {
  where: string
  query: string
}

export const dashboards: Named[] = [
  ...readDashboards().flatMap(({ name, rows, variables }) => [
    ...rows.flatMap(({ panels }) =>
      panels
        .filter(({ source }) => source === 'prometheus')
        .flatMap(panel => queriesOf(panel).map(({ query }) => ({ where: `${name} “${panel.title}”`, query }))),
    ),
    ...Object.values(variables).flatMap(({ source, query }) => {
      const selector = /^label_values\((?:(.+), ?)?\w+\)$/.exec(query ?? '')?.[1]
      return selector && source === 'prometheus' ? [{ where: name, query: selector }] : []
    }),
  ]),
  ...Object.entries(annotationQueries).map(([where, query]) => ({ where, query })),
]

export const rules = readdirSync(join(root, 'infrastructure'), { recursive: true })
  .map(String)
  .filter(file => /(^|\/)rules\/[^/]+\.yaml$/.test(file))
  .flatMap(file => parseAllDocuments(readFileSync(join(root, 'infrastructure', file), 'utf8')).map(one => one.toJS()))
  .filter(object => textAt(object, 'kind') === 'PrometheusRule')
  .flatMap(object => listAt(object, 'spec', 'groups').flatMap(group => listAt(group, 'rules')))
export const recorded = new Set(rules.flatMap(rule => textAt(rule, 'record') ?? []))
export const ruled: Named[] = rules.map(rule => ({
  where: textAt(rule, 'alert') ?? textAt(rule, 'record') ?? '',
  query: String((rule as { expr: unknown }).expr),
}))

/** Every metric that they name. */
export const used = new Set(
  [...dashboards, ...ruled].flatMap(({ query }) => promqlFacts(query).selectors.map(one => one.metric)),
)
