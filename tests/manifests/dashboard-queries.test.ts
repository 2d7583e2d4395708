// Every query of the dashboards parses, and every label that a link, legend or column uses is one that its query has.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allValue, annotationQueries } from '../../scripts/lib/dashboards/dashboard.ts'
import { type Panel, queriesOf, readDashboards, type Source } from '../../scripts/lib/dashboards/definition.ts'
import { fluxFlaws, logqlFacts, promqlFacts } from './queries.ts'

interface Asked {
  where: string
  source: Source
  query: string
  panel?: Panel
  /** What each variable of the dashboard stands for while all is chosen. */
  all?: Record<string, string>
}

const dashboards = readDashboards()
const asked: Asked[] = [
  ...dashboards.flatMap(({ name, rows, variables }) => {
    const all = Object.fromEntries(Object.entries(variables).map(([key, one]) => [key, allValue(key, one)]))
    return [
      ...rows.flatMap(({ panels }) =>
        panels.flatMap(panel =>
          queriesOf(panel).map(({ query }) => ({
            where: `${name} “${panel.title}”`,
            source: panel.source,
            query,
            panel,
            all,
          })),
        ),
      ),
      ...Object.entries(variables).flatMap(([variable, { source, query }]) => {
        const selector = /^label_values\((?:(.+), ?)?\w+\)$/.exec(query ?? '')?.[1]
        return selector ? [{ where: `${name} $${variable}`, source, query: selector, all }] : []
      }),
    ]
  }),
  ...Object.entries(annotationQueries).map(([where, query]) => ({ where, source: 'prometheus' as const, query })),
]

const flawsOf = ({ source, query, all }: Pick<Asked, 'source' | 'query' | 'all'>): string[] => {
  if (source === 'influxdb') return fluxFlaws(query)
  return (source === 'loki' ? logqlFacts(query, all) : promqlFacts(query)).flaws
}

test('every query parses', t => {
  const count = (source: Source) => asked.filter(one => one.source === source).length
  t.diagnostic(`${count('prometheus')} PromQL, ${count('loki')} LogQL; Flux by its shape only: ${count('influxdb')}`)
  assert.deepEqual(
    asked.flatMap(one => flawsOf(one).map(flaw => `${one.where}: ${flaw}`)),
    [],
  )
})

for (const [source, query, expected] of [
  ['prometheus', 'sum(rate(up[5m])', /does not parse/],
  ['prometheus', 'sum by pod (up)', /does not parse/],
  ['prometheus', 'rate(up)', /rate takes a range/],
  ['prometheus', 'sum(up[5m])', /is a range/],
  ['loki', 'sum by (pod) (count_over_time({pod="a"} |= "b" [5m])', /does not parse/],
  ['loki', '{pod=~"$pod"} |~ b', /does not parse/],
  ['loki', '{pod!="a", app=~".*"}', /selects everything/],
  ['influxdb', 'from(bucket: "a") |> filter(fn: (r) => r.b == "c")', /has no range/],
  ['influxdb', 'from(bucket: "a") |> range(start: -1h) |> filtre(fn: (r) => true)', /no known function/],
  ['influxdb', 'from(bucket: "a") |> range(start: -1h', /never closed/],
] as const)
  test(`${query} is noticed`, () => assert.match(flawsOf({ source, query }).join('\n'), expected))

/** Which labels the result of a query has, as far as its outermost grouping says; undefined where it says nothing. */
function labelsOf(query: string): string[] | undefined {
  const outer = /^\s*(?:sort\(|topk\(\d+,|time\(\) - )?\s*(?:sum|min|max|avg|count) by \(([^)]*)\)/.exec(query)
  return outer?.[1]?.split(',').map(label => label.trim())
}

test('legends, columns and links use labels that their query keeps', () => {
  const missing = asked.flatMap(({ where, query, panel }) => {
    const kept = labelsOf(query)
    if (!panel || !kept) return []
    const legends = queriesOf(panel).flatMap(({ legend = '' }) =>
      [...legend.matchAll(/{{(\w+)}}/g)].map(([, name]) => name),
    )
    const used = [
      ...(panel.kind === 'table' ? Object.keys(panel.columns ?? {}) : legends),
      ...(panel.logs ?? []),
      ...Object.values(panel.to ?? {}).flatMap(variables => Object.values(variables)),
    ]
    return used.filter(name => name && !kept.includes(name)).map(name => `${where}: ${name}`)
  })
  assert.deepEqual(missing, [])
})
