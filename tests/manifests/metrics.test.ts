// Every metric and label that dashboards and rules name is one that its program serves: tests/fixtures/metrics has the lists.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseExposition, readMetrics, together, writeMetrics } from '../../scripts/lib/dashboards/metrics-file.ts'
import { dashboards, lists, type Named, recorded, ruled, rules, used } from './metrics-named.ts'
import { promqlFacts } from './queries.ts'

const known = new Map<string, Set<string>>()
for (const { metrics } of lists)
  for (const [name, labels] of metrics) known.set(name, new Set([...(known.get(name) ?? []), ...labels]))

/** What Prometheus adds to everything that it scrapes: the jobs' and monitors' own labels. */
const ofTarget = [
  'job',
  'instance',
  'namespace',
  'pod',
  'container',
  'app',
  'node',
  'service',
  'endpoint',
  'ingress',
  'target',
]

/** What a query names that no program serves. */
function unknown({ query }: Pick<Named, 'query'>): string[] {
  const { selectors, grouped, made, paired } = promqlFacts(query)
  const metrics = selectors.map(({ metric }) => metric).filter(Boolean)
  // An alert or a recording rule has the labels that its own query leaves, which differ from one to the next.
  const free = metrics.some(metric => recorded.has(metric) || metric.startsWith('ALERTS'))
  const has = (metric: string, label: string) =>
    ofTarget.includes(label) ||
    known.get(metric)?.has(label) ||
    (label.startsWith('exported_') && ofTarget.includes(label.slice(9)) && known.get(metric)?.has(label.slice(9)))
  return [
    ...metrics.filter(metric => !known.has(metric) && !recorded.has(metric)),
    ...selectors.flatMap(({ metric, labels }) =>
      known.has(metric) && !metric.startsWith('ALERTS')
        ? labels.filter(label => !has(metric, label)).map(label => `${metric} has no label ${label}`)
        : [],
    ),
    ...(free ? [] : grouped)
      .filter(label => !made.includes(label) && !metrics.some(metric => has(metric, label)))
      .map(label => `none of its metrics has a label ${label}`),
    ...paired.flatMap(([left, right]) => {
      const [some, others] = [known.get(left), known.get(right)]
      const differ = some && others ? [...some].filter(one => !others.has(one)) : []
      const back = some && others ? [...others].filter(one => !some.has(one)) : []
      return [...differ, ...back].map(label => `${left} and ${right} never meet: only one has ${label}`)
    }),
  ]
}

const flaws = (named: readonly Named[]) => named.flatMap(one => unknown(one).map(flaw => `${one.where}: ${flaw}`))

test('every metric and label of the dashboards is one that is served', () => {
  assert.deepEqual(flaws(dashboards), [])
})

test('every metric and label of the rules is one that is served', {
  skip: rules.length ? false : 'no rules yet',
}, t => {
  t.diagnostic(`${rules.length} rules, ${recorded.size} of them record`)
  assert.deepEqual(
    ruled.flatMap(({ where, query }) => promqlFacts(query).flaws.map(flaw => `${where}: ${flaw}`)),
    [],
  )
  assert.deepEqual(flaws(ruled), [])
})

test('what is measured over a month is recorded by a rule, and a dashboard shows all of that', () => {
  const shown = dashboards.flatMap(({ query }) => promqlFacts(query).selectors.map(({ metric }) => metric))
  assert.deepEqual(
    [...recorded].filter(name => name.endsWith('_30d') && !name.startsWith('lab:errors:') && !shown.includes(name)),
    [],
  )
  assert.deepEqual(
    dashboards.filter(({ query }) => query.includes('[30d]')).map(({ where }) => where),
    [],
  )
})

test('how many of the names were seen in a running program, and how many were not', t => {
  const names = [...used].filter(name => !recorded.has(name))
  const running = lists.filter(({ source }) => !source.startsWith('not run here'))
  const seen = names.filter(name => running.some(({ metrics }) => metrics.has(name)))
  for (const { program, version, source, metrics } of lists) {
    assert.ok(program && version && source && metrics.size, `${program}: the header says program, version and source`)
    const count = names.filter(name => metrics.has(name) && !seen.includes(name)).length
    if (count) t.diagnostic(`not seen running: ${count} of ${program} ${version} (${source.slice(14)})`)
  }
  t.diagnostic(`${seen.length} of ${names.length} names were seen in a running program`)
})

for (const [query, expected] of [
  ['sum(rate(traefik_service_request_total[5m]))', 'traefik_service_request_total'],
  ['kube_pod_info{nodename="a"}', 'kube_pod_info has no label nodename'],
  ['adguard_running + adguard_queries', 'adguard_running and adguard_queries never meet: only one has version'],
  ['sum by (claim) (kubelet_volume_stats_used_bytes)', 'none of its metrics has a label claim'],
] as const)
  test(`${query} is noticed`, () => assert.deepEqual(unknown({ query }), [expected]))

test('a list is read as it was written, and a later look adds to an earlier one of the same version', () => {
  const exposition = '# TYPE a counter\na{b="c\\"}",d="e"} 1\na_sum 2 1700000000\nhalf{'
  const first = { program: 'p', version: '1', source: 's', metrics: parseExposition(exposition) }
  assert.deepEqual(writeMetrics(first), '# program: p\n# version: 1\n# source: s\na_sum\na{b,d}\n')
  assert.deepEqual(readMetrics(writeMetrics(first)), first)
  const later = { ...first, metrics: parseExposition('z 1\na{f="g"} 1') }
  assert.deepEqual([...together(first, later).metrics.keys()].sort(), ['a', 'a_sum', 'z'])
  assert.deepEqual([...(together(first, later).metrics.get('a') ?? [])], ['b', 'd', 'f'])
  assert.deepEqual([...together(first, { ...later, version: '2' }).metrics.keys()], ['z', 'a'])
})
