// What a cluster's objects say about the platform and its applications: one row a component. Pure: objects in, rows out.
import { combine, type Health, judge, Snapshot } from '../health/judge.ts'
import { progressing, ready, unwell } from '../health/judged.ts'
import { addressesOf, poolRanges } from '../health/service.ts'
import { isDefaultClass } from '../health/storage.ts'
import { at, condition, type K8sObject, listAt, textAt, timeAt } from '../k8s.ts'
import { backupRows } from './backups.ts'

/** A component of the platform layer: where it lives, what must be there, and who installs it. */
interface Component {
  /** The numbered script. */
  step: string
  name: string
  namespace: string
  /** The workloads without which it is not installed, as `Kind/name`. */
  needs: readonly string[]
  /** Its web page, before the domain. */
  host?: string
}

export const platform: readonly Component[] = [
  {
    step: '01-storage-class',
    name: 'Storage class',
    namespace: 'local-path-storage',
    needs: ['Deployment/local-path-provisioner'],
  },
  {
    step: '02-metallb',
    name: 'MetalLB',
    namespace: 'metallb-system',
    needs: ['Deployment/metallb-controller', 'DaemonSet/metallb-speaker'],
  },
  { step: '03-adguard', name: 'AdGuard Home', namespace: 'adguard', needs: ['StatefulSet/adguard'], host: 'adguard' },
  { step: '04-traefik', name: 'Traefik', namespace: 'traefik', needs: ['Deployment/traefik'], host: 'traefik' },
  {
    step: '05-cert-manager',
    name: 'cert-manager',
    namespace: 'cert-manager',
    needs: ['Deployment/cert-manager', 'Deployment/cert-manager-webhook', 'Deployment/cert-manager-cainjector'],
  },
  { step: '06-rancher', name: 'Rancher', namespace: 'cattle-system', needs: ['Deployment/rancher'], host: 'rancher' },
  {
    step: '07-argocd',
    name: 'Argo CD',
    namespace: 'argocd',
    needs: ['Deployment/argocd-server', 'Deployment/argocd-repo-server', 'StatefulSet/argocd-application-controller'],
    host: 'argocd',
  },
]

/** A Helm release as the labels of its Secret tell it; its data stays where it is. */
export interface Release {
  namespace: string
  name: string
  status: string
  revision: number
  /** When Helm last wrote it, milliseconds since 1970. */
  modified: number
}

export interface Row extends Health {
  layer: 'cluster' | 'platform' | 'applications'
  name: string
  /** The numbered script, of the platform layer. */
  step?: string
  /** Chart and program: `41.3.0 (v3.7.11)`. */
  version?: string
  /** Addresses, the address pool, the default class: what there is to say in one line. */
  facts?: string
  url?: string
  /** Of the certificates in its namespace the one that ends first, ISO 8601. */
  certificate?: { name: string; ends: string }
  /** Left out on purpose: neither well nor missing. */
  off?: true
  /** It is well, and its owner should do something all the same: `cause` and `fix` say what. */
  warning?: true
}

/** What of the site a summary needs. */
export interface SummarySite {
  domain: string
  rancher: boolean
  issuer: { name: string }
  /** A rehearsal, in which not every controller need be running. */
  rehearsal: boolean
}

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

function componentRow(
  component: Component,
  byNamespace: ReadonlyMap<string, K8sObject[]>,
  releases: readonly Release[],
  site: SummarySite,
  snapshot: Snapshot,
): Row {
  const { step, name, host } = component
  const script = `./bootstrap/${step}.ts`
  // k3s brings its own provisioner in kube-system, and the step adopts it.
  const bundled = step === '01-storage-class' && snapshot.find('Deployment', 'kube-system', 'local-path-provisioner')
  const namespace = bundled ? 'kube-system' : component.namespace
  const all = bundled ? [bundled] : (byNamespace.get(namespace) ?? [])
  const row = { layer: 'platform', name, step } as const
  const needs = component.needs.map(ref => {
    const [kind = '', needed = ''] = ref.split('/')
    return { ref: `${kind} ${needed}`, object: snapshot.find(kind, namespace, needed) }
  })
  const there = needs.filter(need => need.object !== undefined)
  if (step === '06-rancher' && !site.rancher && there.length === 0)
    return { ...row, state: 'ready', off: true, facts: 'switched off (RANCHER=false)' }
  if (there.length === 0) return { ...row, state: 'missing', cause: 'not installed', fix: script }

  const gone = needs.find(need => need.object === undefined)
  const asleep = there.find(({ object }) => object?.kind !== 'DaemonSet' && at(object, 'spec', 'replicas') === 0)
  const health = combine([
    ...(gone ? [unwell(`its ${gone.ref} is not there`, script)] : []),
    ...(asleep ? [unwell(`its ${asleep.ref} is scaled to 0: nothing of it runs`, script)] : []),
    ...helmHealth(namespace, releases, snapshot.now, script),
    ...ownHealth(step, site, snapshot, script),
    ...all.filter(object => judgedKinds.includes(object.kind)).map(object => judge(object, snapshot)),
  ])
  const version = versionOf(there[0]?.object)
  const facts = factsOf(step, all, site, snapshot)
  const [certificate] = all
    .filter(object => object.kind === 'Certificate')
    .flatMap(object => {
      const ends = timeAt(object.status, 'notAfter')
      return ends === undefined ? [] : [{ name: object.metadata.name, ends }]
    })
    .sort((a, b) => a.ends - b.ends)
  return {
    ...row,
    ...health,
    ...(version ? { version } : {}),
    ...(facts ? { facts } : {}),
    ...(host ? { url: `https://${host}.${site.domain}` } : {}),
    ...(certificate ? { certificate: { name: certificate.name, ends: new Date(certificate.ends).toISOString() } } : {}),
  }
}

const judgedKinds = [
  'Deployment',
  'StatefulSet',
  'DaemonSet',
  'PersistentVolumeClaim',
  'Service',
  'Ingress',
  'Certificate',
]

/** What is not a workload, but without which the component does not do its work. */
function ownHealth(step: string, site: SummarySite, snapshot: Snapshot, script: string): Health[] {
  if (step === '01-storage-class') {
    const classes = snapshot.of('StorageClass')
    return classes.length ? classes.map(one => judge(one, snapshot)) : [unwell('there is no StorageClass', script)]
  }
  if (step === '02-metallb')
    return snapshot.of('IPAddressPool').length
      ? []
      : [unwell('it has no address pool, so no Service gets an address', script)]
  if (step === '05-cert-manager') {
    const issuer = snapshot.find('ClusterIssuer', undefined, site.issuer.name)
    return [issuer ? judge(issuer, snapshot) : unwell(`the issuer ${site.issuer.name} does not exist`, script)]
  }
  return []
}

// Helm is at work for at most this long; what is pending for longer was killed.
const helmAtWork = 15 * 60_000

function helmHealth(namespace: string, releases: readonly Release[], now: number, script: string): Health[] {
  const newest = new Map<string, Release>()
  for (const release of releases)
    if (release.namespace === namespace && release.revision > (newest.get(release.name)?.revision ?? 0))
      newest.set(release.name, release)
  return [...newest.values()].map(({ name, status, modified }) => {
    if (status === 'deployed' || status === 'superseded') return ready()
    if (!status.startsWith('pending')) return unwell(`the last change of the release ${name} is ${status}`, script)
    return now - modified < helmAtWork
      ? progressing(`Helm is at work on the release ${name}`)
      : unwell(`the release ${name} was left ${status}: Helm was killed at work`, script)
  })
}

/** `41.3.0 (v3.7.11)` from a chart's own labels, else the tag of the first image. */
function versionOf(workload: K8sObject | undefined): string | undefined {
  if (workload === undefined) return undefined
  const labels = workload.metadata.labels ?? {}
  // Charts write name and version as one word; a `+` of the version has become `_`.
  const chart = /-(v?\d+\.\d+\.\d+\S*)$/.exec(labels['helm.sh/chart'] ?? labels.chart ?? '')?.[1]?.replaceAll('_', '+')
  const program = programOf(workload)
  if (chart === undefined || chart === program) return program
  return program === undefined || chart.replace(/^v/, '') === program.replace(/^v/, '')
    ? chart
    : `${chart} (${program})`
}

/** The version of the program that a workload runs: from its label, else the tag of its first image. */
export function programOf(workload: K8sObject): string | undefined {
  const image = textAt(listAt(workload.spec, 'template', 'spec', 'containers')[0], 'image') ?? ''
  return workload.metadata.labels?.['app.kubernetes.io/version'] ?? /:([\w.-]+)(?:@.*)?$/.exec(image)?.[1]
}

function factsOf(step: string, all: readonly K8sObject[], site: SummarySite, snapshot: Snapshot): string | undefined {
  if (step === '01-storage-class') {
    const names = snapshot
      .of('StorageClass')
      .filter(isDefaultClass)
      .map(one => one.metadata.name)
    return names.length ? `default: ${names.join(', ')}` : undefined
  }
  if (step === '02-metallb') return poolRanges(snapshot).join(', ') || undefined
  if (step === '05-cert-manager') return `issuer ${site.issuer.name}`
  return (
    all
      .filter(one => one.kind === 'Service')
      .flatMap(addressesOf)
      .sort()
      .join(', ') || undefined
  )
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
