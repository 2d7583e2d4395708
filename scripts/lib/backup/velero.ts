// Velero's objects as the commands read them. https://velero.io/docs/main/api-types/
import type { Cluster } from '../cluster.ts'
import { HomelabError } from '../errors.ts'
import { at, type K8sObject, listAt, mapAt, numberAt, textAt, timeAt } from '../k8s.ts'
import { locationCause } from './causes.ts'

export const namespace = 'velero'
export const kinds = {
  location: 'backupstoragelocations.velero.io',
  backup: 'backups.velero.io',
  restore: 'restores.velero.io',
  volume: 'podvolumebackups.velero.io',
} as const

export interface Backup {
  name: string
  phase: string
  /** Milliseconds since 1970. */
  started: number
  expires?: number
  /** Empty: all. */
  namespaces: readonly string[]
  schedule?: string
  items: number
  warnings: number
  errors: number
  object: K8sObject
}

export function asBackup(object: K8sObject): Backup {
  const { status, spec, metadata } = object
  const expires = timeAt(status, 'expiration')
  const schedule = mapAt(metadata, 'labels')['velero.io/schedule-name']
  return {
    name: metadata.name,
    phase: textAt(status, 'phase') ?? 'New',
    started: timeAt(status, 'startTimestamp') ?? timeAt(metadata, 'creationTimestamp') ?? 0,
    ...(expires === undefined ? {} : { expires }),
    ...(schedule === undefined ? {} : { schedule }),
    namespaces: listAt(spec, 'includedNamespaces')
      .map(String)
      .filter(one => one !== '*'),
    items: numberAt(status, 'progress', 'itemsBackedUp'),
    warnings: numberAt(status, 'warnings'),
    errors: numberAt(status, 'errors'),
    object,
  }
}

/** Whether all of it can be restored. */
export const isGood = ({ phase }: Backup): boolean => phase === 'Completed'

const ends = ['Completed', 'PartiallyFailed', 'Failed', 'FailedValidation']
export const hasEnded = (object: K8sObject | undefined): boolean => ends.includes(textAt(object?.status, 'phase') ?? '')

/** The newest good one first, then the others, each by age: what an owner would reach for stands on top. */
export function sorted(backups: readonly Backup[]): Backup[] {
  const byAge = [...backups].sort((a, b) => b.started - a.started)
  const best = byAge.find(isGood)
  return best ? [best, ...byAge.filter(one => one !== best)] : byAge
}

export interface Location {
  available: boolean
  /** `homelab-backups/prod at http://192.168.1.20:9000` */
  where: string
  message: string
  /** When Velero last looked, milliseconds since 1970. */
  looked: number
}

export function asLocation({ spec, status }: K8sObject): Location {
  const bucket = textAt(spec, 'objectStorage', 'bucket') ?? ''
  const prefix = textAt(spec, 'objectStorage', 'prefix')
  const server = textAt(spec, 'config', 's3Url')
  return {
    available: textAt(status, 'phase') === 'Available',
    where: bucket ? `${bucket}${prefix ? `/${prefix}` : ''}${server ? ` at ${server}` : ''}` : '',
    message: textAt(status, 'message') ?? '',
    looked: timeAt(status, 'lastValidationTime') ?? 0,
  }
}

/**
 * Where backups go.
 * @throws HomelabError when Velero is not there
 */
export async function readLocation(cluster: Cluster): Promise<Location> {
  const found = await cluster.find(`${kinds.location}/${namespace}/default`)
  if (found) return asLocation(found)
  const application = await cluster.find('applications.argoproj.io/argocd/velero')
  throw new HomelabError({
    what: 'Velero is not there yet',
    why: application
      ? `its application is ${textAt(application.status, 'health', 'status') ?? 'not synced'}: ${textAt(application.status, 'operationState', 'message') ?? 'Argo CD has not come to it'}`
      : 'the cluster has neither its storage location nor its application',
    fix: application ? 'kubectl -n argocd describe application velero' : 'make install',
  })
}

/** Velero looks at its location once a minute; a stale answer may be wrong either way. */
const staleAfter = 15_000

/**
 * Waits for one fresh look where the last one said no.
 * @throws HomelabError with the cause while it is unavailable
 */
export async function requireLocation(cluster: Cluster, say: (text: string) => void): Promise<Location> {
  const deadline = Date.now() + 90_000
  const first = await readLocation(cluster)
  let location = first
  while (!location.available && Date.now() < deadline) {
    const fresh = location.looked !== first.looked || cluster.serverTime() - location.looked < staleAfter
    if (fresh && location.looked > 0) break
    say('the storage location is unavailable: waiting for Velero’s next look at it, up to a minute')
    await new Promise(done => setTimeout(done, 1000))
    location = await readLocation(cluster)
  }
  if (location.available) return location
  if (location.looked > 0 && cluster.serverTime() - location.looked > 5 * 60_000)
    throw new HomelabError({
      what: 'nobody looks at the storage location of the backups any more',
      why: `Velero last did so at ${new Date(location.looked).toISOString()}: its server does not run`,
      fix: 'kubectl -n velero get pods',
    })
  throw new HomelabError({ what: 'the storage location of the backups is unavailable', ...locationCause(location) })
}

/** Bytes and number of the volumes that a backup has read. */
export function volumesOf(objects: readonly K8sObject[]): { done: number; failed: string[]; bytes: number } {
  const phase = (one: K8sObject) => textAt(one.status, 'phase')
  return {
    done: objects.filter(one => phase(one) === 'Completed').length,
    bytes: objects.reduce((sum, one) => sum + numberAt(one.status, 'progress', 'totalBytes'), 0),
    failed: objects
      .filter(one => phase(one) === 'Failed')
      .map(
        one =>
          `${textAt(one.spec, 'pod', 'namespace')}/${textAt(one.spec, 'pod', 'name')} ${textAt(one.spec, 'volume')}: ${textAt(one.status, 'message') ?? 'no reason given'}`,
      ),
  }
}

/** `12 of 40` as far as it is known. */
export function progressOf(object: K8sObject | undefined, done: 'itemsBackedUp' | 'itemsRestored'): string {
  const total = numberAt(object?.status, 'progress', 'totalItems')
  return total
    ? `${numberAt(object?.status, 'progress', done)} of ${total} objects`
    : String(at(object?.status, 'phase') ?? 'waiting for Velero to begin')
}
