// Does the quota of each namespace let in what is there and what is to come? Below that, an update would find no room.
import { fileOf, limitsFolder, readLimits } from '../guardrails.ts'
import { formatQuantity, type K8sObject, mapAt, podRequests, quantity, textAt } from '../k8s.ts'
import { type Check, orWell, problem, type Result, warning } from './check.ts'
import type { Facts } from './facts.ts'
import { workloadsOf } from './needs.ts'
import { chosen } from './ours.ts'

/** What the pods of the steps that are to run request, by namespace. */
function wanted(facts: Facts): Map<string, Record<string, number>> {
  const nodes = facts.objects.of('Node').length
  return new Map(
    chosen(facts).map(component => {
      const sum: Record<string, number> = {}
      for (const { kind, replicas, podSpec } of workloadsOf(component)) {
        const count = kind === 'DaemonSet' ? nodes : replicas
        const { cpu = 0, memory = 0 } = podRequests(podSpec)
        for (const [name, amount] of Object.entries({ pods: 1, 'requests.cpu': cpu, 'requests.memory': memory }))
          sum[name] = (sum[name] ?? 0) + count * amount
      }
      return [component.namespace, sum] as const
    }),
  )
}

/** What is in use, by namespace: as the quotas in the cluster count it, and where there is none yet, by what is there. */
function used({ objects }: Facts): Map<string, Record<string, number>> {
  const found = new Map<string, Record<string, number>>()
  const add = ({ metadata: { namespace = '' } }: K8sObject, amounts: Record<string, number>) => {
    const sum = found.get(namespace) ?? {}
    for (const [name, amount] of Object.entries(amounts)) sum[name] = (sum[name] ?? 0) + amount
    found.set(namespace, sum)
  }
  for (const pod of objects.of('Pod')) {
    if (['Succeeded', 'Failed'].includes(textAt(pod.status, 'phase') ?? '')) continue
    const { cpu = 0, memory = 0 } = podRequests(pod.spec)
    add(pod, { pods: 1, 'requests.cpu': cpu, 'requests.memory': memory })
  }
  for (const service of objects.of('Service'))
    if (textAt(service.spec, 'type') === 'LoadBalancer') add(service, { 'services.loadbalancers': 1 })
  for (const { metadata, status } of objects.of('ResourceQuota'))
    if (metadata.name === 'homelab')
      found.set(
        metadata.namespace ?? '',
        Object.fromEntries(Object.entries(mapAt(status, 'used')).map(([name, text]) => [name, quantity(text)])),
      )
  return found
}

function below(facts: Facts, namespace: string, amounts: Record<string, number>, verb: string): Result[] {
  const hard = mapAt(readLimits(namespace).find(({ kind }) => kind === 'ResourceQuota')?.spec, 'hard')
  return Object.entries(amounts).flatMap(([name, amount]) => {
    const limit = hard[name]
    // Sums of tenths end in …0000001.
    if (limit === undefined || amount <= quantity(limit) + 1e-6) return []
    const shown = formatQuantity(name.replace('requests.', ''), Math.round(amount * 1000) / 1000)
    return [
      (facts.site.sandbox ? warning : problem)({
        what: `the quota of ${namespace} allows ${name} ${limit}, and ${shown} ${verb}`,
        why: 'pods that run would stay, and the next update or restart would find no room',
        fix: `raise ${name} in ${fileOf(limitsFolder, namespace)}`,
        link: 'infrastructure/docs/SECURITY.md',
      }),
    ]
  })
}

export const quotas: Check = {
  id: 'nodes.quotas',
  title: 'Quotas',
  reads: ['Node', 'Pod', 'Service', 'ResourceQuota'],
  look(facts) {
    const inUse = [...used(facts)].flatMap(([namespace, amounts]) => below(facts, namespace, amounts, 'are in use'))
    const asked = [...wanted(facts)].flatMap(([namespace, amounts]) =>
      below(facts, namespace, amounts, 'are asked for'),
    )
    return orWell([...inUse, ...(inUse.length ? [] : asked)], 'each has room for what is there and what is to come')
  },
}
