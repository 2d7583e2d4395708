// Everything that runs is asked by Prometheus, by a job of additional-scrape-configs.yaml or by a monitor; or says why not.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { probes } from '../../scripts/lib/applications/probes.ts'
import { at, type K8sObject, listAt, mapAt, nameOf, textAt } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import { appCharts, chartFolder } from './application-charts.ts'
import { applicationManifests, platformManifests, releases, render, rendered } from './rendered.ts'

/** What serves no metrics, and how it is watched all the same. */
const exempt: Readonly<Record<string, string>> = {
  'adguard/adguard': 'no metrics of its own: asked by monitoring/adguard-exporter, and probed by name',
  'argocd/argocd-redis': 'a cache: when it is away, the controller and the servers say so',
  'argocd/argocd-applicationset-controller': 'scaled to none',
  'cattle-system/rancher': 'by the job rancher, from a file: only with a token of its own; probed as a page always',
  'local-path-storage/local-path-provisioner': 'no metrics: a claim that stays unbound is KubePersistentVolumeErrors',
  'welcome/welcome': 'a static page: probed',
}

interface Rule {
  action?: string
  source_labels?: string[]
  regex?: string
}
interface Job {
  job_name: string
  kubernetes_sd_configs?: { namespaces: { names: string[] } }[]
  relabel_configs?: Rule[]
}
const file = 'infrastructure/monitoring/kube-prometheus-stack/manifests/base/additional-scrape-configs.yaml'
const jobs = parse(readFileSync(join(root, file), 'utf8')) as Job[]

const charts = appCharts('prod').flatMap(one =>
  render(chartFolder(one.chart), one, one.values, /^kind: CustomResourceDefinition$/m, ['monitoring.coreos.com/v1']),
)
const objects = [
  ...platformManifests(),
  ...applicationManifests(),
  ...(await Promise.all(releases.map(rendered))).flat(),
  ...charts,
]
const workloads = objects.filter(({ kind }) => /^(Deployment|DaemonSet|StatefulSet)$/.test(kind))
const monitors = objects.filter(({ kind }) => /^(Service|Pod)Monitor$/.test(kind))
const services = objects.filter(({ kind }) => kind === 'Service')

const labelsOf = (workload: K8sObject) => mapAt(workload.spec, 'template', 'metadata', 'labels')
const within = (selector: Record<string, string>, labels: Record<string, string>) =>
  Object.entries(selector).every(([key, value]) => labels[key] === value)

/** Who asks this workload: jobs and monitors by name. */
function askers(workload: K8sObject, all: readonly Job[] = jobs): string[] {
  const { namespace } = workload.metadata
  const labels = labelsOf(workload)
  const ports = listAt(workload.spec, 'template', 'spec', 'containers').flatMap(one => listAt(one, 'ports'))
  const byJob = all.filter(({ kubernetes_sd_configs: [found] = [], relabel_configs: rules = [] }) => {
    if (!found?.namespaces.names.includes(namespace ?? '')) return false
    return ports.some(port => {
      const meta: Record<string, string> = {
        __meta_kubernetes_pod_label_app_kubernetes_io_name: labels['app.kubernetes.io/name'] ?? '',
        __meta_kubernetes_pod_container_port_name: textAt(port, 'name') ?? '',
        __meta_kubernetes_pod_container_port_number: String(at(port, 'containerPort')),
      }
      return rules
        .filter(({ action }) => action === 'keep')
        .every(({ source_labels = [], regex = '' }) =>
          new RegExp(`^(?:${regex})$`).test(source_labels.map(label => meta[label] ?? '').join(';')),
        )
    })
  })
  const byMonitor = monitors.filter(({ kind, metadata, spec }) => {
    const named = listAt(spec, 'namespaceSelector', 'matchNames')
    const looked = named.length ? named : [metadata.namespace]
    if (!looked.includes(namespace) || textAt(spec, 'endpoints', '0', 'path') === '/probe') return false
    const selector = mapAt(spec, 'selector', 'matchLabels')
    if (kind === 'PodMonitor') return within(selector, labels)
    return services.some(
      service =>
        service.metadata.namespace === namespace &&
        within(selector, service.metadata.labels ?? {}) &&
        within(mapAt(service.spec, 'selector'), labels),
    )
  })
  return [...byJob.map(({ job_name }) => job_name), ...byMonitor.map(({ metadata }) => metadata.name)]
}

test('every workload is asked for its metrics, or says why not', () => {
  assert.ok(workloads.length > 20, `only ${workloads.length} workloads`)
  const unasked = workloads.filter(one => !exempt[nameOf(one)] && !askers(one).length).map(nameOf)
  assert.deepEqual(unasked, [])
})

test('a workload whose job is gone is named', () => {
  const traefik = workloads.find(one => nameOf(one) === 'traefik/traefik') as K8sObject
  assert.deepEqual(askers(traefik), ['traefik'])
  assert.deepEqual(
    askers(
      traefik,
      jobs.filter(({ job_name }) => job_name !== 'traefik'),
    ),
    [],
  )
})

test('a node is called by its name, as on the dashboards, by what is asked on it', () => {
  const monitor = monitors.find(({ metadata }) => metadata.name === 'node-exporter')
  const made = listAt(monitor?.spec, 'endpoints', '0', 'relabelings').map(rule => [
    textAt(rule, 'targetLabel'),
    textAt(rule, 'sourceLabels', '0'),
  ])
  for (const label of ['node', 'instance'])
    assert.ok(
      made.some(([target, source]) => target === label && source === '__meta_kubernetes_pod_node_name'),
      `${label} is not the node's name`,
    )
})

test('a program that make test-applications asks has a Service with that port', () => {
  const lost = probes
    .filter(({ application }) => application !== 'sealed-secrets') // no stand-in: its chart comes with its module
    .filter(
      ({ service, port }) =>
        !services.some(
          ({ metadata, spec }) =>
            service.test(metadata.name) && listAt(spec, 'ports').some(one => Number(at(one, 'port')) === port),
        ),
    )
  assert.ok(probes.length > 5)
  assert.deepEqual(
    lost.map(({ title, port }) => `${title}: ${port}`),
    [],
  )
})

test('no exemption is out of date', () => {
  const names = workloads.map(nameOf)
  assert.deepEqual(
    Object.keys(exempt).filter(name => !names.includes(name)),
    [],
  )
})
