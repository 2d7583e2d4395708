// Deployments, StatefulSets, DaemonSets and Jobs: how far they are, and which pod or refusal holds them up.

import { limitsFolder } from '../guardrails.ts'
import { at, condition, type K8sObject, numberAt, textAt, timeAt } from '../k8s.ts'
import { count, type Health, oneLine, progressing, ready, unwell } from './judged.ts'
import { worstPod } from './pods.ts'
import type { Snapshot } from './snapshot.ts'
import { judgeClaim } from './storage.ts'

export function judgeWorkload(workload: K8sObject, snapshot: Snapshot): Health {
  const { namespace, name, generation } = workload.metadata
  const kind = workload.kind.toLowerCase()
  const rollout = `kubectl -n ${namespace} rollout status ${kind} ${name}`
  if (workload.metadata.deletionTimestamp !== undefined) return progressing(`${name} is being deleted`)
  if (numberAt(workload.status, 'observedGeneration') < (generation ?? 1))
    return late(workload, snapshot, `the controller manager has not looked at ${name} yet`)

  const { wanted, updated, available, made } = counts(workload)
  if (wanted === 0) {
    // On purpose, as far as can be known: charts switch parts off this way. Who needs it running must ask for it.
    if (workload.kind !== 'DaemonSet') return ready(`${name} is scaled to 0: nothing of it runs`)
    return unwell(`no node is one that ${name} may run on`, `kubectl -n ${namespace} describe daemonset ${name}`)
  }
  if (updated >= wanted && available >= wanted && made <= wanted) return ready()

  const refused = whyNoPods(workload, snapshot)
  if (refused && made < wanted) return refused
  const pod = worstPod(snapshot.podsOf(workload), snapshot)
  if (pod) return pod
  if (refused) return refused
  const claim = waitingClaim(workload, snapshot)
  if (claim) return claim

  const deadline = condition(workload, 'Progressing')
  const so = `${name} has ${available} of ${count(wanted, 'pod')} ready${updated < wanted ? `, ${updated} of the new version` : ''}`
  if (deadline?.status === 'False' && deadline.reason === 'ProgressDeadlineExceeded')
    return unwell(`${so}, and no progress`, rollout)
  return progressing(so, rollout)
}

function counts(workload: K8sObject): { wanted: number; updated: number; available: number; made: number } {
  const { spec, status } = workload
  if (workload.kind === 'DaemonSet')
    return {
      wanted: numberAt(status, 'desiredNumberScheduled'),
      updated: numberAt(status, 'updatedNumberScheduled'),
      available: numberAt(status, 'numberAvailable'),
      made: numberAt(status, 'currentNumberScheduled'),
    }
  const wanted = at(spec, 'replicas') === undefined ? 1 : numberAt(spec, 'replicas')
  // A StatefulSet that is updated by hand (OnDelete) or in part keeps old pods on purpose.
  const byHand = workload.kind === 'StatefulSet' && textAt(spec, 'updateStrategy', 'type') === 'OnDelete'
  const held = workload.kind === 'StatefulSet' ? numberAt(spec, 'updateStrategy', 'rollingUpdate', 'partition') : 0
  return {
    wanted,
    updated: byHand ? wanted : numberAt(status, 'updatedReplicas') + Math.min(held, wanted),
    available:
      at(status, 'availableReplicas') === undefined
        ? numberAt(status, 'readyReplicas')
        : numberAt(status, 'availableReplicas'),
    made: numberAt(status, 'replicas'),
  }
}

/** Nobody has acted yet: normal for seconds, a dead controller after a minute. */
function late(object: K8sObject, snapshot: Snapshot, cause: string): Health {
  const age = snapshot.now - (timeAt(object, 'metadata', 'creationTimestamp') ?? snapshot.now)
  return age < 60_000 || object.metadata.generation !== 1
    ? progressing(cause)
    : unwell(cause, 'kubectl -n kube-system get pods,leases')
}

/**
 * The API server refuses pods (quota, Pod Security, a missing account) in silence as far as the workload shows: a
 * Deployment has a ReplicaFailure condition, StatefulSets and DaemonSets only events.
 */
function whyNoPods(workload: K8sObject, snapshot: Snapshot): Health | undefined {
  const failure = condition(workload, 'ReplicaFailure')
  // The newest word counts: a refusal followed by a success is history.
  const event = snapshot
    .events(workload)
    .find(({ reason }) => reason === 'FailedCreate' || reason === 'SuccessfulCreate')
  const message =
    failure?.status === 'True' ? failure.message : event?.reason === 'FailedCreate' ? event.message : undefined
  return message === undefined ? undefined : explainRefusal(workload, message)
}

const limitsOf = (namespace = ''): string => `${limitsFolder}/*/${namespace}.yaml`

function explainRefusal(workload: K8sObject, message: string): Health {
  const { namespace, name } = workload.metadata
  const quota = /exceeded quota: ([^,]+), requested: ([^ ]+), used: ([^ ]+), limited: ([^ ]+)/.exec(message)
  if (quota)
    return unwell(
      `no pod of ${name} may be made: the quota ${quota[1]} allows ${quota[4]}, ${quota[3]} is used, ${quota[2]} is asked for`,
      `kubectl -n ${namespace} describe quota ${quota[1]}${quota[1] === 'homelab' ? `; its file: ${limitsOf(namespace)}` : ''}`,
    )
  const range = /(maximum|minimum) (\S+) usage per (\w+) is ([^,]+), but (?:limit|request) is ([^\s,\]]+)/.exec(message)
  if (range)
    return unwell(
      `no pod of ${name} may be made: the limit range allows ${range[4]} ${range[2]} for a ${range[3]?.toLowerCase()} at ${range[1] === 'maximum' ? 'most' : 'least'}, ${range[5]} is asked for`,
      `ask for less, or kubectl -n ${namespace} describe limitrange; ours: ${limitsOf(namespace)}`,
    )
  const unset = /failed quota: ([^:]+): must specify ([^ ]+)(?: for: (\S+))?/.exec(message)
  if (unset)
    return unwell(
      `no pod of ${name} may be made: the quota ${unset[1]} demands that every container states ${unset[2]?.split(',').join(', ')}`,
      `kubectl -n ${namespace} describe quota ${unset[1]}`,
    )
  const level = /violates PodSecurity "([^"]+)": (.*)/s.exec(message)
  if (level)
    return unwell(
      `no pod of ${name} may be made: the namespace's Pod Security level ${level[1]?.split(':')[0]} forbids ${oneLine(level[2] ?? '', 160)}`,
      `kubectl get namespace ${namespace} --show-labels`,
    )
  const account = /serviceaccount "?([\w./-]+)"? not found/.exec(message)
  if (account)
    return unwell(
      `no pod of ${name} may be made: the service account ${account[1]} does not exist`,
      `kubectl -n ${namespace} get serviceaccounts`,
    )
  const webhook = /failed calling webhook "([^"]+)".*?: (.*)$/s.exec(message)
  if (webhook)
    return unwell(
      `no pod of ${name} may be made: the webhook ${webhook[1]} does not answer (${oneLine(webhook[2] ?? '', 100)})`,
      'kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations',
    )
  const [, refusal = message] = /is forbidden: (.*)/s.exec(message) ?? []
  return unwell(
    `no pod of ${name} may be made: ${oneLine(refusal)}`,
    `kubectl -n ${namespace} describe ${workload.kind.toLowerCase()} ${name}`,
  )
}

/** A StatefulSet's own claims, `<template>-<set>-<number>`, which exist before its pods do. */
function waitingClaim(workload: K8sObject, snapshot: Snapshot): Health | undefined {
  for (const template of [at(workload.spec, 'volumeClaimTemplates')].flat()) {
    const name = textAt(template, 'metadata', 'name')
    const claim =
      name && snapshot.find('PersistentVolumeClaim', workload.metadata.namespace, `${name}-${workload.metadata.name}-0`)
    const health = claim ? judgeClaim(claim, snapshot) : undefined
    if (health && health.state !== 'ready') return health
  }
  return undefined
}

export function judgeJob(job: K8sObject, snapshot: Snapshot): Health {
  const { namespace, name } = job.metadata
  if (condition(job, 'Complete')?.status === 'True') return ready()
  const failed = condition(job, 'Failed')
  const pod = worstPod(snapshot.podsOf(job), snapshot)
  if (failed?.status === 'True') {
    const why =
      failed.reason === 'DeadlineExceeded'
        ? 'it took longer than its deadline'
        : oneLine(failed.message || failed.reason)
    return unwell(
      `job ${name} failed: ${pod?.cause ?? why}`,
      `kubectl -n ${namespace} logs job/${name} --all-pods --prefix`,
    )
  }
  if (condition(job, 'Suspended')?.status === 'True') return progressing(`job ${name} is suspended`)
  return whyNoPods(job, snapshot) ?? pod ?? progressing(`job ${name} is running`)
}
