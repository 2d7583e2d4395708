// What a namespace takes at its worst moment: everything rolls at once, and every hook Job runs.
import { at, type K8sObject, listAt, numberAt, podRequests, quantity, textAt } from '../../scripts/lib/k8s.ts'

/** By the names that a ResourceQuota has for it, in base units. */
export type Needs = Record<string, number>

interface Pods {
  workload: string
  count: number
  spec: unknown
  /** Each pod's own claims. */
  claims: unknown[]
}

/** As the operator makes them: beside the program runs a reloader. @param reloader its resources */
function operated({ kind, metadata, spec }: K8sObject, reloader: unknown): Pods {
  const claim = at(spec, 'storage', 'volumeClaimTemplate')
  return {
    workload: `${kind} ${metadata.name}`,
    count: numberAt(spec, 'replicas') || 1,
    spec: {
      securityContext: at(spec, 'securityContext'),
      initContainers: [{ name: 'init-config-reloader', resources: reloader }],
      containers: [
        { name: kind.toLowerCase(), resources: at(spec, 'resources') },
        { name: 'config-reloader', resources: reloader },
      ],
    },
    claims: claim === undefined ? [] : [claim],
  }
}

/**
 * The pods of an object at the worst moment.
 * @param nodes how many a DaemonSet has
 */
export function podsOf(object: K8sObject, nodes: number, reloader?: unknown): Pods[] {
  const { kind, metadata, spec } = object
  const pods = (count: number, from: unknown = spec): Pods[] => [
    {
      workload: `${kind} ${metadata.name}`,
      count,
      spec: at(from, 'template', 'spec'),
      claims: listAt(from, 'volumeClaimTemplates'),
    },
  ]
  const replicas = at(spec, 'replicas') === undefined ? 1 : numberAt(spec, 'replicas')
  if (kind === 'Prometheus' || kind === 'Alertmanager') return [operated(object, reloader)]
  if (kind === 'Deployment') return pods(replicas + (replicas ? surge(spec, replicas) : 0))
  if (kind === 'StatefulSet') return pods(replicas) // the next one has the name of the last: never both
  if (kind === 'DaemonSet') return pods(nodes)
  if (kind === 'Job') return pods(numberAt(spec, 'parallelism') || 1)
  if (kind === 'CronJob') return pods(1, at(spec, 'jobTemplate', 'spec'))
  return []
}

/** https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#max-surge: a quarter, rounded up, unless said. */
function surge(spec: unknown, replicas: number): number {
  if (textAt(spec, 'strategy', 'type') === 'Recreate') return 0
  const most = at(spec, 'strategy', 'rollingUpdate', 'maxSurge') ?? '25%'
  return typeof most === 'number' ? most : Math.ceil((replicas * Number.parseFloat(String(most))) / 100)
}

/** What a ResourceQuota would count of these objects, all of one namespace. */
export function needsOf(objects: readonly K8sObject[], nodes: number, reloader?: unknown): Needs {
  const needs: Needs = {}
  const add = (name: string, amount: number) => {
    needs[name] = Math.round(((needs[name] ?? 0) + amount) * 1000) / 1000
  }
  const addClaim = (claim: unknown, count: number) => {
    add('persistentvolumeclaims', count)
    add('requests.storage', count * quantity(textAt(claim, 'spec', 'resources', 'requests', 'storage') ?? '0'))
  }
  for (const object of objects) {
    if (object.kind === 'PersistentVolumeClaim') addClaim(object, 1)
    if (object.kind === 'Service') add('services.loadbalancers', textAt(object.spec, 'type') === 'LoadBalancer' ? 1 : 0)
    for (const { count, spec, claims } of podsOf(object, nodes, reloader)) {
      const { cpu = 0, memory = 0 } = podRequests(spec)
      add('pods', count)
      add('requests.cpu', count * cpu)
      add('requests.memory', count * memory)
      for (const claim of claims) addClaim(claim, count)
    }
  }
  return needs
}
