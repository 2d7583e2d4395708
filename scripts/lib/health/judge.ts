// Judges an object of the cluster: ready, on its way, unwell, and why. Pure: objects in, a judgement out.

import { condition, type K8sObject, listAt, textAt } from '../k8s.ts'
import { judgeApplication } from './application.ts'
import { judgeCertificate, judgeIssuer } from './custom.ts'
import { type Health, oneLine, progressing, ready, unwell, worst } from './judged.ts'
import { judgePod } from './pods.ts'
import { judgeService } from './service.ts'
import type { Snapshot } from './snapshot.ts'
import { judgeClaim, judgeStorageClass } from './storage.ts'
import { judgeJob, judgeWorkload } from './workloads.ts'

export type { Health } from './judged.ts'
export { Snapshot } from './snapshot.ts'

const judges: Record<string, (object: K8sObject, snapshot: Snapshot) => Health> = {
  Namespace: judgeNamespace,
  Node: judgeNode,
  CustomResourceDefinition: judgeDefinition,
  Deployment: judgeWorkload,
  StatefulSet: judgeWorkload,
  DaemonSet: judgeWorkload,
  Job: judgeJob,
  Pod: judgePod,
  PersistentVolumeClaim: judgeClaim,
  StorageClass: judgeStorageClass,
  Service: judgeService,
  Ingress: judgeIngress,
  Certificate: judgeCertificate,
  Issuer: judgeIssuer,
  ClusterIssuer: judgeIssuer,
  Application: (application, snapshot) => judgeApplication(application, snapshot, judge),
}

/**
 * How an object is. A kind without rules of its own is ready when it exists and has no condition that says otherwise.
 * @param object the object, or undefined when it was looked for and is not there
 * @param snapshot what else is known of the same cluster: the more it holds, the nearer the cause
 */
export function judge(object: K8sObject | undefined, snapshot: Snapshot): Health {
  if (object === undefined) return { state: 'missing' }
  return (judges[object.kind] ?? judgeOther)(object, snapshot)
}

/** The worst of several judgements: what one line can say about a component. Nothing judged is missing. */
export function combine(judged: readonly Health[]): Health {
  for (const state of worst) {
    const found = judged.filter(health => health.state === state)
    // Of equally bad ones the first that knows a cause.
    const first = found.find(health => health.cause !== undefined) ?? found[0]
    if (first) return first
  }
  return { state: 'missing' }
}

function judgeNamespace(namespace: K8sObject): Health {
  const { name, deletionTimestamp } = namespace.metadata
  if (deletionTimestamp === undefined && textAt(namespace.status, 'phase') !== 'Terminating') return ready()
  const dead = condition(namespace, 'NamespaceDeletionDiscoveryFailure')
  if (dead?.status === 'True') {
    const api = /([\w.-]+\/v\w+): (?:the server is currently unable|stale GroupVersion)/.exec(dead.message)?.[1]
    return unwell(
      `namespace ${name} cannot end, because an API is registered whose server does not answer: ${api ?? oneLine(dead.message)}`,
      'kubectl get apiservices | grep False',
    )
  }
  const failed = condition(namespace, 'NamespaceDeletionContentFailure')
  if (failed?.status === 'True')
    return unwell(`namespace ${name} cannot end: ${oneLine(failed.message)}`, `kubectl describe namespace ${name}`)
  const held = condition(namespace, 'NamespaceFinalizersRemaining')
  const left = condition(namespace, 'NamespaceContentRemaining')
  const what =
    left?.status === 'True' ? oneLine(left.message.replace(/^Some resources are remaining: /, '')) : undefined
  if (held?.status === 'True')
    return unwell(
      `namespace ${name} cannot end: ${oneLine(held.message.replace(/^Some content in the namespace has finalizers remaining: /, ''))} must be released first by the controller that put it there${what ? ` (${what})` : ''}`,
      `kubectl get namespace ${name} -o yaml`,
    )
  return progressing(`namespace ${name} is being deleted${what ? `: ${what}` : ''}`)
}

function judgeNode(node: K8sObject): Health {
  const { name } = node.metadata
  const status = condition(node, 'Ready')
  const describe = `kubectl describe node ${name}`
  if (status === undefined || status.status === 'Unknown') return unwell(`node ${name} does not answer`, describe)
  if (status.status !== 'True') return unwell(`node ${name} is not ready: ${oneLine(status.message)}`, describe)
  const pressure = ['MemoryPressure', 'DiskPressure', 'PIDPressure'].find(
    type => condition(node, type)?.status === 'True',
  )
  if (pressure)
    return unwell(
      `node ${name} is short of ${{ MemoryPressure: 'memory', DiskPressure: 'disk' }[pressure] ?? 'process numbers'}`,
      describe,
    )
  return ready()
}

function judgeDefinition(definition: K8sObject): Health {
  const { name } = definition.metadata
  if (definition.metadata.deletionTimestamp !== undefined) {
    const ending = condition(definition, 'Terminating')
    return unwell(
      `the kind ${name} is being deleted${ending ? `: ${oneLine(ending.message)}` : ''}`,
      `kubectl get ${name} -A`,
    )
  }
  const names = condition(definition, 'NamesAccepted')
  if (names?.status === 'False')
    return unwell(`the kind ${name} clashes with another: ${oneLine(names.message)}`, 'kubectl get crd')
  return condition(definition, 'Established')?.status === 'True'
    ? ready()
    : progressing(`the kind ${name} is not served yet`)
}

function judgeIngress(ingress: K8sObject, snapshot: Snapshot): Health {
  const { namespace, name } = ingress.metadata
  const className = textAt(ingress.spec, 'ingressClassName')
  if (className && snapshot.knows('IngressClass') && !snapshot.find('IngressClass', undefined, className))
    return unwell(`ingress ${name} wants the class ${className}, which does not exist`, './bootstrap/04-traefik.ts')
  for (const rule of listAt(ingress.spec, 'rules'))
    for (const path of listAt(rule, 'http', 'paths')) {
      const service = textAt(path, 'backend', 'service', 'name')
      if (service && snapshot.knows('Service') && !snapshot.find('Service', namespace, service))
        return unwell(
          `ingress ${name} leads to the Service ${service}, which does not exist`,
          `kubectl -n ${namespace} get services`,
        )
    }
  // Not every controller publishes an address, so its absence alone says nothing.
  return ready()
}

function judgeOther(object: K8sObject): Health {
  const { name, deletionTimestamp } = object.metadata
  if (deletionTimestamp !== undefined) return progressing(`${object.kind} ${name} is being deleted`)
  const status = condition(object, 'Ready') ?? condition(object, 'Available')
  if (status === undefined || status.status === 'True') return ready()
  return progressing(`${object.kind} ${name} is not ready${status.message ? `: ${oneLine(status.message)}` : ''}`)
}
