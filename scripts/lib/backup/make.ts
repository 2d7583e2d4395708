// Makes one backup now, waits for it, and says what is in it.
import type { Cluster } from '../cluster.ts'
import { exit, HomelabError } from '../errors.ts'
import { at, type K8sObject, listAt, stampOf, textAt } from '../k8s.ts'
import { nearest } from '../site/read.ts'
import type { Site } from '../site/site.ts'
import { causeOf } from './causes.ts'
import { archiveSize, type Place, type Resources, type Results, resources, results } from './download.ts'
import { asBackup, type Backup, hasEnded, kinds, namespace, progressOf, requireLocation, volumesOf } from './velero.ts'

export interface Contents {
  backup: Backup
  /** Objects by namespace; `cluster` for those that have none. */
  byNamespace: Readonly<Record<string, number>>
  byKind: Readonly<Record<string, number>>
  claims: number
  volumes: { done: number; failed: string[]; bytes: number }
  /** Of the archive with the objects, in bytes. */
  size?: number
  results: Results
  /** Why some of this is not known. */
  unread?: string
}

/** The schedule's own settings, so that a backup by hand is no lesser one. */
async function template(cluster: Cluster): Promise<Record<string, unknown>> {
  const schedule = await cluster.find(`schedules.velero.io/${namespace}/velero-daily`)
  return (at(schedule?.spec, 'template') ?? { ttl: '720h', snapshotVolumes: false }) as Record<string, unknown>
}

/**
 * Refuses a namespace that is not there: Velero would make an empty backup and call it completed.
 * @throws HomelabError (exit 2)
 */
export async function requireNamespaces(cluster: Cluster, wanted: readonly string[]): Promise<void> {
  if (!wanted.length) return
  const there = (await cluster.list('namespaces', { metadataOnly: true })).map(({ metadata }) => metadata.name)
  const missing = wanted.filter(one => !there.includes(one))
  if (!missing.length) return
  const near = nearest(missing[0] ?? '', there)
  throw new HomelabError({
    what: `there is no namespace ${missing.join(', ')}`,
    fix: near ? `did you mean ${near}?` : 'kubectl get namespaces',
    code: exit.usage,
  })
}

/**
 * @param namespaces empty: the whole cluster
 * @throws HomelabError when the location is unavailable, or the backup fails
 */
export async function makeBackup(
  { cluster, site }: { cluster: Cluster; site: Site },
  namespaces: readonly string[],
  say: (text: string) => void,
): Promise<Contents> {
  await requireLocation(cluster, say)
  await requireNamespaces(cluster, namespaces)
  const name = `manual-${stampOf(cluster.serverTime())}`
  const object: K8sObject = {
    apiVersion: 'velero.io/v1',
    kind: 'Backup',
    metadata: { name, namespace, labels: { 'app.kubernetes.io/managed-by': 'homelab' } },
    spec: {
      ...(await template(cluster)),
      storageLocation: 'default',
      ...(namespaces.length ? { includedNamespaces: namespaces } : {}),
      // A sandbox's volumes hold no bytes, and its node agents are no programs: Velero would wait for them for hours.
      ...(site.sandbox ? { defaultVolumesToFsBackup: false } : {}),
    },
  }
  await cluster.create(object)
  const ended = await waitFor(cluster, object, 'itemsBackedUp', say)
  const backup = asBackup(ended)
  if (backup.phase === 'Failed' || backup.phase === 'FailedValidation')
    throw new HomelabError({ what: `the backup ${name} failed`, ...causeOf(reasonOf(ended)) })
  say('reading what is in it')
  return contentsOf({ cluster, site }, backup)
}

/** What Velero says about why something failed. */
export const reasonOf = (object: K8sObject): string =>
  [...listAt(object.status, 'validationErrors'), textAt(object.status, 'failureReason') ?? ''].join('; ')

/**
 * Until Velero is through with a backup or a restore.
 * @throws HomelabError when nobody takes it up
 */
export async function waitFor(
  cluster: Cluster,
  object: K8sObject,
  done: 'itemsBackedUp' | 'itemsRestored',
  say: (text: string) => void,
): Promise<K8sObject> {
  const begin = Date.now()
  for (;;) {
    const now = await cluster.now(object)
    if (now && hasEnded(now)) return now
    if (!now)
      throw new HomelabError({
        what: `${object.metadata.name} was deleted while Velero worked on it`,
        fix: 'make backups',
      })
    if (textAt(now.status, 'phase') === undefined && Date.now() - begin > 60_000)
      throw new HomelabError({
        what: `nobody has taken ${object.metadata.name} up for a minute`,
        why: 'Velero’s server does not run, or is still busy with another one',
        fix: 'kubectl -n velero get pods; kubectl -n velero logs deployment/velero --tail=50',
      })
    say(`${object.metadata.name}: ${progressOf(now, done)}`)
    await new Promise(next => setTimeout(next, 500))
  }
}

/** What is in a backup. What this computer cannot read in the bucket is left out, and said. */
export async function contentsOf(place: Place, backup: Backup): Promise<Contents> {
  const { cluster } = place
  const labels = `velero.io/backup-name=${backup.name}`
  const [volumes, list, size, said] = await Promise.allSettled([
    cluster.list(kinds.volume, { namespace, labels }),
    resources(place, 'Backup', backup.name),
    archiveSize(place, backup.name),
    results(place, 'Backup', backup.name),
  ])
  const failed = [list, size, said].find(one => one.status === 'rejected')
  const found = list.status === 'fulfilled' ? list.value : {}
  return {
    backup,
    ...counted(found),
    claims: found['v1/PersistentVolumeClaim']?.length ?? 0,
    volumes: volumesOf(volumes.status === 'fulfilled' ? volumes.value : []),
    ...(size.status === 'fulfilled' ? { size: size.value } : {}),
    results: said.status === 'fulfilled' ? said.value : { errors: [], warnings: [] },
    ...(failed?.status === 'rejected' ? { unread: (failed.reason as Error).message } : {}),
  }
}

/** How many objects by namespace and by kind. Pure. */
export function counted(list: Resources): Pick<Contents, 'byNamespace' | 'byKind'> {
  const byNamespace: Record<string, number> = {}
  const byKind: Record<string, number> = {}
  for (const [kind, names] of Object.entries(list))
    for (const name of names) {
      const owner = name.includes('/') ? (name.split('/')[0] ?? '') : 'cluster'
      byNamespace[owner] = (byNamespace[owner] ?? 0) + 1
      const short = kind.split('/').at(-1) ?? kind
      byKind[short] = (byKind[short] ?? 0) + 1
    }
  return { byNamespace, byKind }
}
