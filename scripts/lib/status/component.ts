// One component of the platform: is it well, which version, and the one fact worth a line. Pure.
import { combine, type Health, judge, type Snapshot } from '../health/judge.ts'
import { progressing, ready, unwell } from '../health/judged.ts'
import { addressesOf, poolRanges } from '../health/service.ts'
import { isDefaultClass } from '../health/storage.ts'
import { at, type K8sObject, listAt, textAt, timeAt } from '../k8s.ts'
import type { Component } from './platform.ts'

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

/** What there is to say of a component. */
export function componentRow(
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
