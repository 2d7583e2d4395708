// One click leads from a graph to its logs and back: the labels on both sides are the same.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { listAt, mapAt, textAt } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import { kustomized } from './rendered.ts'

const read = (path: string) => readFileSync(join(root, path), 'utf8')
const alloy = read('infrastructure/logging/alloy/manifests/base/config.alloy')
const dashboards = 'infrastructure/monitoring/kube-prometheus-stack/manifests/base/dashboards'

/** The labels that a part of Alloy's configuration gives, by its relabelling rules. */
function labelsOf(component: string, config = alloy): string[] {
  const body = config.slice(config.indexOf(`${component} {`)).split(/^}/m)[0] ?? ''
  return [...body.matchAll(/target_label\s*=\s*"([a-z]\w*)"/g)].map(([, label]) => label ?? '')
}

/** What cAdvisor's metrics of a container carry: https://kubernetes.io/docs/reference/instrumentation/metrics/, and `node` by the operator. */
const ofContainers = ['namespace', 'pod', 'container', 'node']

const datasource = () => {
  const map = kustomized('infrastructure/logging/loki/manifests/base').find(({ kind }) => kind === 'ConfigMap')
  const [source] = listAt(parse(String(mapAt(map, 'data')['loki.yaml'])), 'datasources')
  return { map, source }
}

test('lines of pods carry the labels of the metrics of pods', () => {
  assert.deepEqual(labelsOf('discovery.relabel "pods"').sort(), [...ofContainers, 'app'].sort())
  assert.deepEqual(labelsOf('loki.relabel "journal"').sort(), ['app', 'job', 'level', 'node', 'unit'])
})

test('from a line to its metrics: each variable is a field of the line, each label one that the metric has', () => {
  const { map, source } = datasource()
  assert.equal(map?.metadata.labels?.grafana_datasource, '1')
  assert.equal(map?.metadata.namespace, 'monitoring')
  assert.equal(textAt(source, 'uid'), 'loki')
  const fields = listAt(source, 'jsonData', 'derivedFields').map(field => textAt(field, 'name') ?? '')
  const correlations = listAt(source, 'correlations')
  assert.ok(correlations.length > 0)
  for (const one of correlations) {
    const expr = textAt(one, 'config', 'target', 'expr') ?? ''
    const used = [...expr.matchAll(/(\w+)="\$\$\{(\w+)\}"/g)]
    assert.ok(used.length > 0, expr)
    assert.doesNotMatch(expr.replaceAll('$$', ''), /\$/, 'Grafana would read a single $ as an environment variable')
    for (const [, label, variable] of used) {
      assert.ok(ofContainers.includes(label ?? ''), `${expr}: no metric of containers has ${label}`)
      assert.ok(fields.includes(variable ?? ''), `${expr}: a line has no field ${variable}`)
    }
    assert.ok(fields.includes(textAt(one, 'config', 'field') ?? ''))
    assert.equal(textAt(one, 'config', 'type'), 'query') // Grafana's provisioning refuses any other place and word
    for (const needed of ['label', 'description', 'targetUID']) assert.ok(textAt(one, needed), `${needed} is missing`)
  }
  for (const field of fields) assert.ok(labelsOf('discovery.relabel "pods"').includes(field), `no label ${field}`)
})

const given = new Set([
  ...labelsOf('discovery.relabel "pods"'),
  ...labelsOf('loki.relabel "journal"'),
  'detected_level',
])

test('from a graph to its logs: panels and queries name only labels that lines have', () => {
  const files = readdirSync(join(root, dashboards)).filter(
    file => file.endsWith('.yaml') && file !== 'kustomization.yaml',
  )
  let selectors = 0
  for (const file of files)
    for (const panel of listAt(parse(read(`${dashboards}/${file}`)), 'rows').flatMap(row => listAt(row, 'panels'))) {
      const unknown = [...namesIn(panel)].filter(label => !given.has(label))
      selectors += namesIn(panel).size
      assert.deepEqual(unknown, [], `${file}: ${textAt(panel, 'title')}`)
    }
  assert.ok(selectors > 5, 'no panel with labels was found')
})

/** The labels by which a panel leads to logs, or reads them. */
function namesIn(panel: unknown): Set<string> {
  const query = textAt(panel, 'source') === 'loki' ? (textAt(panel, 'query') ?? '') : ''
  const inside = [...query.matchAll(/\{([^}]*)\}/g)].flatMap(([, body = '']) => [...body.matchAll(/(\w+)\s*[=!]~?/g)])
  return new Set([...listAt(panel, 'logs').map(String), ...inside.map(([, name]) => name ?? '')])
}
