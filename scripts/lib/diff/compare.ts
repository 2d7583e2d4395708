// Two sets of objects compared: what comes, goes and changes, as text with secrets masked. Pure.
import { createTwoFilesPatch } from 'diff'
import { stringify } from 'yaml'
import { at, type K8sObject, mapAt, nameOf } from '../k8s.ts'

export interface ObjectDiff {
  /** `Deployment loki/loki` */
  title: string
  result: 'added' | 'removed' | 'changed'
  /** Lines of a unified diff, without its head. */
  patch: string
}

const same = '••••••••'

/** @param namespace that of objects which name none */
export function compareObjects(
  before: readonly K8sObject[],
  after: readonly K8sObject[],
  namespace?: string,
): ObjectDiff[] {
  const [old, now] = [byName(before, namespace), byName(after, namespace)]
  return [...new Set([...old.keys(), ...now.keys()])].sort().flatMap(title => {
    const [a, b] = [old.get(title) ?? [], now.get(title) ?? []]
    if (JSON.stringify(sorted(a)) === JSON.stringify(sorted(b))) return []
    const [masked, other] = mask(a, b, [...before, ...after])
    const result = a.length === 0 ? 'added' : b.length === 0 ? 'removed' : 'changed'
    return [{ title, result, patch: patchOf(masked, other) } satisfies ObjectDiff]
  })
}

/** By kind and name: a chart may give two objects one name, by mistake, and then both are shown. */
function byName(objects: readonly K8sObject[], namespace: string | undefined): Map<string, K8sObject[]> {
  const found = new Map<string, K8sObject[]>()
  for (const object of objects) {
    const group = object.apiVersion.includes('/') ? `.${object.apiVersion.split('/')[0]}` : ''
    const plain = /^\.(apps|batch|networking\.k8s\.io|rbac\.authorization\.k8s\.io|policy|argoproj\.io)?$/.test(
      `${group}`,
    )
    const title = `${object.kind}${plain || group === '' ? '' : group} ${nameOf({ ...object, metadata: { ...(namespace === undefined ? {} : { namespace }), ...object.metadata } })}`
    found.set(title, [...(found.get(title) ?? []), object])
  }
  return found
}

function patchOf(before: readonly K8sObject[], after: readonly K8sObject[]): string {
  const text = (objects: readonly K8sObject[]) =>
    objects.map(one => stringify(sorted(one), { lineWidth: 0, aliasDuplicateObjects: false })).join('---\n')
  const patch = createTwoFilesPatch('', '', text(before), text(after), '', '', { context: 3 })
  const begin = patch.indexOf('@@')
  return begin < 0 ? ' only what is masked differs' : patch.slice(begin).trimEnd()
}

/** Keys in one order, so that an order that moved is no change. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, one]) => [key, sorted(one)]))
}

/** Where `kubectl apply` repeats the whole object. */
const applied = 'kubectl.kubernetes.io/last-applied-configuration'

/** Made of a Secret, or new at each rendering: a digest of a weak password is not far from the password. */
const derived = /^caBundle$|^checksum\/.*secret/i

const isSecret = (object: K8sObject) => object.kind === 'Secret' && object.apiVersion === 'v1'

/** What a Secret holds is masked, so that one sees that it changes and not to what; the same text elsewhere too. */
function mask(a: readonly K8sObject[], b: readonly K8sObject[], all: readonly K8sObject[]): [K8sObject[], K8sObject[]] {
  const held = all.filter(isSecret).flatMap(valuesOf)
  const known = [...new Set(held)].filter(text => text.length >= 8).sort((x, y) => y.length - x.length)
  const elsewhere = (value: unknown): unknown => {
    if (typeof value === 'string') return known.reduce((text, secret) => text.replaceAll(secret, same), value)
    if (Array.isArray(value)) return value.map(elsewhere)
    if (typeof value !== 'object' || value === null) return value
    const shown = (key: string, one: unknown) => (typeof one === 'string' && derived.test(key) ? same : elsewhere(one))
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, shown(key, one)]))
  }
  const one = (object: K8sObject, other: K8sObject | undefined, word: string): K8sObject => {
    if (!isSecret(object)) return elsewhere(object) as K8sObject
    const { annotations, ...metadata } = object.metadata
    const { [applied]: _, ...shown } = annotations ?? {}
    const masked: K8sObject = { ...object, metadata: { ...metadata, ...(annotations ? { annotations: shown } : {}) } }
    for (const field of ['data', 'stringData'])
      if (object[field])
        masked[field] = Object.fromEntries(
          Object.entries(object[field]).map(([key, value]) => [
            key,
            other && at(other, field, key) !== value ? `${same} (${word})` : same,
          ]),
        )
    return masked
  }
  return [a.map((object, i) => one(object, b[i], 'before')), b.map((object, i) => one(object, a[i], 'after'))]
}

function valuesOf(secret: K8sObject): string[] {
  const data = Object.values(mapAt(secret, 'data'))
  return [
    ...data,
    ...data.map(text => Buffer.from(text, 'base64').toString()),
    ...Object.values(mapAt(secret, 'stringData')),
  ]
}
