// The shape of a Kubernetes object as far as we rely on it, and small readers for what is unknown inside.

export interface Metadata {
  name: string
  namespace?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string
  deletionTimestamp?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  finalizers?: string[]
  ownerReferences?: { kind: string; name: string; uid: string }[]
}

/** Any object of any API: typed as far as every object is alike, `unknown` below that. */
export interface K8sObject {
  apiVersion: string
  kind: string
  metadata: Metadata
  spec?: unknown
  status?: unknown
  /** Kinds that keep their facts at the top: StorageClass, Event, Secret, webhook configurations. */
  [field: string]: unknown
}

type Path = readonly (string | number)[]

/** What stands at a path, or undefined where the path ends early. */
export function at(value: unknown, ...path: Path): unknown {
  let here = value
  for (const step of path) {
    if (typeof here !== 'object' || here === null) return undefined
    here = (here as Record<string | number, unknown>)[step]
  }
  return here
}

/** The text at a path; numbers and anything else are not text. */
export function textAt(value: unknown, ...path: Path): string | undefined {
  const found = at(value, ...path)
  return typeof found === 'string' ? found : undefined
}

/** The number at a path. Kubernetes leaves zeroes out, so a missing one is 0. */
export function numberAt(value: unknown, ...path: Path): number {
  const found = at(value, ...path)
  return typeof found === 'number' ? found : 0
}

/** The list at a path; a missing one is empty. */
export function listAt(value: unknown, ...path: Path): unknown[] {
  const found = at(value, ...path)
  return Array.isArray(found) ? found : []
}

/** The map of texts at a path (labels, selectors, requests); a missing one is empty. */
export function mapAt(value: unknown, ...path: Path): Record<string, string> {
  const found = at(value, ...path)
  if (typeof found !== 'object' || found === null) return {}
  return Object.fromEntries(
    Object.entries(found).flatMap(([key, entry]) =>
      typeof entry === 'string' || typeof entry === 'number' ? [[key, String(entry)]] : [],
    ),
  )
}

export interface Condition {
  status: string
  reason: string
  message: string
  /** When it last changed, milliseconds since 1970, or undefined. */
  since: number | undefined
}

/** One condition of an object's status, by type. */
export function condition(object: K8sObject, type: string): Condition | undefined {
  const found = listAt(object.status, 'conditions').find(entry => textAt(entry, 'type') === type)
  if (found === undefined) return undefined
  // It was said of what the object was before (cert-manager says of which): nobody has looked at it since.
  const seen = at(found, 'observedGeneration')
  const { generation } = object.metadata as { generation?: number }
  if (typeof seen === 'number' && generation !== undefined && seen < generation) return undefined
  return {
    status: textAt(found, 'status') ?? 'Unknown',
    reason: textAt(found, 'reason') ?? '',
    message: textAt(found, 'message') ?? '',
    since: timeAt(found, 'lastTransitionTime'),
  }
}

/** The time at a path in milliseconds since 1970, or undefined. */
export function timeAt(value: unknown, ...path: Path): number | undefined {
  const text = textAt(value, ...path)
  const time = text === undefined ? Number.NaN : Date.parse(text)
  return Number.isNaN(time) ? undefined : time
}

/** `namespace/name`, or the bare name of what has no namespace. */
export function nameOf(object: K8sObject): string {
  const { namespace, name } = object.metadata
  return namespace === undefined ? name : `${namespace}/${name}`
}

const scales: Record<string, number> = {
  ...{ '': 1, n: 1e-9, u: 1e-6, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 },
  ...{ Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60 },
}

/** A Kubernetes quantity in its base unit: `250m` is 0.25 (cores), `1Gi` is 1073741824 (bytes). NaN if it is none. */
export function quantity(text: string): number {
  const [, digits = '', suffix = ''] = /^([+-]?[\d.]+(?:[eE][+-]?\d+)?)([A-Za-z]*)$/.exec(text.trim()) ?? []
  return digits === '' ? Number.NaN : Number(digits) * (scales[suffix] ?? Number.NaN)
}

/** A quantity for people: `250m CPU`, `1.5 CPU`, `2.5Gi` of whatever is counted in bytes; rounded up. */
export function formatQuantity(resource: string, amount: number): string {
  if (resource === 'cpu') return `${amount < 1 ? `${Math.ceil(amount * 1000)}m` : Math.ceil(amount * 100) / 100} CPU`
  if (!/memory|storage|hugepages/.test(resource)) return String(amount)
  const unit = (['Ti', 'Gi', 'Mi', 'Ki'] as const).find(name => amount >= (scales[name] ?? 1))
  return unit === undefined ? `${amount} bytes` : `${Math.ceil((amount / (scales[unit] ?? 1)) * 10) / 10}${unit}`
}

/**
 * What the scheduler reserves for a pod, by resource, in base units.
 * Containers run together, init containers one after another before them; those with `restartPolicy: Always` stay
 * (https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers).
 */
export function podRequests(podSpec: unknown): Record<string, number> {
  const add = (a: Record<string, number>, b: Record<string, number>, join: (x: number, y: number) => number) => {
    for (const [name, amount] of Object.entries(b)) a[name] = join(a[name] ?? 0, amount)
    return a
  }
  const sum = (x: number, y: number) => x + y
  const requests = (container: unknown) =>
    Object.fromEntries(
      Object.entries({
        ...mapAt(container, 'resources', 'limits'), // a limit without a request is the request
        ...mapAt(container, 'resources', 'requests'),
      }).map(([name, text]) => [name, quantity(text)]),
    )
  const running: Record<string, number> = {}
  const starting: Record<string, number> = {}
  for (const init of listAt(podSpec, 'initContainers')) {
    if (textAt(init, 'restartPolicy') === 'Always') add(running, requests(init), sum)
    else add(starting, add({ ...running }, requests(init), sum), Math.max)
  }
  for (const container of listAt(podSpec, 'containers')) add(running, requests(container), sum)
  const needed = add(running, starting, Math.max)
  const overhead = Object.entries(mapAt(podSpec, 'overhead')).map(([name, text]) => [name, quantity(text)] as const)
  return add(needed, Object.fromEntries(overhead), sum)
}

/** A label selector's verdict; an empty one takes everything. */
export function selects(selector: unknown, labels: Readonly<Record<string, string>>): boolean {
  return (
    Object.entries(mapAt(selector, 'matchLabels')).every(([key, value]) => labels[key] === value) &&
    listAt(selector, 'matchExpressions').every(expression => {
      const label = labels[textAt(expression, 'key') ?? '']
      const among = label !== undefined && listAt(expression, 'values').includes(label)
      switch (textAt(expression, 'operator')) {
        case 'In':
          return among
        case 'NotIn':
          return !among
        case 'Exists':
          return label !== undefined
        default:
          return label === undefined
      }
    })
  )
}

/** A moment as part of a name: `20260512-093000`. @param at milliseconds since 1970 */
export function stampOf(at: number): string {
  return new Date(at).toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-')
}

/** The namespaces that a cluster has by itself. */
export const clusterNamespaces: readonly string[] = ['default', 'kube-system', 'kube-public', 'kube-node-lease']
