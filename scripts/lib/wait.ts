// Waiting that explains itself: what is waited for, and why it is not there yet, as soon as that is known.
import { type Cluster, parseRef } from './cluster.ts'
import { HomelabError } from './errors.ts'
import { judge } from './health/judge.ts'
import { type Health, oneLine, worst } from './health/judged.ts'
import { Snapshot } from './health/snapshot.ts'
import { at, condition, type K8sObject, listAt, mapAt, textAt } from './k8s.ts'
import type { Run } from './run.ts'
import type { Site } from './site/site.ts'
import type { Step } from './step.ts'
import { addVerdict } from './verdict.ts'

// Image pulls over a home's line take minutes; a rehearsal pulls nothing. Seconds.
// HOMELAB_PATIENCE shortens it: for who tests that waiting ends.
const patience = { cluster: 900, sandbox: 90 }

/** Seconds that a wait may last. */
export function patienceFor(site: Site): number {
  return Number(process.env.HOMELAB_PATIENCE) || (site.sandbox ? patience.sandbox : patience.cluster)
}

// A rehearsal's nodes do not grow: what is unwell for so long stays so. Milliseconds.
const hopeless = 20_000

// Milliseconds between two looks.
const pause = 250

// Most things are ready within seconds; only then is it worth asking why not. Milliseconds.
const explainAfter = 4000

const workloadKinds = ['Deployment', 'StatefulSet', 'DaemonSet']

// What says whether something is ready, and what besides says why not: the second is read only when it is wanted.
const states = 'deployments.apps,statefulsets.apps,daemonsets.apps,services'
const causes = 'replicasets.apps,pods,persistentvolumeclaims,storageclasses.storage.k8s.io,nodes'
const knownCauses = ['ReplicaSet', 'Pod', 'PersistentVolumeClaim', 'StorageClass', 'Node']

/** Reads the cluster's workloads for everybody who waits: one call at a time, whoever asks. */
export class Snapshots {
  readonly #cluster: Cluster
  #next: Promise<Snapshot> | undefined
  #explain = false

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /**
   * A snapshot that was begun after this call (the caller has just written something).
   * @param explain with the warnings of the cluster's events: the cause of what has not happened yet
   */
  fresh(explain: boolean): Promise<Snapshot> {
    this.#explain ||= explain
    this.#next ??= new Promise<Snapshot>((resolve, reject) => {
      setTimeout(() => {
        this.#next = undefined
        this.#read().then(resolve, reject)
      }, pause)
    })
    return this.#next
  }

  async #read(): Promise<Snapshot> {
    const explain = this.#explain
    this.#explain = false
    const lists = explain
      ? [this.#cluster.list(`${states},${causes}`), this.#cluster.list('events', { fields: 'type=Warning' })]
      : [this.#cluster.list(states)]
    const known = [...workloadKinds, 'Service', ...(explain ? knownCauses : [])]
    return new Snapshot((await Promise.all(lists)).flat(), { known })
  }
}

/**
 * Waits until something is healthy: `workloads/NAMESPACE` for all that run in a namespace, else `kind/name` or
 * `kind/namespace/name`.
 * @throws HomelabError with the cause when the time is over
 */
export async function waitFor(run: Run, step: Step, ref: string): Promise<void> {
  const limit = patienceFor(run.site)
  const started = Date.now()
  const deadline = started + limit * 1000
  let wellUntil = started
  for (;;) {
    run.checkpoint()
    const health = await look(run, ref, Date.now() - started > explainAfter)
    if (health.state === 'ready') {
      addVerdict(run, step, ref)
      return
    }
    run.reporter.doing(step.id, `waiting for ${ref}${health.cause ? `: ${health.cause}` : ''}`)
    if (health.state !== 'unwell') wellUntil = Date.now()
    if (Date.now() > deadline || (run.site.sandbox && Date.now() - wellUntil > hopeless))
      throw new HomelabError({
        what: `${ref} is not ready after ${Math.round((Date.now() - started) / 1000)} s`,
        why: health.cause ?? 'no cause is known',
        fix: health.fix ?? `./bootstrap/${step.id}.ts goes on from here; make status shows the whole`,
      })
    if (!isWorkload(ref)) await new Promise(resolve => setTimeout(resolve, pause))
  }
}

function isWorkload(ref: string): boolean {
  return /^(workloads|deployment|statefulset|daemonset|service)\//.test(ref)
}

async function look(run: Run, ref: string, explain: boolean): Promise<Health> {
  if (!isWorkload(ref)) return judgeRef(run.cluster, ref)
  const snapshot = await run.snapshots.fresh(explain)
  const { kind, namespace, name } = parseRef(ref)
  if (kind === 'workloads') {
    const all = workloadKinds
      .flatMap(one => snapshot.of(one))
      .filter(object => object.metadata.namespace === name && at(object.spec, 'replicas') !== 0) // 0: meant to be off
    return all.length ? worstOf(all, snapshot) : { state: 'missing', cause: `nothing runs in ${name} yet` }
  }
  const found = snapshot.objects.find(
    object =>
      object.kind.toLowerCase() === kind && object.metadata.namespace === namespace && object.metadata.name === name,
  )
  return found ? judge(found, snapshot) : { state: 'missing', cause: 'it does not exist yet' }
}

/**
 * Says why a namespace's pods are not there yet, while somebody else waits for them: helm for a chart's hooks.
 * @returns ends it
 */
export function explain(run: Run, step: Step, namespace: string, doing: string): () => void {
  let over = false
  const look = async (): Promise<void> => {
    await new Promise(resolve => setTimeout(resolve, explainAfter).unref())
    while (!over) {
      const snapshot = await run.snapshots.fresh(true)
      const cause = whyNotRunning(snapshot, namespace)
      if (cause && !over) run.reporter.doing(step.id, `${doing}: ${cause}`)
      await new Promise(resolve => setTimeout(resolve, 1000).unref())
    }
  }
  look().catch(() => {}) // an explanation that fails is none; helm's own error follows
  return () => {
    over = true
  }
}

/** What keeps a namespace's pods from running, or from being made at all. */
function whyNotRunning(snapshot: Snapshot, namespace: string): string | undefined {
  return ['Pod', ...workloadKinds]
    .flatMap(kind => snapshot.of(kind))
    .filter(object => object.metadata.namespace === namespace)
    .map(object => judge(object, snapshot))
    .find(health => health.state !== 'ready')?.cause
}

/** The namespace of the webhook that a failure speaks of: https://SERVICE.NAMESPACE.svc:443/… */
export function webhookNamespace(words: string): string | undefined {
  return /failed calling webhook.*https:\/\/[^./]+\.([^./:]+)\.svc/s.exec(words)?.[1]
}

/** The failure of a write with what is behind it, where that can be seen: a webhook without pods, a kind that clashes. */
export async function withCause(run: Run, error: unknown): Promise<unknown> {
  if (!(error instanceof HomelabError)) return error
  return (await behindKind(run.cluster, error)) ?? behindWebhook(run, error)
}

/** A kind is not served because another has one of its names: only one of them can be. */
async function behindKind(cluster: Cluster, error: HomelabError): Promise<HomelabError | undefined> {
  const kind = /no matches for kind "([^"]+)"/.exec(error.why ?? '')?.[1]
  if (kind === undefined) return undefined
  const definitions = await cluster.list('customresourcedefinitions.apiextensions.k8s.io').catch(() => [])
  const own = definitions.find(one => textAt(one.spec, 'names', 'kind') === kind)
  const refused = own && condition(own, 'NamesAccepted')
  if (!own || refused?.status !== 'False') return undefined
  const names = new Set(namesOf(own))
  const group = (one: K8sObject) => textAt(one.spec, 'group')
  const holder = definitions.find(
    one => one !== own && group(one) === group(own) && namesOf(one).some(name => names.has(name)),
  )?.metadata.name
  return new HomelabError({
    what: error.what,
    why: `the kind ${own.metadata.name} is not served: ${oneLine(refused.message)}${holder ? `, by ${holder}` : ''}`,
    fix: holder
      ? `kubectl get ${holder} -A; when nothing needs them: kubectl delete crd ${holder}, and the same command again`
      : 'kubectl get crd',
    code: error.code,
    cause: error,
  })
}

/** All names under which a kind can be asked for. */
function namesOf(definition: K8sObject): string[] {
  const names = mapAt(definition.spec, 'names')
  return [names.plural, names.singular, ...listAt(definition.spec, 'names', 'shortNames').map(String)].flatMap(name =>
    name ? [name] : [],
  )
}

/** A webhook does not answer because its pods are not there: the cause of that is the failure's. */
async function behindWebhook(run: Run, error: HomelabError): Promise<HomelabError> {
  const namespace = webhookNamespace(error.why ?? '')
  if (namespace === undefined) return error
  const cause = await run.snapshots.fresh(true).then(
    snapshot => whyNotRunning(snapshot, namespace),
    () => undefined,
  )
  if (cause === undefined) return error
  const { what, why, code } = error
  return new HomelabError({
    what,
    why: `${cause}; so: ${why}`,
    fix: `kubectl get events -n ${namespace}`,
    code,
    cause: error,
  })
}

/** The health of the worst of several objects, its name in the cause. */
function worstOf(objects: readonly K8sObject[], snapshot: Snapshot): Health {
  const all = objects.map(object => ({ object, health: judge(object, snapshot) }))
  const [first] = all.sort((a, b) => worst.indexOf(a.health.state) - worst.indexOf(b.health.state))
  if (!first || first.health.state === 'ready') return { state: 'ready' }
  const { object, health } = first
  return { ...health, cause: `${object.metadata.name}: ${health.cause ?? health.state}` }
}

/** The health of one object by itself, read now; `missing` when it or its kind is not there. */
export async function judgeRef(cluster: Cluster, ref: string): Promise<Health> {
  const object = await cluster.find(ref)
  if (!object) return { state: 'missing', cause: 'it does not exist yet' }
  return judge(object, new Snapshot([object]))
}
