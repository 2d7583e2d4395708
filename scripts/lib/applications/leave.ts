// make remove-app, its part in the cluster: the application goes with what it made; its volumes and namespace stay.
import { setTimeout as pause } from 'node:timers/promises'
import type { Cluster } from '../cluster.ts'
import { exit, HomelabError } from '../errors.ts'
import { type K8sObject, listAt, textAt } from '../k8s.ts'
import { askToLook, cascade, endRetries, isAsked, kind, parent } from './read.ts'

const options = 'argocd.argoproj.io/sync-options'

export interface Leaving {
  application: K8sObject
  /** What goes, as `Kind namespace/name`. */
  goes: string[]
  /** Volumes of its namespace, which stay. */
  volumes: K8sObject[]
}

/**
 * What deleting it would take along; undefined when the cluster has no such application.
 * @throws HomelabError (exit 2) while Git still has it: the parent would make it anew
 */
export async function readLeaving(cluster: Cluster, name: string): Promise<Leaving | undefined> {
  if (name === parent)
    throw new HomelabError({
      what: `${parent} is the parent of all applications`,
      fix: './bootstrap/07-argocd.ts --uninstall takes Argo CD off, and nothing that it brought',
      code: exit.usage,
    })
  const application = await cluster.find(`application/argocd/${name}`)
  if (!application) return undefined
  const namespace = textAt(application.spec, 'destination', 'namespace') ?? ''
  const [above, volumes] = await Promise.all([
    refreshed(cluster),
    cluster.list('persistentvolumeclaims', { namespace }),
  ])
  const entry = listAt(above?.status, 'resources').find(
    one => textAt(one, 'kind') === 'Application' && textAt(one, 'name') === name,
  )
  // The parent prunes nothing: what left Git stays in its list, marked so.
  const left = entry === undefined || (entry as { requiresPruning?: boolean }).requiresPruning === true
  if (!left)
    throw new HomelabError({
      what: `Git still has the application ${name}, as Argo CD sees it`,
      why: 'the parent would make it anew at once',
      fix: 'git push, then the same command again',
      code: exit.usage,
    })
  const goes = listAt(application.status, 'resources')
    .filter(one => textAt(one, 'kind') !== 'PersistentVolumeClaim')
    .map(one => `${textAt(one, 'kind')} ${[textAt(one, 'namespace'), textAt(one, 'name')].filter(Boolean).join('/')}`)
  return { application, goes, volumes: volumes.filter(one => ownerOf(one, application)) }
}

/** Claims that it made, and those of its namespace if nobody else lives there. */
function ownerOf(claim: K8sObject, application: K8sObject): boolean {
  const made = listAt(application.status, 'resources').some(
    one => textAt(one, 'kind') === 'PersistentVolumeClaim' && textAt(one, 'name') === claim.metadata.name,
  )
  return made || claim.metadata.namespace === application.metadata.name
}

/** The parent as it is when it has looked at Git again. */
async function refreshed(cluster: Cluster): Promise<K8sObject | undefined> {
  const ref = `${kind}/argocd/${parent}`
  const found = await cluster.find(ref)
  if (!found) return undefined
  await askToLook(cluster, found)
  for (let i = 0; i < 30; i++) {
    await pause(500)
    const now = await cluster.find(ref)
    if (!now || !isAsked(now)) return now
  }
  throw new HomelabError({
    what: 'Argo CD does not look at Git',
    why: `the parent ${parent} was asked to, 15 s ago`,
    fix: 'kubectl -n argocd get pods',
  })
}

/**
 * Deletes it, and waits until Argo CD has deleted what it made. Volumes stay, whatever the manifests say.
 * @param seconds how long to wait
 * @returns whether it is gone
 */
export async function leave(cluster: Cluster, { application, volumes }: Leaving, seconds: number): Promise<boolean> {
  for (const claim of volumes) {
    const now = claim.metadata.annotations?.[options] ?? ''
    if (!now.split(',').includes('Delete=false'))
      await cluster.patch(claim, {
        metadata: { annotations: { [options]: [now, 'Delete=false'].filter(Boolean).join(',') } },
      })
  }
  await cluster.finalizers(application, [cascade])
  await cluster.delete(application)
  const ref = `${kind}/argocd/${application.metadata.name}`
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await pause(500)) {
    const now = await cluster.find(ref)
    if (now === undefined) return true
    await endRetries(cluster, now)
  }
  return false
}
