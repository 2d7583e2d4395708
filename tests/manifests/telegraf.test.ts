// Telegraf's configuration, written as its chart writes it and read by Telegraf itself, where that is built (make programs).
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { textAt } from '../../scripts/lib/k8s.ts'
import { builtExtra, notBuilt } from '../../scripts/lib/sandbox/extra-build.ts'
import { extras } from '../../scripts/lib/sandbox/extras.ts'
import { temporaryFolder } from '../temporary.ts'
import { appCharts, chartFolder } from './application-charts.ts'
import { render } from './rendered.ts'

const built = await builtExtra('telegraf')
const skip = await notBuilt('telegraf')
const [chart] = appCharts('prod').filter(one => one.chart === 'telegraf')
assert.ok(chart)

/** What its pod finds at /etc/telegraf/telegraf.conf. */
function configuration(): string {
  const objects = render(chartFolder('telegraf'), chart as NonNullable<typeof chart>, chart?.values ?? {})
  return textAt(objects.find(({ kind }) => kind === 'ConfigMap')?.data, 'telegraf.conf') ?? ''
}

/** What Telegraf says of a configuration; it makes the plugins and starts none. Empty when it takes it. */
function verdict(text: string): string {
  const folder = temporaryFolder('telegraf')
  const file = join(folder, 'telegraf.conf')
  writeFileSync(file, text)
  const { status, stderr } = spawnSync(
    join(built?.dir ?? '', 'telegraf'),
    ['config', 'check', '--strict-env-handling', '--config', file],
    { encoding: 'utf8', env: { INFLUX_TOKEN: 'of-a-test' } },
  )
  return status === 0 ? '' : stderr
}

test('each plugin of the configuration is one that our Telegraf is built with', () => {
  const plugins = [...configuration().matchAll(/^ *\[\[(\w+\.\w+)\]\]/gm)].map(([, name]) => name)
  assert.ok(plugins.includes('inputs.internal') && plugins.includes('outputs.health'), 'those that the chart adds')
  const tags = extras.telegraf.flags[0].replace('-tags=custom,', '').split(',')
  const missing = plugins.filter(name => !tags.includes(name ?? ''))
  assert.deepEqual(missing, [], 'add them to the tags of telegraf in scripts/lib/sandbox/extras.ts')
})

test('Telegraf accepts its configuration', { skip }, () => {
  assert.equal(verdict(configuration()), '')
})

for (const [what, from, to, complaint] of [
  ['a key that no plugin knows', 'record_type', 'record_typ', /field.*record_typ/],
  ['a word where a number belongs', 'timeout = 2.5', 'timeout = "soon"', /timeout|duration/],
  ['a method that ping does not have', '"native"', '"arp"', /method/],
  ['a plugin that does not exist', '[[inputs.ping]]', '[[inputs.pong]]', /inputs?.*pong/],
] as const)
  test(`Telegraf refuses ${what}`, { skip }, () => {
    const text = configuration()
    assert.ok(text.includes(from), `the configuration has no ${from} to change`)
    assert.match(verdict(text.replaceAll(from, to)), complaint)
  })
