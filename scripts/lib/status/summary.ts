// What a cluster's objects say about the platform and its applications: one row a component. Pure: objects in, rows out.
import { combine, judge, Snapshot } from '../health/judge.ts'
import { condition, type K8sObject, listAt, textAt } from '../k8s.ts'
import { backupRows } from './backups.ts'
import { componentRow, type Release, type Row, type SummarySite } from './component.ts'
import { platform } from './platform.ts'

/**
 * One row for the nodes, each component and each Argo CD application.
 * @param objects what was read of the cluster: `kinds` and, where something is unwell, the pods and events there
 * @param when.known kinds of which the whole cluster was read, if more than `kinds`
 */
export function summarise(
  objects: readonly K8sObject[],
  releases: readonly Release[],
  site: SummarySite,
  when: { now: Date; known?: readonly string[] },
): Row[] {
  const snapshot = new Snapshot(objects, { known: kinds, ...when })
  const byNamespace = new Map<string, K8sObject[]>()
  for (const object of objects) {
    const { namespace } = object.metadata
    if (namespace === undefined) continue
    const list = byNamespace.get(namespace)
    if (list === undefined) byNamespace.set(namespace, [object])
    else list.push(object)
  }
  return [
    nodesRow(snapshot),
    ...platform.map(component => componentRow(component, byNamespace, releases, site, snapshot)),
    ...applicationRows(snapshot, site.rehearsal),
    ...backupRows(snapshot, site.rehearsal),
  ]
}

/** The kinds whose absence means that there is none: the caller has asked for all of them. */
export const kinds = [
  ...[
    'Namespace',
    'Node',
    'StorageClass',
    'Deployment',
    'StatefulSet',
    'DaemonSet',
    'Service',
    'PersistentVolumeClaim',
    'Ingress',
  ],
  ...['IPAddressPool', 'ClusterIssuer', 'Certificate', 'Application', 'BackupStorageLocation', 'Backup'],
]

function nodesRow(snapshot: Snapshot): Row {
  const nodes = snapshot.of('Node')
  const judged = nodes.map(node => judge(node, snapshot))
  const fit = judged.filter(health => health.state === 'ready').length
  const versions = [...new Set(nodes.map(node => textAt(node.status, 'nodeInfo', 'kubeletVersion') ?? '?'))].sort()
  const cordoned = nodes.filter(
    node => condition(node, 'Ready') && (node.spec as { unschedulable?: boolean } | undefined)?.unschedulable,
  )
  return {
    layer: 'cluster',
    name: 'Nodes',
    ...combine(judged),
    ...(versions.length ? { version: versions.join(', ') } : {}),
    facts: `${fit} of ${nodes.length} ready${cordoned.length ? `, ${cordoned.length} cordoned` : ''}`,
  }
}

function applicationRows(snapshot: Snapshot, rehearsal: boolean): Row[] {
  return [...snapshot.of('Application')]
    .sort((a, b) => a.metadata.name.localeCompare(b.metadata.name))
    .map((application): Row => {
      const sources = [
        ...listAt(application.spec, 'sources'),
        (application.spec as { source?: unknown } | undefined)?.source,
      ]
      const chart = sources.find(source => textAt(source, 'chart') !== undefined)
      const version = textAt(chart, 'targetRevision')
      const commit = textAt(application.status, 'sync', 'revision')
      const resources = listAt(application.status, 'resources').length
      // A sandbox need not run Argo CD itself; then nobody ever looks at its applications.
      if (rehearsal && application.status === undefined)
        return {
          layer: 'applications',
          name: application.metadata.name,
          state: 'ready',
          off: true,
          facts: 'not measurable here: no Argo CD runs in this sandbox',
        }
      return {
        layer: 'applications',
        name: application.metadata.name,
        ...judge(application, snapshot),
        ...(version ? { version } : commit && /^[0-9a-f]{40}$/.test(commit) ? { version: commit.slice(0, 8) } : {}),
        facts: `${resources} object${resources === 1 ? '' : 's'}`,
      }
    })
}

/** The namespaces in which something is not ready: where pods and events are worth reading. */
export function troubled(objects: readonly K8sObject[], now: Date): string[] {
  const snapshot = new Snapshot(objects, { now, known: kinds })
  const workloads = ['Deployment', 'StatefulSet', 'DaemonSet', 'Service', 'PersistentVolumeClaim', 'Certificate']
  const waiting = snapshot.of('Application').filter(one => judge(one, snapshot).state !== 'ready')
  const ours = new Set([
    ...platform.map(component => component.namespace),
    'kube-system',
    ...waiting.map(one => textAt(one.spec, 'destination', 'namespace')),
  ])
  return [
    ...new Set(
      workloads
        .flatMap(kind => snapshot.of(kind))
        .filter(object => ours.has(object.metadata.namespace ?? '') && judge(object, snapshot).state !== 'ready')
        .map(object => object.metadata.namespace ?? ''),
    ),
  ]
}

/** Helm's releases, from the labels of their records. */
export function releasesOf(records: readonly K8sObject[]): Release[] {
  return records.flatMap(({ metadata: { namespace = '', labels = {} } }) => {
    const { name, status, version, modifiedAt } = labels
    if (name === undefined || status === undefined) return []
    return [{ namespace, name, status, revision: Number(version), modified: Number(modifiedAt) * 1000 || 0 }]
  })
}
