// The objects of one cluster at one moment, indexed once, so that judging them all takes time in proportion.
import { at, type K8sObject, listAt, mapAt, textAt, timeAt } from '../k8s.ts'

export interface Event {
  reason: string
  message: string
  /** Milliseconds since 1970. */
  time: number
}

export class Snapshot {
  readonly objects: readonly K8sObject[]
  readonly now: number
  readonly #known: ReadonlySet<string>
  #kinds: Map<string, K8sObject[]> | undefined
  #names: Map<string, K8sObject> | undefined
  #labels: Map<string, K8sObject[]> | undefined
  #claims: Map<string, K8sObject[]> | undefined
  #events: Map<string, { uid: string | undefined; event: Event }[]> | undefined
  #reserved: Map<string, Record<string, number>> | undefined

  /**
   * @param options.now the time of the snapshot
   * @param options.known kinds of which the whole cluster was read: one of these that is not among the objects does not
   *   exist, and free room is computed only when all pods are known
   */
  constructor(objects: readonly K8sObject[], options: { now?: Date; known?: Iterable<string> } = {}) {
    this.objects = objects
    this.now = (options.now ?? new Date()).getTime()
    this.#known = new Set(options.known)
  }

  /** All objects of a kind. */
  of(kind: string): readonly K8sObject[] {
    this.#kinds ??= groupBy(this.objects, object => [object.kind])
    return this.#kinds.get(kind) ?? []
  }

  /** Whether all objects of this kind are here. */
  knowsAll(kind: string): boolean {
    return this.#known.has(kind)
  }

  /** Whether the absence of an object of this kind means anything. */
  knows(kind: string): boolean {
    return this.#known.has(kind) || this.of(kind).length > 0
  }

  find(kind: string, namespace: string | undefined, name: string): K8sObject | undefined {
    this.#names ??= new Map(this.objects.map(object => [id(object.kind, object.metadata), object]))
    return this.#names.get(id(kind, { namespace, name }))
  }

  /** The pods that a workload's selector takes, newest first. */
  podsOf(workload: K8sObject): K8sObject[] {
    const { namespace } = workload.metadata
    const wanted = Object.entries(mapAt(workload.spec, 'selector', 'matchLabels'))
    if (wanted.length === 0) return []
    this.#labels ??= groupBy(this.of('Pod'), pod =>
      Object.entries(pod.metadata.labels ?? {}).map(([key, value]) => `${pod.metadata.namespace}/${key}=${value}`),
    )
    const index = this.#labels
    // The rarest label first: a label that all pods share would make this quadratic.
    const [fewest = []] = wanted
      .map(([key, value]) => index.get(`${namespace}/${key}=${value}`) ?? [])
      .sort((a, b) => a.length - b.length)
    return fewest
      .filter(pod => wanted.every(([key, value]) => pod.metadata.labels?.[key] === value))
      .sort(
        (a, b) => (timeAt(b, 'metadata', 'creationTimestamp') ?? 0) - (timeAt(a, 'metadata', 'creationTimestamp') ?? 0),
      )
  }

  /** The pods that mount a claim. */
  podsWithClaim(claim: K8sObject): readonly K8sObject[] {
    this.#claims ??= groupBy(this.of('Pod'), pod =>
      listAt(pod.spec, 'volumes').flatMap(volume => {
        const name = textAt(volume, 'persistentVolumeClaim', 'claimName')
        return name === undefined ? [] : [`${pod.metadata.namespace}/${name}`]
      }),
    )
    return this.#claims.get(`${claim.metadata.namespace}/${claim.metadata.name}`) ?? []
  }

  /** An object's events, newest first; those of an earlier object of the same name are left out. */
  events(object: K8sObject): Event[] {
    this.#events ??= eventIndex(this.of('Event'))
    return (this.#events.get(id(object.kind, object.metadata)) ?? [])
      .filter(({ uid }) => uid === undefined || object.metadata.uid === undefined || uid === object.metadata.uid)
      .map(({ event }) => event)
      .sort((a, b) => b.time - a.time)
  }

  /** What the pods on a node reserve together, by resource, in base units. */
  reservedOn(node: string, requests: (podSpec: unknown) => Record<string, number>): Record<string, number> {
    if (this.#reserved === undefined) {
      this.#reserved = new Map()
      for (const pod of this.of('Pod')) {
        const name = textAt(pod.spec, 'nodeName')
        if (name === undefined || ['Succeeded', 'Failed'].includes(textAt(pod.status, 'phase') ?? '')) continue
        const total = this.#reserved.get(name) ?? {}
        for (const [resource, amount] of Object.entries(requests(pod.spec)))
          total[resource] = (total[resource] ?? 0) + amount
        this.#reserved.set(name, total)
      }
    }
    return this.#reserved.get(node) ?? {}
  }
}

function id(kind: string, of: { namespace?: string | undefined; name: string }): string {
  return `${kind}/${of.namespace ?? ''}/${of.name}`
}

function groupBy<T>(items: readonly T[], keys: (item: T) => string[]): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items)
    for (const key of keys(item)) {
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [item])
      else group.push(item)
    }
  return groups
}

/** Events of both APIs: v1 says `involvedObject` and `message`, events.k8s.io/v1 `regarding` and `note`. */
function eventIndex(events: readonly K8sObject[]): Map<string, { uid: string | undefined; event: Event }[]> {
  const index = new Map<string, { uid: string | undefined; event: Event }[]>()
  for (const entry of events) {
    const about = at(entry, 'involvedObject') ?? at(entry, 'regarding')
    const name = textAt(about, 'name')
    if (name === undefined) continue
    const key = id(textAt(about, 'kind') ?? '', { namespace: textAt(about, 'namespace'), name })
    const event = {
      reason: textAt(entry, 'reason') ?? '',
      message: textAt(entry, 'message') ?? textAt(entry, 'note') ?? '',
      time:
        timeAt(entry, 'series', 'lastObservedTime') ??
        timeAt(entry, 'lastTimestamp') ??
        timeAt(entry, 'eventTime') ??
        timeAt(entry, 'metadata', 'creationTimestamp') ??
        0,
    }
    const list = index.get(key)
    if (list === undefined) index.set(key, [{ uid: textAt(about, 'uid'), event }])
    else list.push({ uid: textAt(about, 'uid'), event })
  }
  return index
}
