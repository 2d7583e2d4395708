// Does the quota of each namespace let in what is there and what is to come? Below that, an update would find no room.
import { guardrails, limitsFileOf } from '../guardrails.ts'
import { formatQuantity, type K8sObject, mapAt, podRequests, quantity } from '../k8s.ts'
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

/** What is in use, by the quota that is in the cluster. */
const used = (quota: K8sObject): Record<string, number> =>
  Object.fromEntries(Object.entries(mapAt(quota.status, 'used')).map(([name, text]) => [name, quantity(text)]))

function below(facts: Facts, namespace: string, amounts: Record<string, number>, verb: string): Result[] {
  const hard = mapAt(guardrails(namespace).find(({ kind }) => kind === 'ResourceQuota')?.spec, 'hard')
  return Object.entries(amounts).flatMap(([name, amount]) => {
    const limit = hard[name]
    // Sums of tenths end in …0000001.
    if (limit === undefined || amount <= quantity(limit) + 1e-6) return []
    const shown = formatQuantity(name.replace('requests.', ''), Math.round(amount * 1000) / 1000)
    return [
      (facts.site.sandbox ? warning : problem)({
        what: `the quota of ${namespace} allows ${name} ${limit}, and ${shown} ${verb}`,
        why: 'pods that run would stay, and the next update or restart would find no room',
        fix: `raise ${name} in ${limitsFileOf(namespace)}`,
        link: 'infrastructure/docs/SECURITY.md',
      }),
    ]
  })
}

export const quotas: Check = {
  id: 'nodes.quotas',
  title: 'Quotas',
  reads: ['Node', 'ResourceQuota'],
  look(facts) {
    const ours = facts.objects.of('ResourceQuota').filter(({ metadata }) => metadata.name === 'homelab')
    const live = new Map(ours.map(one => [one.metadata.namespace ?? '', used(one)]))
    const inUse = [...live].flatMap(([namespace, amounts]) => below(facts, namespace, amounts, 'are in use'))
    const asked = [...wanted(facts)].flatMap(([namespace, amounts]) =>
      below(facts, namespace, amounts, 'are asked for'),
    )
    return orWell([...inUse, ...(inUse.length ? [] : asked)], 'each has room for what is there and what is to come')
  },
}
