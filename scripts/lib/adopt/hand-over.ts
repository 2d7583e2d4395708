// What one object's metadata becomes when it passes from Argo CD to a step: marks off, ownership on. Pure.
import { at, type K8sObject, listAt, mapAt, textAt } from '../k8s.ts'
import { type Application, isCommon, type Tracking, trackedBy, trackingId } from './application.ts'

/** Who has an object from now on: a step's release, the step itself, or nobody (then it stays as it is). */
export type Owner = { release: { namespace: string; name: string } } | 'step' | undefined

// What an Argo CD has called itself in managedFields, in its versions; by client-side apply it is kubectl's name.
const argoManagers = /^(argocd-controller|argocd-application-controller|kubectl-client-side-apply)$/

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration'

interface Entry {
  manager?: string
  operation?: string
  apiVersion?: string
  subresource?: string
  fieldsType?: string
  time?: string
  fieldsV1?: Fields
}

interface Fields {
  [key: string]: Fields
}

/**
 * The merge patch of the metadata, or undefined when there is nothing to do: so it can be repeated.
 * @param from the Application, unless no mark of one is on it
 * @param wantsLabel whether the step's own form of the object sets the label that Argo CD tracks by
 * @param selected whether some selector asks for that label with this value
 */
export function handOver(
  object: K8sObject,
  owner: Owner,
  from: { application: Application; tracking: Tracking; listed: boolean } | undefined,
  { wantsLabel, selected }: { wantsLabel: boolean; selected: boolean },
): Record<string, unknown> | undefined {
  const { annotations = {}, labels = {}, resourceVersion } = object.metadata
  const newAnnotations: Record<string, string | null> = {}
  const newLabels: Record<string, string | null> = {}
  const mark = from && trackedBy(object, from.application, from.tracking, from.listed)
  if (mark === 'annotation')
    for (const key of [trackingId, 'argocd.argoproj.io/installation-id'])
      if (key in annotations) newAnnotations[key] = null
  const label = from?.tracking.label
  if (from && label && labels[label] === from.application.mark) {
    const byLabel = mark === 'label' || from.tracking.method === 'annotation+label'
    const ofArgo = !isCommon(from.tracking) || (byLabel && from.listed && !wantsLabel && !selected)
    if (ofArgo) newLabels[label] = null
  }
  if (owner && lastApplied in annotations) newAnnotations[lastApplied] = null
  if (owner && owner !== 'step') {
    const { namespace, name } = owner.release
    const marks = { 'meta.helm.sh/release-name': name, 'meta.helm.sh/release-namespace': namespace }
    for (const [key, value] of Object.entries(marks)) if (annotations[key] !== value) newAnnotations[key] = value
    const by = 'app.kubernetes.io/managed-by'
    if (labels[by] !== 'Helm') newLabels[by] = 'Helm'
  }
  const fields = owner && fieldsPassedOn(object, managerOf(owner))
  const some = (map: object) => Object.keys(map).length > 0
  if (!some(newAnnotations) && !some(newLabels) && !fields) return undefined
  return {
    metadata: {
      resourceVersion, // so that nothing is lost that somebody writes at the same moment
      ...(some(newAnnotations) ? { annotations: newAnnotations } : {}),
      ...(some(newLabels) ? { labels: newLabels } : {}),
      ...(fields ? { managedFields: fields } : {}),
    },
  }
}

/** The name of the field manager with which a step, or Helm for it, applies. */
export const managerOf = (owner: Exclude<Owner, undefined>): string => (owner === 'step' ? 'homelab' : 'helm')

/**
 * Argo CD's fields as if the new owner had applied them: then its next apply takes away what it does not want.
 * Otherwise they would stay for ever, owned by a manager that never comes back. A namespace keeps what others put on it.
 */
function fieldsPassedOn(object: K8sObject, manager: string): Entry[] | undefined {
  if (object.kind === 'Namespace') return undefined
  const entries = listAt(object.metadata, 'managedFields') as Entry[]
  const passed = entries.filter(one => argoManagers.test(one.manager ?? '') && !one.subresource)
  if (!passed.length) return undefined
  const own = (one: Entry) => one.manager === manager && one.operation === 'Apply' && !one.subresource
  const all = [...entries.filter(own), ...passed]
  const [first] = all
  const merged: Entry = {
    ...first,
    manager,
    operation: 'Apply',
    fieldsV1: all.reduce<Fields>((fields, one) => union(fields, one.fieldsV1 ?? {}), {}),
  }
  return [...entries.filter(one => !all.includes(one)), merged]
}

function union(a: Fields, b: Fields): Fields {
  const out: Fields = { ...a }
  for (const [key, value] of Object.entries(b)) out[key] = union(out[key] ?? {}, value)
  return out
}

/** The values of one label that selectors ask for: in workloads, Services, policies, monitors and webhooks. */
export function selectedValues(objects: readonly K8sObject[], label: string): Set<string> {
  const found = new Set<string>()
  const look = (value: unknown): void => {
    if (Array.isArray(value)) for (const one of value) look(one)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return
    for (const [key, inner] of Object.entries(value)) {
      if (/selector$/i.test(key)) {
        const values = [mapAt(inner)[label], mapAt(inner, 'matchLabels')[label]]
        for (const one of listAt(inner, 'matchExpressions'))
          if (textAt(one, 'key') === label) values.push(...listAt(one, 'values').map(String))
        for (const one of values) if (one !== undefined) found.add(one)
      }
      look(inner)
    }
  }
  for (const object of objects) for (const part of ['spec', 'webhooks']) look(at(object, part))
  return found
}
