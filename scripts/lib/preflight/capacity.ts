// Does it fit? What is still to be placed against what the nodes have left, the distribution's own pods included.
import { at, condition, formatQuantity, type K8sObject, listAt, mapAt, podRequests, quantity, textAt } from '../k8s.ts'
import { type Check, problem, unknown, warning, well } from './check.ts'
import type { Facts } from './facts.ts'
import { controlPlane, type NeededPod } from './needs.ts'

interface Room {
  node: K8sObject
  /** By resource, in base units; less than nothing where more is reserved than there is. */
  left: Record<string, number>
}

// Kubernetes's own taints follow the node's conditions, a moment late; the conditions have checks of their own.
const passing = /^node\.kubernetes\.io\/(not-ready|unreachable|network-unavailable|unschedulable|[a-z]+-pressure)$/

/** The taints that keep pods away for good. */
export const lastingTaints = (node: K8sObject): unknown[] =>
  listAt(node.spec, 'taints').filter(
    taint => textAt(taint, 'effect') !== 'PreferNoSchedule' && !passing.test(textAt(taint, 'key') ?? ''),
  )

/** Whether the scheduler may put this pod on that node, room aside. */
export function usableBy(pod: Pick<NeededPod, 'onControlPlane'>, node: K8sObject): boolean {
  if (at(node.spec, 'unschedulable') === true) return false
  return lastingTaints(node).every(
    taint => pod.onControlPlane && textAt(taint, 'key') === controlPlane && textAt(taint, 'effect') === 'NoSchedule',
  )
}

const fits = (pod: NeededPod, left: Readonly<Record<string, number>>): boolean =>
  Object.entries({ ...pod.requests, pods: 1 }).every(([resource, amount]) => amount <= (left[resource] ?? 0))

function reserve(pod: NeededPod, room: Room): void {
  for (const [resource, amount] of Object.entries({ ...pod.requests, pods: 1 }))
    room.left[resource] = (room.left[resource] ?? 0) - amount
}

/** The nodes that count, and what each has left of CPU, memory and pods. */
function rooms({ objects }: Facts): Room[] {
  const running = new Map<string, number>()
  for (const pod of objects.of('Pod')) {
    const node = textAt(pod.spec, 'nodeName')
    if (node !== undefined && !['Succeeded', 'Failed'].includes(textAt(pod.status, 'phase') ?? ''))
      running.set(node, (running.get(node) ?? 0) + 1)
  }
  return objects
    .of('Node')
    .filter(node => condition(node, 'Ready')?.status === 'True')
    .map(node => {
      const allocatable = mapAt(node.status, 'allocatable')
      const reserved: Record<string, number> = {
        ...objects.reservedOn(node.metadata.name, podRequests),
        pods: running.get(node.metadata.name) ?? 0,
      }
      const resources = ['cpu', 'memory', 'pods'] as const
      return {
        node,
        left: Object.fromEntries(resources.map(one => [one, quantity(allocatable[one] ?? '0') - (reserved[one] ?? 0)])),
      }
    })
}

const both = (of: Readonly<Record<string, number>>): string =>
  `${formatQuantity('cpu', round(of.cpu))} and ${formatQuantity('memory', of.memory ?? 0)}`

/** The same of what is left, rounded down: nobody can use what rounding adds. */
function left(of: Readonly<Record<string, number>>): string {
  const memory = Math.max(0, of.memory ?? 0)
  const step = memory >= 2 ** 30 ? 2 ** 30 / 10 : 2 ** 20
  return both({ cpu: Math.floor((of.cpu ?? 0) * 100 + 1e-6) / 100, memory: Math.floor(memory / step) * step })
}

// Sums of tenths end in …0000001.
const round = (cores = 0): number => Math.max(0, Math.round(cores * 1000) / 1000)

function sum(parts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {}
  for (const part of parts)
    for (const [resource, amount] of Object.entries(part))
      total[resource] = (total[resource] ?? 0) + Math.max(0, amount)
  return total
}

/**
 * Puts the pods on the nodes, the largest first, each where most is left: what finds no place then, the scheduler will
 * hardly place either. In a rehearsal the scheduler has the last word.
 */
function place(pods: readonly NeededPod[], nodes: readonly Room[]): { pod: NeededPod; freest: Room | undefined }[] {
  const bySize = [...pods].sort((a, b) => (b.requests.memory ?? 0) - (a.requests.memory ?? 0))
  const without: { pod: NeededPod; freest: Room | undefined }[] = []
  for (const pod of bySize) {
    const usable = nodes
      .filter(({ node }) => usableBy(pod, node))
      .sort((a, b) => (b.left.memory ?? 0) - (a.left.memory ?? 0))
    const room = usable.find(room => fits(pod, room.left))
    if (room) reserve(pod, room)
    else if (usable.length) without.push({ pod, freest: usable[0] }) // no usable node at all: the check of the taints
  }
  return without
}

export const capacity: Check = {
  id: 'nodes.capacity',
  title: 'Capacity',
  reads: ['Node', 'Pod'],
  look(facts) {
    const nodes = rooms(facts)
    if (nodes.length === 0) return unknown('no node is ready')
    const everywhere = facts.pods.flatMap(pod =>
      pod.eachNode === undefined
        ? []
        : nodes.filter(({ node }) => !pod.eachNode?.includes(node.metadata.name)).map(room => ({ pod, room })),
    )
    const anywhere = facts.pods.filter(pod => pod.eachNode === undefined)
    const asked = sum([...everywhere.map(({ pod }) => pod.requests), ...anywhere.map(pod => pod.requests)])
    const free = sum(nodes.map(room => room.left))
    const of = `${nodes.length} node${nodes.length > 1 ? 's' : ''}`
    const numbers = `${both(asked)} are asked for, ${left(free)} of ${of} are free`
    const cramped = everywhere.filter(({ pod, room }) => {
      const there = fits(pod, room.left)
      if (there) reserve(pod, room)
      return !there
    })
    const without = place(anywhere, nodes)
    const [first] = without
    const [tight] = cramped
    if (!first && !tight)
      return well(anywhere.length + everywhere.length ? numbers : `everything has its place; ${left(free)} are free`)
    const pod = first
      ? `${first.pod.workload} fits on no node: it asks for ${both(first.pod.requests)}, and the freest (${first.freest?.node.metadata.name}) has ${left(first.freest?.left ?? {})} left for it`
      : `${tight?.pod.workload} does not fit on node ${tight?.room.node.metadata.name}`
    const short = ['cpu', 'memory'].some(one => (asked[one] ?? 0) > (free[one] ?? 0))
    return (facts.site.sandbox ? warning : problem)({
      what: short ? `the platform does not fit: ${numbers}` : pod,
      why: short ? pod : numbers,
      fix: 'give the nodes more memory or CPU, set RANCHER=false in .env (it is the largest part), or lower the requests in infrastructure/platform/*/values.yaml',
      link: 'infrastructure/docs/PREPARE.md',
    })
  },
}
