// Every key in our values exists upstream, and the values satisfy the charts' own schemas.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { programs, type Release, releases, render, schemas, valuesOf, withoutSchemas } from './rendered.ts'
import { defaultsOf, emptyChart } from './schemas.ts'
import { unknownKeys } from './values-flaws.ts'

/** Maps with defaults of their own that take any key all the same. */
const free: Readonly<Record<string, readonly string[]>> = {
  'argo-cd': ['configs.cm', 'configs.params', 'configs.rbac'],
  traefik: ['service.spec', 'tlsStore'],
}

for (const release of releases) {
  const { chart } = release
  test(`${chart}: every key of our values exists upstream`, { skip: withoutSchemas }, () => {
    const { text, defaults } = defaultsOf(chart)
    assert.deepEqual(unknownKeys(valuesOf(release), defaults, free[chart] ?? [], text), [])
  })
}

test('a key that does not exist is named with its path', { skip: withoutSchemas }, () => {
  const { text, defaults } = defaultsOf('cert-manager')
  const values = {
    crds: { enable: true },
    webhook: { resources: { requests: {} } },
    dns01RecursiveNameserverOnly: true,
  }
  assert.deepEqual(unknownKeys(values, defaults, [], text), ['crds.enable', 'dns01RecursiveNameserverOnly'])
})

const withSchema: readonly Release[] = releases.filter(
  ({ chart }) => withoutSchemas !== false || existsSync(join(schemas, chart, 'values.schema.json')),
)
for (const release of withSchema)
  test(`${release.chart}: our values satisfy the chart's schema`, { skip: withoutSchemas || noSchema(release) }, () => {
    render(emptyChart(release.chart), release, valuesOf(release))
  })

function noSchema({ chart }: Release): string | false {
  return existsSync(join(schemas, chart, 'values.schema.json')) ? false : `${chart} ships no schema`
}

test('a value that a schema forbids is refused', { skip: withoutSchemas }, () => {
  const [, traefik] = releases
  const values = { ...valuesOf(traefik), logs: { general: { level: 'INFO' } } }
  assert.throws(() => render(emptyChart('traefik'), traefik, values), /additional properties 'logs' not allowed/i)
})

test("MetalLB's and cert-manager's own charts render with our values", () => {
  for (const release of releases) {
    const path = (programs.charts as Record<string, string>)[release.chart]
    if (path) assert.ok(render(path, release, valuesOf(release)).length > 20, release.chart)
  }
})
