// What Argo CD says of its applications, and waiting for it: Synced and Healthy, or the cause and the way out.
import { setTimeout as sleep } from 'node:timers/promises'
import { askToLook, kind } from '../../applications/read.ts'
import type { Cluster } from '../../cluster.ts'
import { HomelabError } from '../../errors.ts'
import { judge, Snapshot } from '../../health/judge.ts'
import { type K8sObject, listAt, textAt, timeAt } from '../../k8s.ts'
import { elapsed, type Report } from '../report.ts'

export const argocd = 'argocd'

export interface State {
  name: string
  wave: number
  settled: boolean
  /** Something else must change first: it will not get there by itself. */
  stuck: boolean
  /** What it waits for, in one line. */
  why: string
  fix?: string
  /** When Argo CD made it, and when its first sync ended: milliseconds since 1970. */
  made: number
  synced: number
}

/** How an application is. @param revision the commit that it must have compared with, when it has this repository as a source */
export function stateOf(
  application: K8sObject,
  revision?: string,
  snapshot = new Snapshot([], { now: new Date() }),
): State {
  const { name, annotations = {}, creationTimestamp = '' } = application.metadata
  const { status } = application
  const compared = [textAt(status, 'sync', 'revision'), ...listAt(status, 'sync', 'revisions')]
  const current = revision === undefined || compared.includes(revision)
  const { state, cause, fix } = judge(application, snapshot)
  return {
    name,
    wave: Number(annotations['argocd.argoproj.io/sync-wave'] ?? 0),
    settled: current && state === 'ready',
    stuck: state === 'unwell',
    why: cause ?? `${name} is Synced and Healthy${current ? '' : ', at an older commit'}`,
    ...(fix === undefined ? {} : { fix }),
    made: Date.parse(creationTimestamp),
    // Its first sync: later ones heal, or follow a commit. One that brings nothing (no sealed file yet) needs none.
    synced:
      timeAt(listAt(status, 'history')[0], 'deployedAt') ??
      (textAt(status, 'sync', 'status') === 'Synced' ? Date.parse(creationTimestamp) : Number.NaN),
  }
}

export async function applications(cluster: Cluster): Promise<K8sObject[]> {
  return cluster.list(kind, { namespace: argocd })
}

/** Argo CD looks into Git now, not at its next poll. */
export async function refresh(cluster: Cluster, names: readonly string[]): Promise<void> {
  for (const application of await applications(cluster))
    if (names.includes(application.metadata.name)) await askToLook(cluster, application)
}

/**
 * Waits until all of them are Synced and Healthy.
 * @param names which; the others do not count
 * @param patience seconds
 * @throws HomelabError with what each of the rest waits for, when the time is over
 */
export async function settled(
  cluster: Cluster,
  names: readonly string[],
  what: string,
  report: Report,
  patience = 240,
): Promise<State[]> {
  const begin = Date.now()
  const said = new Map<string, { why: string; since: number }>()
  for (;;) {
    const found = (await applications(cluster)).map(one => stateOf(one)).filter(({ name }) => names.includes(name))
    const open = found.filter(one => !one.settled)
    const missing = names.filter(name => !found.some(one => one.name === name))
    if (!open.length && !missing.length) return found
    const [first] = open
    const rest = first ? first.why : `Argo CD has not made ${missing[0]} yet`
    report(`${what} · ${found.length - open.length} of ${names.length} · ${elapsed(begin)} · ${rest}`)
    if (Date.now() - begin > patience * 1000) throw await unsettled(cluster, what, open, missing, patience)
    // It may miss that a kind was established or a claim bound, and then looks again after minutes: as `make sync` asks. Each
    // look compares everything: only those are asked of which nothing new was said for two seconds.
    const now = Date.now()
    for (const { name, why } of open) if (said.get(name)?.why !== why) said.set(name, { why, since: now })
    const silent = open.filter(({ name }) => now - (said.get(name)?.since ?? now) > 2000)
    for (const { name, why } of silent) said.set(name, { why, since: now })
    if (silent.length)
      await refresh(
        cluster,
        silent.map(({ name }) => name),
      )
    await sleep(400)
  }
}

/** What an application may wait for. */
const waitedFor =
  'pods,persistentvolumeclaims,deployments.apps,statefulsets.apps,daemonsets.apps,jobs.batch,ingresses.networking.k8s.io,customresourcedefinitions.apiextensions.k8s.io,events'

async function unsettled(
  cluster: Cluster,
  what: string,
  open: readonly State[],
  missing: readonly string[],
  patience: number,
): Promise<HomelabError> {
  const snapshot = new Snapshot(await cluster.list(waitedFor), { now: new Date() })
  const all = await applications(cluster)
  const now = open.flatMap(({ name }) => {
    const found = all.find(({ metadata }) => metadata.name === name)
    return found ? [stateOf(found, undefined, snapshot)] : []
  })
  const why = [...now.map(one => one.why), ...(missing.length ? [`never made: ${missing.join(', ')}`] : [])]
  return new HomelabError({
    what: `${what}: not all applications are Synced and Healthy after ${patience} s`,
    why: why.join('\n'),
    fix: now.find(one => one.fix)?.fix ?? 'make rehearse KEEP=1, then look at them: kubectl -n argocd get applications',
  })
}

/**
 * Whether the waves followed one another: none of a wave was made before all of the earlier ones had been synced.
 * @returns those that were early
 */
export function early(states: readonly State[]): string[] {
  return states.flatMap(late => {
    const before = states.filter(
      one => one.wave < late.wave && !(Math.floor(one.synced / 1000) <= Math.floor(late.made / 1000)),
    )
    return before.map(
      one => `${late.name} (wave ${late.wave}) was made before ${one.name} (wave ${one.wave}) was synced`,
    )
  })
}
