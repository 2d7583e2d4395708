// What a cluster holds in the end, as one hash: every object of every kind, without what differs between two clean runs.
import { createHash } from 'node:crypto'
import { gunzipSync } from 'node:zlib'
import type { Cluster } from '../../scripts/lib/cluster.ts'
import { at, type K8sObject, listAt, mapAt, numberAt, textAt } from '../../scripts/lib/k8s.ts'
import { ourLabels } from '../../scripts/lib/verbs.ts'

/** An object's name in the cluster → what it is, as text. */
export type State = ReadonlyMap<string, string>

// Heartbeats, history, and what the cluster derives from the rest at its own pace.
const volatile = new Set([
  'events',
  'endpoints',
  'endpointslices',
  'controllerrevisions',
  'componentstatuses',
  'certificaterequests',
  'ipaddresses',
  'nodes',
  'csinodes',
  'apiservices',
])

/** Reads everything that can be listed. */
export async function readState(cluster: Cluster): Promise<State> {
  const objects = (await everyObject(cluster)).filter(object => !isPast(object))
  const names = new Map(objects.map(object => [object.metadata.uid ?? '', nameOf(object)]))
  const texts = newestReleases(objects).map(object => {
    const shown = object.kind === 'Secret' ? withoutValues(object) : object
    if (nameOf(object) === 'Secret cattle-system/bootstrap-secret') shown.metadata = withoutHolder(shown.metadata)
    // Where its first pod happened to be.
    if (object.kind === 'PersistentVolume') delete (shown.spec as { nodeAffinity?: unknown }).nodeAffinity
    // Use is counted at the controller's own pace.
    if (object.kind === 'ResourceQuota') delete shown.status
    return [nameOf(object), JSON.stringify(plain(shown, names))] as const
  })
  // Pods of one owner have no names of their own: they are counted.
  const state = new Map<string, string>()
  for (const [name, text] of texts.sort(([a, b], [c, d]) => (a < c || (a === c && b < d) ? -1 : 1))) {
    let key = name
    for (let n = 2; state.has(key); n++) key = `${name} (${n})`
    state.set(key, text)
  }
  return state
}

export function hashOf(state: State): string {
  const hash = createHash('sha256')
  for (const [name, text] of state) hash.update(`${name}\n${text}\n`)
  return hash.digest('hex').slice(0, 16)
}

/** In what two states differ, a line an object, at most so many. */
export function difference(wanted: State, found: State, most = 8): string[] {
  const lines: string[] = []
  for (const [name, text] of wanted) {
    const other = found.get(name)
    if (other === undefined) lines.push(`missing: ${name}`)
    else if (other !== text) lines.push(`differs: ${name}: ${firstDifference(text, other)}`)
  }
  for (const name of found.keys()) if (!wanted.has(name)) lines.push(`too much: ${name}`)
  return lines.length > most ? [...lines.slice(0, most), `and ${lines.length - most} more`] : lines
}

function firstDifference(a: string, b: string): string {
  let from = 0
  while (from < a.length && a[from] === b[from]) from++
  const around = (text: string) => text.slice(Math.max(0, from - 60), from + 60)
  return `…${around(a)}… against …${around(b)}…`
}

interface Discovery {
  items: {
    metadata: { name?: string }
    versions: {
      version: string
      resources?: { resource: string; verbs: string[]; responseKind?: { kind: string } }[]
    }[]
  }[]
}

/** Every object that the API server lists, each kind in its preferred version. */
export async function everyObject(cluster: Cluster): Promise<K8sObject[]> {
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
  const kinds: [path: string, apiVersion: string, kind: string][] = []
  for (const root of ['/api', '/apis']) {
    const { items } = JSON.parse((await cluster.api.ask(root, { accept })).stdout) as Discovery
    for (const { metadata, versions } of items) {
      const [{ version = '', resources = [] } = {}] = versions
      const apiVersion = metadata.name ? `${metadata.name}/${version}` : version
      for (const { resource, verbs, responseKind } of resources)
        if (verbs.includes('list') && !volatile.has(resource))
          kinds.push([`${root}/${apiVersion}/${resource}`, apiVersion, responseKind?.kind ?? ''])
    }
  }
  return (await Promise.all(kinds.map(one => listOf(cluster, ...one)))).flat()
}

async function listOf(cluster: Cluster, path: string, apiVersion: string, kind: string): Promise<K8sObject[]> {
  const { items } = JSON.parse(await cluster.raw(path)) as { items: K8sObject[] | null }
  return (items ?? []).map(item => ({ ...item, apiVersion, kind }))
}

/** What has been replaced or is a heartbeat. Our own lock is neither: it must be gone in the end. */
function isPast(object: K8sObject): boolean {
  if (object.kind === 'ReplicaSet') return numberAt(object.spec, 'replicas') === 0
  // A hook's Job goes after a minute by itself.
  if (at(object.spec, 'ttlSecondsAfterFinished') !== undefined) return true
  if (listAt(object, 'metadata', 'ownerReferences').some(owner => textAt(owner, 'kind') === 'Job')) return true
  if (nameOf(object) === 'Service default/kubernetes') return true // the API server's own port
  return object.kind === 'Lease' && object.metadata.name !== 'homelab'
}

function nameOf({ kind, metadata }: K8sObject): string {
  const { namespace, name, generateName } = metadata as K8sObject['metadata'] & { generateName?: string }
  const release = /^(sh\.helm\.release\.v1\..+)\.v\d+$/.exec(name)?.[1]
  // A volume's name is its claim's UID.
  const plainName = release ?? (generateName ? `${generateName}*` : name.replace(uids, '*'))
  return `${kind} ${namespace ? `${namespace}/` : ''}${plainName}`
}

/** Of a release only its newest record counts, and of that what it says. */
function newestReleases(objects: readonly K8sObject[]): K8sObject[] {
  const revision = (object: K8sObject) => Number(object.metadata.labels?.version ?? 0)
  const newest = new Map<string, K8sObject>()
  for (const object of objects.filter(isRelease)) {
    const known = newest.get(nameOf(object))
    if (!known || revision(known) < revision(object)) newest.set(nameOf(object), object)
  }
  return [...objects.filter(object => !isRelease(object)), ...[...newest.values()].map(asRelease)]
}

const isRelease = (object: K8sObject): boolean => textAt(object, 'type') === 'helm.sh/release.v1'

/** A Helm release's record, decoded. */
export function releaseRecord(object: K8sObject): unknown {
  const packed = Buffer.from(textAt(object, 'data', 'release') ?? '', 'base64').toString()
  return JSON.parse(gunzipSync(Buffer.from(packed, 'base64')).toString())
}

function asRelease(object: K8sObject): K8sObject {
  const record = releaseRecord(object)
  const { labels = {} } = object.metadata
  return {
    apiVersion: 'helm.sh/v1',
    kind: 'Release',
    metadata: { name: labels.name ?? '', namespace: object.metadata.namespace ?? '' },
    spec: {
      status: labels.status,
      inputs: labels['homelab/inputs'],
      chart: textAt(record, 'chart', 'metadata', 'version'),
      values: at(record, 'config'),
      makes: (textAt(record, 'manifest') ?? '').match(/^(kind| {2}name): \S+/gm),
    },
  } as K8sObject
}

/** A Secret's keys, and how long each value is where that is no accident. */
function withoutValues(object: K8sObject): K8sObject {
  const lengths = Object.entries(mapAt(object, 'data')).map(([key, value]) => {
    const certificate = /^(tls|ca)\./.test(key) || value.startsWith('LS0tLS1CRUdJTi') || /cert|key/i.test(key)
    return [key, certificate ? value.length > 0 : Buffer.from(value, 'base64').length] as const
  })
  return { ...object, data: Object.fromEntries(lengths) } as K8sObject
}

/** Rancher's chart takes its first password over; an outage in the middle of that has us put it back, with our marks for Helm's. */
function withoutHolder({ labels = {}, annotations = {}, ...metadata }: K8sObject['metadata']): K8sObject['metadata'] {
  const others = (marks: Record<string, string>) =>
    Object.fromEntries(Object.entries(marks).filter(([key]) => !key.startsWith('helm.sh/') && !(key in ourLabels)))
  return { ...metadata, ...{ labels: others(labels), annotations: others(annotations), managedFields: [] } }
}

const uids = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g

// Times, certificates, and addresses that the cluster picks at random.
const random: readonly [RegExp, string][] = [
  [/-----BEGIN [A-Z ]+-----[\s\S]+?-----END [A-Z ]+-----\n*/g, '‹pem›'],
  [/LS0tLS1CRUdJTi[A-Za-z0-9+/=]+/g, '‹pem›'],
  [/\d{4}-\d\d-\d\d(T[\d:.]+Z?)?/g, '‹time›'],
  [/\b10\.4[23]\.\d+\.\d+/g, '‹address›'],
  [/kube-api-access-[a-z0-9]{5}/g, 'kube-api-access-*'],
]

// Of a status what somebody waits for; of a condition its verdict.
const seen = ['phase', 'loadBalancer', 'replicas', 'readyReplicas', 'availableReplicas', 'numberReady', 'health']

const dropped = new Set([
  ...['uid', 'resourceVersion', 'creationTimestamp', 'generation', 'observedGeneration', 'selfLink', 'generateName'],
  ...[
    'deployment.kubernetes.io/revision',
    'deployment.kubernetes.io/revision-history',
    'nodePort',
    'healthCheckNodePort',
    'nodeName',
    'volumeName',
  ],
  'volume.kubernetes.io/selected-node',
])

function plain(value: unknown, names: ReadonlyMap<string, string>, key = ''): unknown {
  if (typeof value === 'string')
    return random
      .reduce((text, [pattern, by]) => text.replace(pattern, by), value)
      .replace(uids, uid => names.get(uid) ?? '‹uid›')
  if (Array.isArray(value)) {
    if (key === 'managedFields')
      return [...new Set(value.filter(one => !textAt(one, 'subresource')).map(one => textAt(one, 'manager')))].sort()
    return value.map(one => plain(one, names))
  }
  if (value === null || typeof value !== 'object') return value
  const entries = Object.entries(value).filter(([name]) => !dropped.has(name))
  if (key === 'status') {
    // After an outage the scheduler's last word may come late: a kubelet puts it right, a fake one does not. What is Ready was scheduled.
    const said = listAt(value, 'conditions').filter(one => textAt(one, 'type') !== 'PodScheduled')
    const conditions = said.map(one => `${textAt(one, 'type')} ${textAt(one, 'status')}`)
    const rest = entries.filter(([name]) => seen.includes(name))
    return Object.fromEntries([
      ...rest.map(([name, one]) => [name, plain(one, names, name)] as const),
      ['conditions', conditions.sort()],
    ])
  }
  // A controller puts it there; a pod's own name is in what is mounted into it.
  return Object.fromEntries(
    entries
      .map(([name, one]) => [name, name === 'caBundle' ? '‹ca›' : plain(one, names, name)] as const)
      .filter(([name]) => !(name === 'name' && 'ownerReferences' in value))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}
