// Dashboards as Grafana gets them: their shape, their places, and that every link leads somewhere.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { grafanaDashboard } from '../../scripts/lib/dashboards/dashboard.ts'
import {
  check,
  type Dashboard,
  dashboardsFolder,
  readDashboards,
  sources,
  uidOf,
} from '../../scripts/lib/dashboards/definition.ts'
import { type K8sObject, listAt, mapAt, textAt } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import { kustomized } from './rendered.ts'

type Json = Record<string, unknown>

const dashboards = readDashboards()
const committed = Object.fromEntries(
  readdirSync(join(root, dashboardsFolder, 'generated')).map(file => [
    file,
    JSON.parse(readFileSync(join(root, dashboardsFolder, 'generated', file), 'utf8')) as Json,
  ]),
)
const panelsOf = (json: Json) => listAt(json, 'panels').filter(panel => textAt(panel, 'type') !== 'row')

test('there is one for each subject of a lab', () => {
  const names = ['backups', 'gitops', 'guests', 'home', 'logs', 'network', 'proxmox', 'storage']
  assert.deepEqual(
    names.filter(name => !dashboards.some(one => one.name === name)),
    [],
  )
  // `make check` compares each with its definition; here only that none lies about without one.
  assert.deepEqual(Object.keys(committed).sort(), dashboards.map(({ name }) => `${name}.json`).sort())
})

test('each can be loaded again and again: a uid of its own, no id, the schema of Grafana 13', () => {
  const uids = Object.values(committed).map(({ uid }) => uid)
  assert.equal(new Set(uids).size, uids.length)
  for (const [file, json] of Object.entries(committed)) {
    assert.equal(json.uid, uidOf(file.replace('.json', '')))
    assert.equal('id' in json, false, `${file} has an id`)
    assert.equal(json.schemaVersion, 42)
    assert.match(String(json.uid), /^[a-z-]{1,40}$/)
    const ids = listAt(json, 'panels').map(panel => (panel as { id: number }).id)
    assert.equal(new Set(ids).size, ids.length, `${file}: two panels with one id`)
  }
})

test('every panel has a question, an explanation, a query and a known data source', () => {
  const uids: unknown[] = Object.values(sources)
  for (const [file, json] of Object.entries(committed))
    for (const panel of panelsOf(json)) {
      const where = `${file} “${textAt(panel, 'title')}”`
      assert.match(textAt(panel, 'title') ?? '', /\?$/, where)
      assert.ok((textAt(panel, 'description') ?? '').length > 20, `${where} does not say what an answer means`)
      assert.ok(uids.includes(textAt(panel, 'datasource', 'uid')), where)
      for (const target of listAt(panel, 'targets')) {
        assert.ok(uids.includes(textAt(target, 'datasource', 'uid')), where)
        assert.ok(textAt(target, 'expr') ?? textAt(target, 'query'), `${where} asks nothing`)
      }
    }
})

// Grafana shows an unknown unit as a suffix, without a word.
const units = 'Bps bytes celsius dtdurations percent percentunit pps reqps s short string'.split(' ')

test('every unit is one that Grafana knows, and what is judged has both colours in order', () => {
  for (const { name, rows } of dashboards)
    for (const { title, unit, units: own = {}, queries = [], warn, bad, max } of rows.flatMap(({ panels }) => panels)) {
      const where = `${name} “${title}”`
      for (const one of [...(unit ? [unit] : []), ...Object.values(own)])
        assert.ok(units.includes(one), `${where}: ${one}`)
      for (const heading of Object.keys(own))
        assert.ok(
          queries.some(({ legend }) => legend === heading),
          `${where}: ${heading}`,
        )
      assert.notEqual(warn ?? 0, bad, `${where}: warn and bad are the same`)
      if (unit === 'percentunit') assert.ok((bad ?? warn ?? 0) <= (max ?? 1), `${where}: 1 is all of it`)
    }
})

test('no panel lies on another or beyond the edge', () => {
  for (const [file, json] of Object.entries(committed)) {
    const taken = new Set<string>()
    for (const panel of listAt(json, 'panels')) {
      const { x, y, w, h } = (panel as { gridPos: Record<'x' | 'y' | 'w' | 'h', number> }).gridPos
      assert.ok(x + w <= 24, `${file} “${textAt(panel, 'title')}” ends beyond the edge`)
      for (let column = x; column < x + w; column++)
        for (let line = y; line < y + h; line++) {
          assert.ok(!taken.has(`${column},${line}`), `${file} “${textAt(panel, 'title')}” lies on another panel`)
          taken.add(`${column},${line}`)
        }
    }
  }
})

/** What of a panel's links leads nowhere. */
function deadLinks(panel: unknown, all: readonly Dashboard[]): string[] {
  return listAt(panel, 'fieldConfig', 'defaults', 'links').flatMap(link => {
    const url = textAt(link, 'url') ?? ''
    const address = new URL(url, 'http://grafana')
    if (address.pathname === '/explore') return exploreFlaws(address)
    const to = all.find(({ name }) => address.pathname === `/d/${uidOf(name)}`)
    if (!to) return [`${url} is no dashboard`]
    const chosen = [...address.searchParams.keys()].filter(key => key.startsWith('var-')).map(key => key.slice(4))
    return chosen.filter(name => !(name in to.variables)).map(name => `${to.title} has no variable ${name}`)
  })
}

const shared = ['namespace', 'pod', 'container', 'app']

function exploreFlaws(address: URL): string[] {
  const panes = JSON.parse(address.searchParams.get('panes') ?? '{}') as Json
  const expr = textAt(panes, 'logs', 'queries', 0, 'expr') ?? ''
  const labels = [...expr.matchAll(/(\w+)="\$\{__(?:field\.labels|data\.fields)\.(\w+)\}"/g)]
  return [
    ...(labels.length ? [] : [`${expr} carries no label`]),
    ...labels.filter(([, a, b]) => a !== b || !shared.includes(a ?? '')).map(([text]) => `${text} is not shared`),
    ...(textAt(panes, 'logs', 'datasource') === sources.loki ? [] : ['does not lead to Loki']),
    ...(address.searchParams.get('schemaVersion') === '1' ? [] : ['has no schemaVersion, and would be ignored']),
  ]
}

test('every link leads to a dashboard that is there, or to logs by labels that both sides have', () => {
  const dead = Object.values(committed).flatMap(json => panelsOf(json).flatMap(panel => deadLinks(panel, dashboards)))
  assert.deepEqual(dead, [])
  const links = Object.values(committed).flatMap(json =>
    panelsOf(json).flatMap(panel => listAt(panel, 'fieldConfig', 'defaults', 'links')),
  )
  assert.ok(links.filter(link => textAt(link, 'url')?.startsWith('/explore')).length >= 8)
  assert.ok(links.filter(link => textAt(link, 'url')?.startsWith('/d/')).length >= 10)
})

test('a link to nowhere, or by a label that a query does not have, is noticed', () => {
  const [first] = dashboards
  assert.ok(first)
  const link = (url: string) => ({ fieldConfig: { defaults: { links: [{ url }] } } })
  assert.match(deadLinks(link('/d/homelab-attic?'), dashboards)[0] ?? '', /is no dashboard/)
  assert.match(deadLinks(link('/d/homelab-storage?var-cellar=1'), dashboards)[0] ?? '', /has no variable cellar/)
  const panes = encodeURIComponent(
    JSON.stringify({ logs: { datasource: 'loki', queries: [{ expr: '{a="${__field.labels.b}"}' }] } }),
  )
  assert.match(deadLinks(link(`/explore?schemaVersion=1&panes=${panes}`), dashboards)[0] ?? '', /is not shared/)
})

test('a ConfigMap for each, by a fixed name, with the label that the sidecar looks for', () => {
  const built = kustomized(dashboardsFolder)
  const loaded = built.flatMap(object =>
    Object.entries(mapAt(object, 'data')).map(([key, text]) => ({ object, key, text })),
  )
  assert.deepEqual(loaded.map(({ key }) => key).sort(), dashboards.map(({ name }) => `${uidOf(name)}.json`).sort())
  for (const { object, key, text } of loaded) {
    const json = JSON.parse(String(text)) as Json
    assert.equal(`${json.uid}.json`, key)
    assert.equal((object as K8sObject).metadata.labels?.grafana_dashboard, '1')
    assert.equal((object as K8sObject).metadata.annotations?.grafana_folder, 'Homelab')
    assert.doesNotMatch((object as K8sObject).metadata.name, /-[a-z0-9]{10}$/)
    assert.ok(String(text).length < 262_144, `${key} is too large for a careless kubectl apply`)
  }
})

const panel = `{ title: 'Is it?', about: why it matters, kind: number, query: up }`
for (const [name, yaml, expected] of [
  [
    'no question',
    `title: A\nabout: b\nrows: [{ title: c, panels: [{ title: It is, about: d, kind: number, query: up }] }]`,
    /rows\.0\.panels\.0\.title/,
  ],
  ['an unknown key', `title: A\nabout: b\ncolour: red\nrows: []`, /colour/],
  [
    'a table without columns',
    `title: A\nabout: b\nrows: [{ title: c, panels: [{ title: 'Is it?', about: d, kind: table, query: up, legend: e }] }]`,
    /a table needs columns/,
  ],
  [
    'no query',
    `title: A\nabout: b\nrows: [{ title: c, panels: [{ title: 'Is it?', about: d, kind: number }] }]`,
    /either query or queries/,
  ],
  ['no YAML', 'title: [', /homelab\.yaml: /],
] as const)
  test(`a definition with ${name} is refused, and the message says where`, () => {
    const { problems, dashboard } = check('homelab.yaml', yaml)
    assert.equal(dashboard, undefined)
    assert.match(problems.map(({ what }) => what).join('\n'), expected)
  })

test('a panel that does not fit beside the last one begins a new line', () => {
  const four = Array.from({ length: 7 }, () => panel).join(', ')
  const { dashboard } = check('a.yaml', `title: A\nabout: b\nrows: [{ title: c, panels: [${four}] }]`)
  assert.ok(dashboard)
  const places = panelsOf(grafanaDashboard(dashboard, [])).map(
    one => (one as { gridPos: { x: number; y: number } }).gridPos,
  )
  assert.deepEqual(places.at(-1), { x: 0, y: 5, w: 4, h: 4 })
})
