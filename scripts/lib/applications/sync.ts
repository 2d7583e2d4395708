// make sync: has Argo CD look at Git now and not at its next poll, and waits until what it finds there is applied.
import { setTimeout as pause } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Cluster } from '../cluster.ts'
import { sourceHere } from '../gitops/application.ts'
import { judge, Snapshot } from '../health/judge.ts'
import { at, type K8sObject, listAt, textAt } from '../k8s.ts'
import { askToLook, chooseApplication, endRetries, isAsked, parent, readApplications } from './read.ts'

/** What became of one application. */
export interface Synced {
  name: string
  /** The versions that it was at before and is at now: commits, and versions of charts. */
  from: string[]
  to: string[]
  /** Objects that differed from Git meanwhile, as `Kind/name`: these were changed. */
  touched: string[]
  synced: boolean
  /** Of the parent: applications that left Git and are still there. */
  left: string[]
  health: string
  cause?: string
  fix?: string
}

/** Milliseconds between two looks. */
const pace = 400

/**
 * @param only one application; the parent is synced first in any case, because it may change it
 * @param commit what the branch is at, where that is known
 * @param limit milliseconds to wait
 * @param progress told what is still missing
 */
export async function syncNow(
  cluster: Cluster,
  { only, commit, limit }: { only?: string; commit?: string; limit: number },
  progress: (waiting: string[]) => void,
): Promise<Synced[]> {
  const started = await readApplications(cluster)
  if (only !== undefined) chooseApplication(started, only)
  const wanted = (name: string) => only === undefined || name === only || name === parent
  const before = new Map(started.map(one => [one.metadata.name, versions(one)]))
  const touched = new Map<string, Set<string>>()
  const asked = new Set<string>()
  const retried = new Set<string>()
  const deadline = Date.now() + limit
  let now = started
  for (;;) {
    // The new ones too, which the parent has made meanwhile: nobody knows when Argo CD would look at them.
    const due = now.filter(({ metadata }) => wanted(metadata.name) && !asked.has(metadata.name))
    await Promise.all(due.map(one => askToLook(cluster, one)))
    for (const { metadata } of due) asked.add(metadata.name)
    await pause(pace)
    now = (await readApplications(cluster)).filter(({ metadata }) => wanted(metadata.name))
    for (const one of now) note(one, touched)
    const waiting = now.filter(one => !arrived(one, commit))
    if (!waiting.length || Date.now() > deadline) break
    progress(waiting.map(({ metadata }) => metadata.name))
    for (const one of waiting)
      if (behind(one)) await endRetries(cluster, one)
      else if (gaveUp(one) && !retried.has(one.metadata.name)) {
        retried.add(one.metadata.name)
        await startSync(cluster, one)
      }
  }
  const snapshot = new Snapshot(now, { now: new Date() })
  return now.map(one => {
    const { name } = one.metadata
    const synced = arrived(one, commit)
    const { cause, fix } = judge(one, snapshot)
    return {
      left: name === parent ? left(one) : [],
      ...{ name, synced, from: before.get(name) ?? [], to: versions(one), touched: [...(touched.get(name) ?? [])] },
      health: textAt(one.status, 'health', 'status') ?? 'Unknown',
      ...(cause === undefined ? {} : { cause }),
      ...(fix === undefined ? {} : { fix }),
    }
  })
}

/** What its sources were at when it was last compared. */
function versions({ status }: K8sObject): string[] {
  const several = listAt(status, 'sync', 'revisions').map(String)
  return several.length ? several : [textAt(status, 'sync', 'revision') ?? ''].filter(Boolean)
}

/** Compared with Git since it was asked, as it is to be now, and the same as there. */
function arrived(application: K8sObject, commit: string | undefined): boolean {
  const { status, metadata } = application
  if (isAsked(application)) return false
  if (textAt(status, 'sync', 'status') !== 'Synced' && !(metadata.name === parent && left(application).length))
    return false
  const field = listAt(application.spec, 'sources').length ? 'sources' : 'source'
  if (!isDeepStrictEqual(at(status, 'sync', 'comparedTo', field), at(application.spec, field))) return false
  const here = metadata.name === parent ? { pointer: '/spec/source' } : sourceHere(application)
  if (commit === undefined || here === undefined) return true
  return versions(application)[Number(here.pointer.split('/').at(-1)) || 0] === commit
}

/**
 * The applications that left Git and are still there, where nothing else keeps the parent from being as Git says: it
 * prunes nothing, an application leaves by `make remove-app`.
 */
export function left({ status }: K8sObject): string[] {
  const differing = listAt(status, 'resources').filter(one => textAt(one, 'status') === 'OutOfSync')
  const gone = differing.filter(one => at(one, 'requiresPruning') === true)
  return gone.length === differing.length ? gone.flatMap(one => textAt(one, 'name') ?? []) : []
}

/** It still tries what it began before this commit. */
function behind({ status }: K8sObject): boolean {
  const of = textAt(status, 'operationState', 'operation', 'sync', 'revision')
  const now = textAt(status, 'sync', 'revision')
  return of !== undefined && now !== undefined && now !== '' && of !== now
}

/** Argo CD tries an automatic sync of one commit once (and again as its retries say): after that nothing happens. */
function gaveUp(application: K8sObject): boolean {
  const { status } = application
  const phase = textAt(status, 'operationState', 'phase')
  return (
    !isAsked(application) &&
    textAt(status, 'sync', 'status') === 'OutOfSync' &&
    at(application, 'operation') === undefined &&
    (phase === 'Failed' || phase === 'Error')
  )
}

function startSync(cluster: Cluster, application: K8sObject): Promise<boolean> {
  const { prune } = (at(application.spec, 'syncPolicy', 'automated') ?? {}) as { prune?: boolean }
  const sync = { prune: prune === true, syncOptions: listAt(application.spec, 'syncPolicy', 'syncOptions') }
  return cluster.patch(application, { operation: { initiatedBy: { username: 'make sync' }, sync } })
}

function note({ status, metadata }: K8sObject, touched: Map<string, Set<string>>): void {
  for (const resource of listAt(status, 'resources'))
    if (textAt(resource, 'status') === 'OutOfSync') {
      const names = touched.get(metadata.name) ?? new Set()
      touched.set(metadata.name, names.add(`${textAt(resource, 'kind')}/${textAt(resource, 'name')}`))
    }
}
