// Alerts: each says what to do, has a test in rules/, and Prometheus and Alertmanager read what they are given.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { alertmanagerConfig, pagesOf } from '../../scripts/lib/monitoring/alertmanager.ts'
import { root } from '../../scripts/lib/root.ts'
import { builtExtra, notBuilt } from '../../scripts/lib/sandbox/extra-build.ts'
import { Secret } from '../../scripts/lib/secrets.ts'
import type { Alerts } from '../../scripts/lib/site/site.ts'
import { temporaryFolder } from '../temporary.ts'
import { promqlFacts } from './queries.ts'

interface Rule {
  alert?: string
  expr: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
}
const base = join(root, 'infrastructure/monitoring/kube-prometheus-stack/manifests/base')
const runbooks = join(root, 'infrastructure/docs/runbooks')
const files = readdirSync(join(base, 'rules')).sort()
const specs = new Map(
  files.map(file => [
    basename(file, '.yaml'),
    parse(readFileSync(join(base, 'rules', file), 'utf8')).spec as { groups: { rules: Rule[] }[] },
  ]),
)
const rules = [...specs.values()].flatMap(({ groups }) => groups.flatMap(group => group.rules))
const tested = files.map(file =>
  readFileSync(join(import.meta.dirname, 'rules', file.replace('.yaml', '.test.yaml')), 'utf8'),
)

const folder = temporaryFolder('rules')
const programs = await builtExtra('prometheus')
const skip = await notBuilt('prometheus')
const run = (program: string, ...args: string[]) =>
  execFileSync(join(programs?.dir ?? '', program), args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' })

/** What a rule lacks. */
function flaws({ alert, expr, labels = {}, annotations = {} }: Rule): string[] {
  const found = promqlFacts(expr).flaws
  if (!alert) return found
  for (const name of ['summary', 'description']) if (!annotations[name]) found.push(`${alert}: no ${name}`)
  if (!/^(critical|warning|info|none)$/.test(labels.severity ?? '')) found.push(`${alert}: no severity`)
  if (annotations.runbook_url !== `infrastructure/docs/runbooks/${alert}.md`) found.push(`${alert}: no runbook`)
  if (!existsSync(join(runbooks, `${alert}.md`))) found.push(`${alert}: its runbook is not there`)
  for (const kind of alert === 'Watchdog' ? ['fires'] : ['fires', 'keeps quiet'])
    if (!tested.some(text => text.includes(`- name: ${alert} ${kind}`))) found.push(`${alert}: no test that it ${kind}`)
  return found
}

test('every alert says what, why and what to do, and has a test for both ways', () => {
  assert.deepEqual(rules.flatMap(flaws), [])
  const alerts = rules.flatMap(({ alert }) => alert ?? [])
  assert.deepEqual(readdirSync(runbooks).sort(), alerts.map(name => `${name}.md`).sort())
})

test('an alert without all that is named', () => {
  const found = flaws({ alert: 'Nothing', expr: 'up == ' })
  assert.equal(found.length, 8)
})

for (const [name, spec] of specs)
  test(`promtool: ${name} loads, and its alerts fire and keep quiet as its tests say`, { skip }, () => {
    writeFileSync(join(folder, `${name}.json`), JSON.stringify(spec))
    const file = join(folder, `${name}.test.yaml`)
    writeFileSync(file, readFileSync(join(import.meta.dirname, 'rules', `${name}.test.yaml`)))
    run('promtool', 'check', 'rules', '--lint=all', '--lint-fatal', `${name}.json`)
    run('promtool', 'test', 'rules', file)
  })

test('promtool: the additional scrape configs load', { skip }, () => {
  const text = readFileSync(join(base, 'additional-scrape-configs.yaml'), 'utf8')
  writeFileSync(join(folder, 'prometheus.yaml'), JSON.stringify({ scrape_configs: parse(text) }))
  run('promtool', 'check', 'config', '--syntax-only', 'prometheus.yaml')
})

const secret = (text: string) => new Secret(text)
const pages = pagesOf({ repository: 'git@github.com:me/homelab.git', revision: 'main' })

test('a message leads to the runbook in the fork of the owner', () => {
  assert.equal(pages, 'https://github.com/me/homelab/blob/main/')
  assert.equal(pagesOf({ repository: 'ssh://git@nas:2222/me/homelab.git', revision: 'main' }), '')
  const { receivers } = parse(alertmanagerConfig(variants['e-mail'] ?? {}, pages))
  const { text } = receivers.find((one: { name: string }) => one.name === 'email').email_configs[0]
  assert.match(
    text,
    /\(match "\^https\?:" \.\) \}\}https:\/\/github\.com\/me\/homelab\/blob\/main\/\{\{ end \}\}\{\{ \. \}\}/,
  )
})

const variants: Record<string, Alerts> = {
  nothing: {},
  'e-mail': { email: { to: 'me@lab.net', from: 'lab@lab.net', server: 'smtp.lab.net:587' } },
  'e-mail with a login': {
    email: {
      ...{ to: 'me@lab.net', from: 'lab@lab.net', server: 'smtp.lab.net:465' },
      login: { username: 'me', password: secret('a-password') },
    },
  },
  ntfy: { ntfy: { url: secret('https://ntfy.lab.net/topic'), token: secret('tk_0123456789') } },
  Telegram: { telegram: { token: secret('1234567:bot-token'), chat: -100123 } },
  'a webhook': { webhook: { url: secret('https://lab.net/hook') } },
  "a dead man's switch": { deadman: { url: secret('https://lab.net/ping') } },
}
variants.everything = Object.assign({}, ...Object.values(variants)) as Alerts

for (const [name, alerts] of Object.entries(variants))
  test(`Alertmanager's configuration with ${name} sends to each channel, and to no other`, () => {
    const { receivers, route } = parse(alertmanagerConfig(alerts, pages))
    const wanted = ['nobody', ...Object.keys(alerts)].sort()
    assert.deepEqual(receivers.map((one: { name: string }) => one.name).sort(), wanted)
    const reached = [route, ...route.routes].map((one: { receiver: string }) => one.receiver)
    assert.deepEqual([...new Set(reached)].sort(), wanted)
  })

test('an alert that silences others, and one that is silenced, is there; a lost node silences only what names it', () => {
  const { inhibit_rules: inhibitions } = parse(alertmanagerConfig({}, pages))
  const matchers: string[] = inhibitions.flatMap((one: { source_matchers: string[]; target_matchers: string[] }) => [
    ...one.source_matchers,
    ...one.target_matchers,
  ])
  const named = matchers.flatMap(text => /alertname=~?"([^"]+)"/.exec(text)?.[1]?.split('|') ?? [])
  // Those of the chart begin with Kube.
  const gone = named.filter(
    name => !name.startsWith('Kube') && !rules.some(({ alert = '' }) => new RegExp(`^(${name})$`).test(alert)),
  )
  assert.ok(named.length > 5)
  assert.deepEqual(gone, [])
  assert.ok(matchers.includes('alertname="NodeDown",node!=""'))
})

for (const [name, alerts] of Object.entries(variants))
  test(`amtool: the configuration with ${name} is valid`, { skip }, () => {
    writeFileSync(join(folder, 'alertmanager.yaml'), alertmanagerConfig(alerts, pages))
    run('amtool', 'check-config', 'alertmanager.yaml')
  })
