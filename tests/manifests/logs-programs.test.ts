// The configurations of logs and time series, read by the programs that will read them, where those are there: built
// (make programs) or on PATH. Where they are not, each is one visible line.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { stringify } from 'yaml'
import { at } from '../../scripts/lib/k8s.ts'
import { builtExtra, notBuilt } from '../../scripts/lib/sandbox/extra-build.ts'
import { temporaryFolder } from '../temporary.ts'
import { lokiConfig } from './loki-config.ts'

const built = await builtExtra('loki')
const loki = built ? join(built.dir, 'loki') : 'loki'
const skip = spawnSync(loki, ['--version']).error ? await notBuilt('loki') : false

test("retention is the compactor's work, and is switched on with all that it needs", () => {
  const config = lokiConfig()
  assert.equal(at(config, 'compactor', 'retention_enabled'), true)
  assert.equal(at(config, 'compactor', 'delete_request_store'), 'filesystem')
  const hours = Number(/^(\d+)h$/.exec(String(at(config, 'limits_config', 'retention_period')))?.[1])
  assert.ok(hours >= 24, 'Loki keeps a day at least') // below, its compactor refuses to start
  const [schema] = at(config, 'schema_config', 'configs') as { schema: string; from: string; store: string }[]
  assert.deepEqual([schema?.schema, schema?.store], ['v13', 'tsdb'])
  assert.ok(Date.parse(schema?.from ?? '') < Date.now(), 'lines of today need a schema')
})

/** What Loki says of a configuration; empty when it takes it. */
function verdict(config: object): string {
  const folder = temporaryFolder('loki')
  const file = join(folder, 'config.yaml')
  writeFileSync(file, stringify(config))
  const { status, stderr } = spawnSync(loki, ['-verify-config', `-config.file=${file}`], { encoding: 'utf8' })
  return status === 0 ? '' : stderr
}

test('Loki accepts its configuration, and not one with a key that it does not know', { skip }, () => {
  assert.equal(verdict(lokiConfig()), '')
  assert.match(verdict({ ...lokiConfig(), compactor: { retention: true } }), /field retention not found/)
})

test('InfluxDB runs with what is in infrastructure/influxdb', {
  skip: 'not measurable here: it cannot be built in a check; infrastructure/influxdb/README.md says what a real node shows',
}, () => {})
