// The values of the applications' charts: every key exists upstream, and they satisfy the charts' own schemas.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { at, listAt, textAt } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import { kustomized, render, schemas, withoutSchemas } from './rendered.ts'
import { defaultsOf, emptyChart } from './schemas.ts'
import { unknownKeys } from './values-flaws.ts'

/** Maps with defaults of their own that take any key all the same. */
const free: Readonly<Record<string, readonly string[]>> = {
  'sealed-secrets': ['podSecurityContext', 'containerSecurityContext'],
  velero: ['configuration.repositoryMaintenanceJob.repositoryConfigData.global', 'nodeAgent.podSecurityContext'],
}

const charts = kustomized('gitops/environments/prod').flatMap(application =>
  listAt(application.spec, 'sources').flatMap(source => {
    const chart = textAt(source, 'chart')
    if (chart === undefined) return []
    const files = listAt(source, 'helm', 'valueFiles').map(file => join(root, String(file).replace('$values/', '')))
    const values = [...files.map(file => parse(readFileSync(file, 'utf8'))), at(source, 'helm', 'valuesObject') ?? {}]
    const namespace = textAt(application.spec, 'destination', 'namespace') ?? ''
    return [{ chart, values, namespace, release: textAt(source, 'helm', 'releaseName') ?? '' }]
  }),
)

test('there are charts to look at', () => {
  assert.ok(charts.length > 0)
})

for (const { chart, values, namespace, release } of charts) {
  const skip =
    withoutSchemas || (existsSync(join(schemas, chart)) ? false : `${chart}: its defaults are not in ${schemas}`)
  test(`${chart}: every key of our values exists upstream`, { skip }, () => {
    const { text, defaults } = defaultsOf(chart)
    assert.deepEqual(
      values.flatMap(one => unknownKeys(one, defaults, free[chart] ?? [], text)),
      [],
    )
  })

  test(`${chart}: our values satisfy the chart's schema`, { skip }, () => {
    for (const one of values) render(emptyChart(chart), { namespace, release }, one)
  })
}
