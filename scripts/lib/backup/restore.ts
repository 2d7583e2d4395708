// Brings objects back from a backup: what would come back and what is there already, then the restore itself.
import type { Cluster } from '../cluster.ts'
import { exit, HomelabError } from '../errors.ts'
import { clusterNamespaces, type K8sObject, stampOf, textAt } from '../k8s.ts'
import { nearest } from '../site/read.ts'
import { causeOf } from './causes.ts'
import { type Place, type Resources, type Results, resources, results } from './download.ts'
import { reasonOf, waitFor } from './make.ts'
import { asBackup, type Backup, kinds, namespace, sorted } from './velero.ts'

/** Of the cluster itself, or what the restore runs on: a restore of everything leaves them alone. */
export const systemNamespaces = [...clusterNamespaces.filter(one => one !== 'default'), namespace]

/** Made anew by their owners, and of no use beside the new ones. */
const derived =
  /^(v1\/(Pod|Event|Endpoints)|apps\/v1\/(ReplicaSet|ControllerRevision)|discovery\.k8s\.io\/v1\/EndpointSlice|events\.k8s\.io\/v1\/Event)$/

/** The same of single objects: every namespace is given this one when it is made, so Velero can never bring its own. */
const derivedName = /\/kube-root-ca\.crt$/

/** Velero's own list of what it never brings back, as far as it is in backups. */
const never =
  /^(v1\/Node|storage\.k8s\.io\/v1\/(CSINode|VolumeAttachment)|velero\.io\/v\d\w*\/(Backup|Restore|BackupRepository))$/

export interface Intended {
  backup: Backup
  /** Empty: all but the system's. */
  namespaces: readonly string[]
  /** `kind namespace/name` */
  missing: string[]
  existing: string[]
}

/**
 * The backup of that name, or the newest good one that has all of the namespaces.
 * @throws HomelabError (exit 2) when there is none
 */
export async function chooseBackup(
  cluster: Cluster,
  name: string | undefined,
  wanted: readonly string[],
): Promise<Backup> {
  const all = sorted((await cluster.list(kinds.backup, { namespace })).map(asBackup))
  const usable = all.filter(({ phase }) => phase === 'Completed' || phase === 'PartiallyFailed')
  if (name !== undefined) {
    const found = all.find(one => one.name === name)
    if (found && usable.includes(found)) return found
    const near = nearest(
      name,
      usable.map(one => one.name),
    )
    throw new HomelabError({
      what: found
        ? `the backup ${name} is ${found.phase}: nothing can be restored from it`
        : `there is no backup ${name}`,
      fix: near && near !== name ? `did you mean ${near}? make backups lists them` : 'make backups lists them',
      code: exit.usage,
    })
  }
  const has = (one: Backup) => wanted.every(each => !one.namespaces.length || one.namespaces.includes(each))
  const whole = wanted.length ? has : (one: Backup) => !one.namespaces.length
  const [best] = usable.filter(whole)
  if (best) return best
  throw new HomelabError({
    what: wanted.length ? `no backup has ${wanted.join(', ')}` : 'there is no backup of the whole cluster',
    why: usable.length
      ? `${usable.length} backups are there, of other namespaces`
      : 'there is none that could be restored',
    fix: 'make backups lists them; a bucket with older ones shows up within a minute of its first use',
    code: exit.usage,
  })
}

/** What a backup has for those namespaces, and which of it is in the cluster now. */
export async function intend(place: Place, backup: Backup, namespaces: readonly string[]): Promise<Intended> {
  const list = await resources(place, 'Backup', backup.name).catch(error => {
    throw new HomelabError({
      what: `the list of what is in ${backup.name} cannot be read`,
      ...causeOf((error as Error).message),
    })
  })
  const wanted = select(list, namespaces)
  if (!Object.keys(wanted).length)
    throw new HomelabError({
      what: `${backup.name} has nothing of ${namespaces.join(', ') || 'the cluster'}`,
      why: `it has ${[...new Set(Object.values(list).flat().map(owner))].filter(Boolean).sort().join(', ') || 'no namespace at all'}`,
      fix: 'make restore BACKUP=… NAMESPACE=… with one of these',
      code: exit.usage,
    })
  const intended: Intended = { backup, namespaces, missing: [], existing: [] }
  await Promise.all(
    Object.entries(wanted).map(async ([kind, names]) => {
      const there = new Set((await objectsOf(place.cluster, kind)).map(nameOf))
      for (const name of names) intended[there.has(name) ? 'existing' : 'missing'].push(`${short(kind)} ${name}`)
    }),
  )
  intended.missing.sort()
  intended.existing.sort()
  return intended
}

/** What of a list a restore of those namespaces is about. Pure. */
export function select(list: Resources, namespaces: readonly string[]): Resources {
  const ours = (name: string) => {
    const place = owner(name)
    return namespaces.length ? namespaces.includes(place) : !systemNamespaces.some(one => one === place)
  }
  return Object.fromEntries(
    Object.entries(list).flatMap(([kind, names]) => {
      if (derived.test(kind) || never.test(kind)) return []
      // What has no namespace comes along with all of the cluster; of a namespace, only itself.
      const some = names.filter(name =>
        name.includes('/')
          ? ours(name) && !derivedName.test(name)
          : kind === 'v1/Namespace'
            ? ours(`${name}/`)
            : !namespaces.length,
      )
      return some.length ? [[kind, some]] : []
    }),
  )
}

const owner = (name: string): string => (name.includes('/') ? (name.split('/')[0] ?? '') : '')
const short = (kind: string): string => kind.split('/').at(-1) ?? kind
const nameOf = ({ metadata }: K8sObject): string =>
  metadata.namespace ? `${metadata.namespace}/${metadata.name}` : metadata.name

/** All objects of a kind, as `apps/v1/Deployment`; none where nobody serves it any more. */
async function objectsOf(cluster: Cluster, kind: string): Promise<K8sObject[]> {
  const parts = kind.split('/')
  const apiVersion = parts.slice(0, -1).join('/')
  const resource = await cluster.api.resourceOf({ apiVersion, kind: parts.at(-1) ?? '' })
  if (!resource) return []
  const group = apiVersion.includes('/') ? `.${apiVersion.split('/')[0]}` : ''
  return cluster.list(`${resource.plural}${group}`, { metadataOnly: true })
}

export interface Restored {
  name: string
  phase: string
  /** `kind namespace/name` by what became of it. */
  created: string[]
  skipped: string[]
  updated: string[]
  failed: string[]
  results: Results
  unread?: string
}

/**
 * @param update also changes what is there already back to the backup's state
 * @throws HomelabError when it fails as a whole
 */
export async function restore(
  place: Place,
  { backup, namespaces }: Intended,
  update: boolean,
  say: (text: string) => void,
): Promise<Restored> {
  const { cluster } = place
  const object: K8sObject = {
    apiVersion: 'velero.io/v1',
    kind: 'Restore',
    metadata: {
      name: `restore-${stampOf(cluster.serverTime())}`,
      namespace,
      labels: { 'app.kubernetes.io/managed-by': 'homelab' },
    },
    spec: {
      backupName: backup.name,
      includedNamespaces: namespaces.length ? namespaces : ['*'],
      ...(namespaces.length ? {} : { excludedNamespaces: systemNamespaces }),
      existingResourcePolicy: update ? 'update' : 'none',
    },
  }
  await cluster.create(object)
  const ended = await waitFor(cluster, object, 'itemsRestored', say)
  const phase = textAt(ended.status, 'phase') ?? ''
  const { name } = object.metadata
  if (phase === 'FailedValidation' || phase === 'Failed')
    throw new HomelabError({ what: `the restore ${name} failed`, ...causeOf(reasonOf(ended)) })
  say('reading what became of it')
  const [list, said] = await Promise.allSettled([resources(place, 'Restore', name), results(place, 'Restore', name)])
  const failed = [list, said].find(one => one.status === 'rejected')
  return {
    ...{ name, phase },
    ...outcome(list.status === 'fulfilled' ? list.value : {}),
    results: said.status === 'fulfilled' ? said.value : { errors: [], warnings: [] },
    ...(failed?.status === 'rejected' ? { unread: (failed.reason as Error).message } : {}),
  }
}

/** `ns/name(created)` sorted by what stands in the brackets. Pure. */
export function outcome(list: Resources): Pick<Restored, 'created' | 'skipped' | 'updated' | 'failed'> {
  const found: Record<string, string[]> = { created: [], skipped: [], updated: [], failed: [] }
  for (const [kind, names] of Object.entries(list))
    for (const text of names) {
      const [, name = text, what = 'created'] = /^(.*)\((\w+)\)$/.exec(text) ?? []
      if (!derivedName.test(name)) found[what]?.push(`${short(kind)} ${name}`)
    }
  for (const all of Object.values(found)) all.sort()
  return found as ReturnType<typeof outcome>
}
