// Why a pod does not run: from its own status first, from its claims, nodes and events where the status is silent.

import { condition, type K8sObject, listAt, mapAt, numberAt, textAt, timeAt } from '../k8s.ts'
import { duration, type Health, oneLine, progressing, ready, unwell } from './judged.ts'
import { whyNotScheduled } from './scheduling.ts'
import type { Snapshot } from './snapshot.ts'
import { judgeClaim } from './storage.ts'

// A pod that runs this long without becoming ready does not become ready by itself: probes of our charts allow less.
const patience = 5 * 60_000

export function judgePod(pod: K8sObject, snapshot: Snapshot): Health {
  const { namespace, name, deletionTimestamp } = pod.metadata
  const phase = textAt(pod.status, 'phase')
  const describe = `kubectl -n ${namespace} describe pod ${name}`
  if (deletionTimestamp !== undefined) return leaving(pod, snapshot)
  if (phase === 'Succeeded') return ready()
  if (phase === 'Failed') return unwell(whyFailed(pod), describe)

  const scheduled = condition(pod, 'PodScheduled')
  if (textAt(pod.spec, 'nodeName') === undefined) {
    if (scheduled?.status === 'False') {
      if (scheduled.reason === 'SchedulingGated') return progressing(`pod ${name} is held back by a scheduling gate`)
      return whyNotScheduled(pod, scheduled.message, snapshot)
    }
    // The scheduler has chosen a node and holds the pod back until its volumes are there: nothing on the pod says so.
    const claim = claimsOf(pod, snapshot).find(one => one.metadata.annotations?.[selectedNode] !== undefined)
    const volume = claim && judgeClaim(claim, snapshot)
    if (volume && volume.state !== 'ready') return { ...volume, cause: `pod ${name}: ${volume.cause}` }
    const age = snapshot.now - (timeAt(pod, 'metadata', 'creationTimestamp') ?? snapshot.now)
    return age < 30_000
      ? progressing(`pod ${name} waits for the scheduler`)
      : unwell(`no scheduler has looked at pod ${name} for ${duration(age)}`, 'kubectl -n kube-system get pods,leases')
  }
  if (condition(pod, 'Ready')?.status === 'True') return ready()

  for (const [list, statuses] of [
    ['initContainers', 'initContainerStatuses'],
    ['containers', 'containerStatuses'],
  ] as const) {
    for (const status of listAt(pod.status, statuses)) {
      const stuck = whyContainerStuck(pod, status, list === 'initContainers', snapshot)
      if (stuck) return stuck
    }
  }
  return whyNotReady(pod, snapshot)
}

function leaving(pod: K8sObject, snapshot: Snapshot): Health {
  const { namespace, name } = pod.metadata
  const nodeName = textAt(pod.spec, 'nodeName') ?? ''
  const node = snapshot.find('Node', undefined, nodeName)
  if (node !== undefined && condition(node, 'Ready')?.status !== 'True')
    return unwell(
      `pod ${name} cannot end, because its node ${nodeName} does not answer`,
      `bring the node back; if it is gone for good: kubectl delete node ${nodeName}`,
    )
  if (snapshot.knows('Node') && nodeName !== '' && node === undefined)
    return unwell(
      `pod ${name} cannot end, because its node ${nodeName} no longer exists`,
      `kubectl -n ${namespace} delete pod ${name} --force`,
    )
  return progressing(`pod ${name} is ending`)
}

function whyFailed(pod: K8sObject): string {
  const { name } = pod.metadata
  const reason = textAt(pod.status, 'reason')
  const message = textAt(pod.status, 'message')
  if (reason === 'Evicted') return `pod ${name} was evicted from its node: ${oneLine(message ?? 'no reason given')}`
  const ended = listAt(pod.status, 'containerStatuses').find(
    status => numberAt(status, 'state', 'terminated', 'exitCode') !== 0,
  )
  if (ended !== undefined) return `pod ${name} failed: ${howEnded(pod, ended, 'state')}`
  return `pod ${name} failed${message || reason ? `: ${oneLine(message ?? reason ?? '')}` : ''}`
}

function whyContainerStuck(pod: K8sObject, status: unknown, init: boolean, snapshot: Snapshot): Health | undefined {
  const { namespace, name } = pod.metadata
  const container = textAt(status, 'name') ?? '?'
  const called = `${init ? 'init container' : 'container'} ${container} of pod ${name}`
  const reason = textAt(status, 'state', 'waiting', 'reason')
  const message = oneLine(textAt(status, 'state', 'waiting', 'message') ?? '')
  const describe = `kubectl -n ${namespace} describe pod ${name}`
  const logs = `kubectl -n ${namespace} logs ${name} -c ${container}`

  switch (reason) {
    case 'ErrImagePull':
    case 'ImagePullBackOff':
    case 'InvalidImageName':
    case 'ErrImageNeverPull':
    case 'RegistryUnavailable':
      return whyNotPulled(pod, status, reason, describe, snapshot)
    case 'CrashLoopBackOff':
      return unwell(`${called} ends again and again: ${howEnded(pod, status, 'lastState')}`, `${logs} --previous`)
    case 'CreateContainerConfigError':
    case 'CreateContainerError':
    case 'RunContainerError':
    case 'PreCreateHookError':
    case 'PostStartHookError':
      return unwell(`${called} cannot be started: ${message || reason}`, describe)
  }
  if (init && numberAt(status, 'state', 'terminated', 'exitCode') !== 0)
    return unwell(`${called} failed: ${howEnded(pod, status, 'state')}`, logs)
  if (
    !init &&
    textAt(status, 'state', 'terminated', 'reason') !== undefined &&
    textAt(pod.spec, 'restartPolicy') !== 'Never'
  ) {
    if (numberAt(status, 'state', 'terminated', 'exitCode') !== 0)
      return unwell(`${called} ended: ${howEnded(pod, status, 'state')}`, `${logs} --previous`)
  }
  return undefined
}

/** `exit code 1, 4 restarts: <its last words>`. */
function howEnded(pod: K8sObject, status: unknown, where: 'state' | 'lastState'): string {
  const reason = textAt(status, where, 'terminated', 'reason')
  const restarts = numberAt(status, 'restartCount')
  const again = restarts === 0 ? '' : `, ${restarts} restart${restarts === 1 ? '' : 's'}`
  if (reason === 'OOMKilled') {
    const spec = listAt(pod.spec, 'containers').find(entry => textAt(entry, 'name') === textAt(status, 'name'))
    const limit = mapAt(spec, 'resources', 'limits').memory
    return `it used more memory than its limit${limit ? ` of ${limit}` : ''} and was killed${again}`
  }
  const lastWords = textAt(status, where, 'terminated', 'message')
  const code = numberAt(status, where, 'terminated', 'exitCode')
  return `exit code ${code}${again}${lastWords ? `: ${oneLine(lastWords.slice(-400))}` : ''}`
}

// The waiting message alternates between the registry's words (ErrImagePull) and "Back-off pulling image" (ImagePullBackOff).
function whyNotPulled(pod: K8sObject, status: unknown, reason: string, describe: string, snapshot: Snapshot): Health {
  const image = textAt(status, 'image') ?? '?'
  const words = [
    textAt(status, 'state', 'waiting', 'message') ?? '',
    ...snapshot
      .events(pod)
      .filter(event => event.reason === 'Failed')
      .map(event => event.message),
  ].join('\n')
  const causes: [RegExp, string][] = [
    [/toomanyrequests|rate limit/i, 'the registry limits anonymous pulls: wait some hours, or log in to it'],
    [/not found|manifest unknown|does not exist/i, 'the registry has no such image or tag'],
    [/no such host|server misbehaving|lookup .* on /i, 'the node cannot resolve the name of the registry'],
    [/unauthorized|denied|authentication required|forbidden/i, 'the registry wants a login, or has no such image'],
    [/x509|certificate/i, "the node does not trust the registry's certificate, or its clock is wrong"],
    [/no match for platform|no matching manifest/i, "the image is not made for this node's processor"],
    [/no space left/i, "the node's disk is full"],
    [/i\/o timeout|connection refused|unreachable|deadline exceeded/i, 'the node cannot reach the registry'],
  ]
  const cause =
    reason === 'InvalidImageName'
      ? 'that is not a name of an image'
      : (causes.find(([pattern]) => pattern.test(words))?.[1] ?? oneLine(words.split('\n')[0] || reason))
  return unwell(`the image ${image} of pod ${pod.metadata.name} cannot be pulled: ${cause}`, describe)
}

// Events of a pod that the kubelet cannot set up: volumes that do not mount, a network that is not there.
const setupFailures = [
  'FailedMount',
  'FailedAttachVolume',
  'FailedMapVolume',
  'FailedCreatePodSandBox',
  'NetworkNotReady',
]

function whyNotReady(pod: K8sObject, snapshot: Snapshot): Health {
  const { namespace, name } = pod.metadata
  const describe = `kubectl -n ${namespace} describe pod ${name}`
  const events = snapshot.events(pod)
  const statuses = listAt(pod.status, 'containerStatuses')
  const running = statuses.filter(status => textAt(status, 'state', 'running', 'startedAt') !== undefined)

  if (running.length === 0) {
    const failure = events.find(event => setupFailures.includes(event.reason))
    if (failure) {
      const missing = /(secret|configmap) "([^"]+)" not found/.exec(failure.message)
      if (missing)
        return unwell(
          `pod ${name} needs the ${missing[1]} ${missing[2]}, which does not exist`,
          `kubectl -n ${namespace} get ${missing[1]}`,
        )
      return unwell(`pod ${name} cannot be set up on its node: ${oneLine(failure.message)}`, describe)
    }
    return progressing(`pod ${name} is starting`)
  }
  const unready = statuses.find(status => (status as { ready?: boolean }).ready === false)
  const container = textAt(unready, 'name') ?? textAt(running[0], 'name') ?? '?'
  const probe = events.find(event => event.reason === 'Unhealthy')?.message
  const since = condition(pod, 'Ready')?.since ?? timeAt(running[0], 'state', 'running', 'startedAt') ?? snapshot.now
  const said = probe === undefined ? '' : `: ${oneLine(probe)}`
  const cause = `container ${container} of pod ${name} runs but is not ready${said}`
  if (snapshot.now - since < patience) return progressing(cause, `kubectl -n ${namespace} logs ${name} -c ${container}`)
  return unwell(
    `${cause} (for ${duration(snapshot.now - since)})`,
    `kubectl -n ${namespace} logs ${name} -c ${container}`,
  )
}

/** The judgement of the first pod that is not ready, worst first; undefined when all are. */
export function worstPod(pods: readonly K8sObject[], snapshot: Snapshot): Health | undefined {
  const judged = pods.map(pod => judgePod(pod, snapshot)).filter(health => health.state !== 'ready')
  return judged.find(health => health.state === 'unwell') ?? judged[0]
}

const selectedNode = 'volume.kubernetes.io/selected-node'

function claimsOf(pod: K8sObject, snapshot: Snapshot): K8sObject[] {
  return listAt(pod.spec, 'volumes').flatMap(volume => {
    const claim = textAt(volume, 'persistentVolumeClaim', 'claimName')
    const found = claim && snapshot.find('PersistentVolumeClaim', pod.metadata.namespace, claim)
    return found ? [found] : []
  })
}
