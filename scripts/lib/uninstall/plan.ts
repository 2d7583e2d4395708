// What an uninstall would take away and what it leaves, read from the cluster before anything is touched.
import type { Cluster } from '../cluster.ts'
import type { Problem } from '../errors.ts'
import { at, type K8sObject, listAt, mapAt, nameOf, textAt } from '../k8s.ts'
import type { Run } from '../run.ts'
import { ourLabels, releaseOf } from '../verbs.ts'
import type { Belongings } from './recording.ts'

/** What the owner has asked for besides the programs themselves. */
export interface Also {
  /** Volumes of the platform's own namespaces, and what a script keeps (the CA). */
  data: boolean
  /** CRDs that still have objects which the steps did not make. */
  crds: boolean
}

export interface Removal {
  belongings: Belongings
  releases: { namespace: string; name: string; objects: number }[]
  /** Ours, as they are now, the last one applied first. */
  objects: K8sObject[]
  crds: K8sObject[]
  /** Objects of those kinds that go with them or with a namespace. */
  custom: K8sObject[]
  namespaces: string[]
  volumes: K8sObject[]
  /** Webhooks and API services of a release that is gone: an uninstall was killed between the two. */
  orphans: K8sObject[]
  /** Each with its reason, as a line for the owner. */
  stays: string[]
  /** Why this may not be done unasked. */
  problems: Problem[]
}

/** The CRDs of the cluster with the objects of each, read once. */
interface Kinds {
  crd: K8sObject
  objects: K8sObject[]
}

/**
 * @param all of the steps that go, the last one first
 * @param also what may go besides
 */
export async function planRemoval(run: Run, all: readonly Belongings[], also: Also): Promise<Removal[]> {
  const { cluster } = run
  const [kinds, claims, workloads, answering] = await Promise.all([
    readKinds(cluster, all),
    cluster.list('persistentvolumeclaims'),
    cluster.list('deployments.apps,statefulsets.apps,daemonsets.apps,jobs.batch,cronjobs.batch'),
    cluster.list(answerers),
  ])
  return Promise.all(all.map(one => planOne(run, one, also, { kinds, claims, workloads, answering, all })))
}

async function planOne(
  run: Run,
  belongings: Belongings,
  also: Also,
  seen: {
    kinds: Kinds[]
    claims: K8sObject[]
    workloads: K8sObject[]
    answering: K8sObject[]
    all: readonly Belongings[]
  },
): Promise<Removal> {
  const { cluster, helm } = run
  const { notes } = belongings
  const stays: string[] = []
  const problems: Problem[] = []
  const releases = (
    await Promise.all(
      belongings.releases.map(async one => ({ ...one, found: await helm.release(one.namespace, one.name) })),
    )
  ).flatMap(({ found, ...one }) => (found ? [{ ...one, manifest: found.manifest }] : []))

  const volumes = seen.claims.filter(claim => belongings.namespaces.includes(claim.metadata.namespace ?? ''))
  const kept = also.data ? {} : notes.keep
  const keptFound = (
    await Promise.all(Object.entries(kept).map(async ([ref, why]) => ((await cluster.find(ref)) ? [{ ref, why }] : [])))
  ).flat()
  for (const { ref, why } of keptFound) stays.push(`${ref}: ${why} (--delete-data takes it too)`)
  if (volumes.length && !also.data)
    stays.push(
      `${volumes.length} volume${volumes.length > 1 ? 's' : ''} with their data and passwords: ` +
        `${volumes.map(nameOf).join(', ')} (--delete-data takes them too)`,
    )
  // What is kept keeps its namespace; what lies on a volume is of no use without the passwords beside it.
  const withVolumes = also.data ? [] : volumes.map(claim => claim.metadata.namespace)
  const keeps = (namespace: string) =>
    withVolumes.includes(namespace) || keptFound.some(({ ref }) => ref.split('/')[1] === namespace)

  const found = (await Promise.all(belongings.objects.map(object => findObject(cluster, object)))).flat()
  const foreign = found.filter(isForeign)
  for (const object of foreign) stays.push(`${object.kind} ${nameOf(object)}: k3s has brought it and looks after it`)
  const ours = found.filter(object => !foreign.includes(object)).reverse()
  const objects = ours.filter(
    ({ kind, metadata }) =>
      kind !== 'Namespace' && !(kind === 'Secret' && withVolumes.includes(metadata.namespace ?? '')),
  )

  const namespaces: string[] = []
  for (const name of belongings.namespaces)
    if (!keeps(name) && (await cluster.find(`namespace/${name}`))) namespaces.push(name)
  // A namespace that a step makes for others goes only when nothing of theirs is in it.
  for (const { kind, metadata } of ours) {
    if (kind !== 'Namespace') continue
    const inside = [...seen.workloads, ...seen.claims].filter(one => one.metadata.namespace === metadata.name)
    if (inside.length) stays.push(`namespace ${metadata.name}: ${counted(inside)} (an application runs there)`)
    else namespaces.push(metadata.name)
  }

  // Kinds of ours: of each the objects that nobody but the steps and the component itself has made.
  const own = new Set([
    ...seen.all.flatMap(one => one.objects.map(idOf)),
    ...releases.flatMap(one => one.manifest.map(idOf)),
  ])
  const crds: K8sObject[] = []
  const custom: K8sObject[] = []
  for (const { crd, objects: living } of seen.kinds.filter(one => belongs(one.crd, belongings))) {
    const others = living.filter(object => !own.has(idOf(object)) && !isByproduct(object, notes.made))
    const goes = others.length === 0 || also.crds
    const inManifest = releases.flatMap(one => one.manifest).find(one => idOf(one) === idOf(crd))
    const helmTakesIt = inManifest && inManifest.metadata.annotations?.['helm.sh/resource-policy'] !== 'keep'
    const names = others.map(nameOf).slice(0, 4).join(', ')
    if (!goes && helmTakesIt)
      problems.push({
        what: `${belongings.step.id}: ${counted(others)} that no step made would be deleted: ${names}`,
        why: `the chart of ${releases.map(one => one.name).join(', ')} takes its kinds along, and with them every object of that kind`,
        fix: `keep a copy (kubectl get ${crd.metadata.name} -A -o yaml > kept.yaml), then add --delete-crds`,
      })
    else if (!goes) stays.push(`${crd.metadata.name}: ${counted(others)}: ${names} (--delete-crds takes them too)`)
    if (goes) crds.push(crd)
    custom.push(...living.filter(object => goes || namespaces.includes(object.metadata.namespace ?? '')))
    // Its controller goes, but its objects are somebody's: the namespace that holds them stays.
    if (!goes)
      for (const object of others) {
        const index = namespaces.indexOf(object.metadata.namespace ?? '')
        if (index >= 0) stays.push(`namespace ${namespaces.splice(index, 1)[0]}: it holds ${nameOf(object)}`)
      }
  }
  return {
    belongings,
    releases: releases.map(({ namespace, name, manifest }) => ({ namespace, name, objects: manifest.length })),
    objects,
    crds,
    custom,
    namespaces,
    volumes: also.data ? volumes : [],
    orphans: releases.length ? [] : orphans(seen.answering, belongings.namespaces),
    stays,
    problems,
  }
}

async function readKinds(cluster: Cluster, all: readonly Belongings[]): Promise<Kinds[]> {
  const crds = (await cluster.list('customresourcedefinitions.apiextensions.k8s.io', { metadataOnly: true })).filter(
    crd => all.some(one => belongs(crd, one)),
  )
  return Promise.all(crds.map(async crd => ({ crd, objects: await cluster.list(crd.metadata.name) })))
}

/** A CRD bears the mark of the release it came with: Helm's, or ours where Helm does not upgrade it. */
export function belongs(crd: K8sObject, { releases }: Pick<Belongings, 'releases'>): boolean {
  const { labels = {}, annotations = {} } = crd.metadata
  return releases.some(
    ({ namespace, name }) =>
      labels[releaseOf] === `${namespace}.${name}` ||
      (annotations['meta.helm.sh/release-name'] === name &&
        annotations['meta.helm.sh/release-namespace'] === namespace),
  )
}

/** Made by the component itself: it has an owner, wishes for nothing, comes from our Git, or the script says so. */
function isByproduct(object: K8sObject, made: readonly string[]): boolean {
  const { metadata, kind, spec } = object
  return (
    (metadata.ownerReferences ?? []).length > 0 ||
    spec === undefined ||
    Object.keys(spec ?? {}).length === 0 ||
    metadata.labels?.['app.kubernetes.io/part-of'] === ourLabels['app.kubernetes.io/part-of'] ||
    /^homelab:/.test(metadata.annotations?.['argocd.argoproj.io/tracking-id'] ?? '') ||
    made.includes(`${kind.toLowerCase()}/${nameOf(object)}`)
  )
}

/** k3s puts back what it has brought; to delete it would change nothing for long. */
function isForeign({ metadata }: K8sObject): boolean {
  return Object.keys(metadata.annotations ?? {}).some(key => key.startsWith('objectset.rio.cattle.io/'))
}

async function findObject(cluster: Cluster, object: K8sObject): Promise<K8sObject[]> {
  const found = await cluster.now(object)
  return found ? [found] : []
}

function idOf({ kind, apiVersion, metadata }: K8sObject): string {
  const group = apiVersion.includes('/') ? apiVersion.split('/')[0] : ''
  // Helm says a namespace of what has none.
  const namespace = kind === 'CustomResourceDefinition' ? '' : (metadata.namespace ?? '')
  return `${group}/${kind}/${namespace}/${metadata.name}`
}

/** `2 Deployments, 1 Job` */
export function counted(objects: readonly K8sObject[]): string {
  const counts = new Map<string, number>()
  for (const { kind } of objects) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return [...counts]
    .map(([kind, n]) => `${n} ${n === 1 ? kind : `${kind}${kind.endsWith('s') ? 'es' : 's'}`}`)
    .join(', ')
}

/** The kinds through which the API server asks somebody else. */
export const answerers =
  'validatingwebhookconfigurations.admissionregistration.k8s.io,' +
  'mutatingwebhookconfigurations.admissionregistration.k8s.io,' +
  'apiservices.apiregistration.k8s.io'

/** Those of them that answer from one of these namespaces: without their pods they only block. */
export function orphans(answering: readonly K8sObject[], namespaces: readonly string[]): K8sObject[] {
  const from = (service: unknown) => namespaces.includes(textAt(service, 'namespace') ?? '')
  return answering.filter(object => {
    const hooks = listAt(object, 'webhooks').map(hook => at(hook, 'clientConfig', 'service'))
    return hooks.length ? hooks.every(from) : from(at(object.spec, 'service'))
  })
}

/** What is requested of a volume, for the count: `2Gi`. */
export function sizeOf(claim: K8sObject): string {
  return mapAt(claim.spec, 'resources', 'requests').storage ?? '?'
}
