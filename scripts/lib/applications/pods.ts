// The pods of an application, those that fail first. Pure.

import { judge, type Snapshot } from '../health/judge.ts'
import { at, type K8sObject, listAt, textAt, timeAt } from '../k8s.ts'

/** Kinds that stand between an application's objects and its pods. */
export const between = ['replicasets.apps', 'deployments.apps', 'statefulsets.apps', 'daemonsets.apps', 'jobs.batch']

/** Those that one of the application's own objects has made, over however many steps (an operator's too). */
export function podsOf(application: K8sObject, snapshot: Snapshot): K8sObject[] {
  const own = new Set(
    listAt(application.status, 'resources').map(one =>
      [textAt(one, 'kind'), textAt(one, 'namespace') ?? '', textAt(one, 'name')].join('/'),
    ),
  )
  const belongs = (object: K8sObject, depth = 0): boolean => {
    const { namespace = '', name, ownerReferences = [] } = object.metadata
    if (own.has(`${object.kind}/${namespace}/${name}`)) return true
    return ownerReferences.some(owner => {
      if (own.has(`${owner.kind}/${namespace}/${owner.name}`)) return true
      const found = snapshot.find(owner.kind, namespace, owner.name)
      return found !== undefined && depth < 5 && belongs(found, depth + 1)
    })
  }
  return snapshot.of('Pod').filter(pod => belongs(pod))
}

export interface Ailing {
  pod: K8sObject
  /** Undefined while it is well. */
  cause?: string
  /** A container of it has ended before: what it said last is in the log of the previous one. */
  restarted: boolean
  /** When a container of it ended last, milliseconds since 1970; 0 for never. */
  ended: number
}

/** The pods in the order in which their logs are worth reading: failing ones, the latest failure first, then the newest. */
export function worstFirst(pods: readonly K8sObject[], snapshot: Snapshot): Ailing[] {
  const made = ({ pod }: Ailing) => timeAt(pod, 'metadata', 'creationTimestamp') ?? 0
  return pods
    .map(pod => ailing(pod, snapshot))
    .sort(
      (a, b) => Number(b.cause !== undefined) - Number(a.cause !== undefined) || b.ended - a.ended || made(b) - made(a),
    )
}

function ailing(pod: K8sObject, snapshot: Snapshot): Ailing {
  const health = judge(pod, snapshot)
  const ends = ['containerStatuses', 'initContainerStatuses']
    .flatMap(list => listAt(pod.status, list))
    .flatMap(
      status =>
        timeAt(status, 'lastState', 'terminated', 'finishedAt') ??
        timeAt(status, 'state', 'terminated', 'finishedAt') ??
        [],
    )
  const restarted = listAt(pod.status, 'containerStatuses').some(
    one => at(one, 'lastState', 'terminated') !== undefined,
  )
  const unwell = health.state !== 'ready' && textAt(pod.status, 'phase') !== 'Succeeded'
  return {
    ...{ pod, restarted, ended: Math.max(0, ...ends) },
    ...(unwell ? { cause: health.cause ?? `it is ${textAt(pod.status, 'phase') ?? 'unknown'}` } : {}),
  }
}
