// The values of the applications' charts: every key exists upstream, and they satisfy the charts' own schemas.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

import { at } from '../../scripts/lib/k8s.ts'
import { appCharts } from './application-charts.ts'
import { render, schemas, withoutSchemas } from './rendered.ts'
import { defaultsOf, emptyChart } from './schemas.ts'
import { unknownKeys } from './values-flaws.ts'

/** Maps with defaults of their own that take any key all the same. */
const free: Readonly<Record<string, readonly string[]>> = {
  alloy: ['configReloader.resources'],
  // A chart within the chart, whose defaults are not at hand.
  falco: ['falcosidekick'],
  gatekeeper: ['controllerManager.resources.limits', 'audit.resources.limits'],
  // Loki's own configuration: it is Loki that reads it, and the chart only hands it on.
  loki: ['loki.commonConfig', 'loki.limits_config', 'loki.ingester'],
  // Used by the chart's templates, and not among its defaults.
  telegraf: ['fullnameOverride', 'tplVersion', 'securityContext', 'containerSecurityContext'],
  // Charts within the chart: the one whose defaults are at hand is looked at below.
  'kube-prometheus-stack': ['grafana', 'kube-state-metrics', 'prometheus-node-exporter'],
  // Used by the chart's templates, and not among its defaults; modules are the owner's.
  'prometheus-blackbox-exporter': ['config.modules', 'fullnameOverride'],
  'sealed-secrets': ['podSecurityContext', 'containerSecurityContext'],
  velero: ['configuration.repositoryMaintenanceJob.repositoryConfigData.global', 'nodeAgent.podSecurityContext'],
}

const charts = appCharts('prod') // all environments set the same keys

test('there are charts to look at', () => {
  assert.ok(charts.length > 0)
})

for (const { chart, values, namespace, release } of charts.filter(({ values }) => Object.keys(values).length)) {
  const skip =
    withoutSchemas || (existsSync(join(schemas, chart)) ? false : `${chart}: its defaults are not in ${schemas}`)
  test(`${chart}: every key of our values exists upstream`, { skip }, () => {
    const { text, defaults } = defaultsOf(chart)
    assert.deepEqual(unknownKeys(values, defaults, free[chart] ?? [], text), [])
  })

  test(`${chart}: our values satisfy the chart's schema`, { skip }, () => {
    render(emptyChart(chart), { namespace, release }, values)
  })
}

test('kube-prometheus-stack: every key of Grafana exists in its chart, or in the stack', {
  skip: withoutSchemas,
}, () => {
  const [stack, grafana] = [defaultsOf('kube-prometheus-stack'), defaultsOf('grafana')]
  const known = { ...Object(at(stack.defaults, 'grafana')), ...Object(grafana.defaults) }
  const sidecar = { ...known.sidecar }
  for (const kind of ['dashboards', 'datasources'])
    sidecar[kind] = { ...Object(at(stack.defaults, 'grafana', 'sidecar', kind)), ...sidecar[kind] }
  const all = { ...known, sidecar }
  const text = stack.text + grafana.text
  const values = charts.find(({ chart }) => chart === 'kube-prometheus-stack')?.values
  assert.deepEqual(
    unknownKeys(
      at(values, 'grafana') ?? {},
      all,
      ['grafana.ini', 'fullnameOverride', 'containerSecurityContext', 'sidecar.securityContext'],
      text,
    ),
    [],
  )
})
