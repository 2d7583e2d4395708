// Why the scheduler finds no node for a pod, with the amount that is missing.

import { formatQuantity, type K8sObject, listAt, mapAt, podRequests, quantity, textAt } from '../k8s.ts'
import { type Health, oneLine, unwell } from './judged.ts'
import type { Snapshot } from './snapshot.ts'
import { judgeClaim } from './storage.ts'

/** @param message the scheduler's own words, from the pod's PodScheduled condition */
export function whyNotScheduled(pod: K8sObject, message: string, snapshot: Snapshot): Health {
  const { namespace, name } = pod.metadata
  const describe = `kubectl -n ${namespace} describe pod ${name}`
  const words = oneLine(message.replace(/\s*(no new claims to deallocate, )?preemption:.*$/s, ''))

  // Storage first: the scheduler repeats it for every node, but it is one thing to mend.
  if (/persistent ?volume|volume node affinity/i.test(message)) {
    // A claim that itself waits for the pod's node (WaitForFirstConsumer) is no cause.
    const bad = /unbound immediate/.test(message) ? ['unwell', 'progressing'] : ['unwell']
    const claim = claimsOf(pod, snapshot).find(({ health }) => bad.includes(health.state))
    if (claim !== undefined)
      return {
        ...claim.health,
        state: 'unwell',
        cause: `pod ${name} waits for its volume: ${claim.health.cause ?? claim.name}`,
      }
    const missing = /persistentvolumeclaim "([^"]+)" not found/.exec(message)?.[1]
    if (missing)
      return unwell(`pod ${name} wants claim ${missing}, which does not exist`, `kubectl -n ${namespace} get pvc`)
    if (/didn't match PersistentVolume's node affinity|volume node affinity conflict/.test(message))
      return unwell(
        `pod ${name} cannot start where its data is: its volume lies on a node that is gone or full (${words})`,
        `kubectl get pv -o wide; kubectl get nodes`,
      )
  }
  const short = /Insufficient ([\w/-]+(?:\.[\w/-]+)*)/.exec(message)?.[1]
  if (short !== undefined) {
    const amount = howMuchShort(pod, short, snapshot)
    return unwell(
      `pod ${name} fits on no node: ${amount ?? words}`,
      `kubectl describe nodes | grep -A8 'Allocated resources'`,
    )
  }
  if (/Too many pods/.test(message))
    return unwell(`pod ${name} fits on no node: every node has its full number of pods`, 'kubectl get nodes')
  if (/^0\/0 nodes|no nodes available/.test(message))
    return unwell(`pod ${name} has nowhere to run: the cluster has no node`, 'kubectl get nodes')
  const taint = /untolerated taint\(?s?\)? \{([^}:]+)/.exec(message)?.[1]?.trim()
  if (taint === 'node.kubernetes.io/not-ready' || taint === 'node.kubernetes.io/unreachable')
    return unwell(`pod ${name} waits for a node that is ready (${words})`, 'kubectl get nodes')
  if (taint !== undefined)
    return unwell(`pod ${name} tolerates no node's taint ${taint} (${words})`, 'kubectl describe nodes | grep Taints')
  if (/were unschedulable/.test(message))
    return unwell(`pod ${name} finds only cordoned nodes (${words})`, 'kubectl uncordon NODE')
  return unwell(`pod ${name} finds no node: ${words}`, describe)
}

function claimsOf(pod: K8sObject, snapshot: Snapshot): { name: string; health: Health }[] {
  return listAt(pod.spec, 'volumes').flatMap(volume => {
    const name = textAt(volume, 'persistentVolumeClaim', 'claimName')
    const claim = name === undefined ? undefined : snapshot.find('PersistentVolumeClaim', pod.metadata.namespace, name)
    return name === undefined || claim === undefined ? [] : [{ name, health: judgeClaim(claim, snapshot) }]
  })
}

/** `it asks for 6Gi memory, and the freest node (n2) has 4.5Gi left: 1.5Gi too little`, where nodes are known. */
function howMuchShort(pod: K8sObject, resource: string, snapshot: Snapshot): string | undefined {
  const asked = podRequests(pod.spec)[resource]
  if (asked === undefined) return undefined
  const asks = `it asks for ${formatQuantity(resource, asked)}${resource === 'cpu' ? '' : ` ${resource}`}`
  const rooms = snapshot
    .of('Node')
    .filter(node => !node.spec || !(node.spec as { unschedulable?: boolean }).unschedulable)
    .map(node => {
      const has = quantity(mapAt(node.status, 'allocatable')[resource] ?? '0')
      return {
        node: node.metadata.name,
        has,
        left: has - (snapshot.reservedOn(node.metadata.name, podRequests)[resource] ?? 0),
      }
    })
    .sort((a, b) => b.left - a.left)
  const [freest] = rooms
  if (freest === undefined) return `${asks}, more than any node has left`
  const largest = Math.max(...rooms.map(room => room.has))
  if (asked > largest) return `${asks}, and the largest node has ${formatQuantity(resource, largest)} in all`
  if (!snapshot.knowsAll('Pod')) return `${asks}, more than any node has left`
  if (freest.left >= asked) return undefined // the room is there by now, or another rule forbids that node
  const left = formatQuantity(resource, Math.max(0, freest.left))
  return `${asks}, and the freest node (${freest.node}) has ${left} left: ${formatQuantity(resource, asked - freest.left)} too little`
}
