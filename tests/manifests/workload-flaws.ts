// What a workload must say so that the scheduler, the kubelet and a Pod Security level can do their part.
import { at, type K8sObject, listAt, mapAt, textAt } from '../../scripts/lib/k8s.ts'

const kinds = ['Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'CronJob']

/** Serves nobody, and its answer to a probe says nothing: the reason is in its manifest. */
const withoutProbes = new Set(['local-path-provisioner'])

/** Whether an object makes pods. */
export const isWorkload = (object: K8sObject): boolean => kinds.includes(object.kind)

/** For any workload: requests and limits of each container, and images that are pinned. */
export function resourceFlaws(object: K8sObject): string[] {
  return containersOf(object).flatMap(([name, container]) => {
    const flaws: string[] = []
    for (const side of ['requests', 'limits'])
      for (const resource of ['cpu', 'memory'])
        if (!mapAt(container, 'resources', side)[resource]) flaws.push(`${name} has no ${side}.${resource}`)
    const image = textAt(container, 'image') ?? ''
    if (!/@sha256:[0-9a-f]{64}$/.test(image) && !/:[\w.-]*\d+\.\d+[\w.-]*$/.test(image))
      flaws.push(`${name}: the image ${image} is not pinned to a version`)
    return flaws
  })
}

/** For workloads whose manifests are ours: probes, and the least rights. */
export function hardeningFlaws(object: K8sObject): string[] {
  if (object.metadata.labels?.['homelab/runs-as'] === 'root') return [] // `make add-app … RUN_AS=0`: its owner's own choice
  const pod = at(object.spec, 'template', 'spec')
  const flaws = containersOf(object).flatMap(([name, container]) => {
    const security = at(container, 'securityContext')
    const found: string[] = []
    if (at(security, 'allowPrivilegeEscalation') !== false) found.push(`${name} may escalate its privileges`)
    if (at(security, 'readOnlyRootFilesystem') !== true) found.push(`${name} may write to its root file system`)
    if (!listAt(security, 'capabilities', 'drop').includes('ALL')) found.push(`${name} keeps capabilities`)
    const extra = listAt(security, 'capabilities', 'add').filter(one => one !== 'NET_BIND_SERVICE')
    if (extra.length) found.push(`${name} adds ${extra.join(', ')}`)
    if (textAt(container, 'imagePullPolicy') === 'Always') found.push(`${name} cannot start without its registry`)
    return found
  })
  // A Job serves nobody; that it ends is its answer.
  const silent = object.kind === 'Job' || withoutProbes.has(object.metadata.name)
  for (const container of silent ? [] : listAt(pod, 'containers'))
    for (const probe of ['readinessProbe', 'livenessProbe'])
      if (at(container, probe) === undefined) flaws.push(`${textAt(container, 'name')} has no ${probe}`)
  const security = at(pod, 'securityContext')
  if (at(security, 'runAsNonRoot') !== true) flaws.push('it may run as root')
  if (typeof at(security, 'runAsUser') !== 'number') flaws.push('it names no numeric user') // runAsNonRoot cannot judge a name
  if (textAt(security, 'seccompProfile', 'type') !== 'RuntimeDefault') flaws.push('it has no seccomp profile')
  if (at(pod, 'automountServiceAccountToken') !== false && textAt(pod, 'serviceAccountName') === undefined)
    flaws.push('it mounts the token of the default account')
  for (const field of ['hostNetwork', 'hostPID', 'hostIPC'])
    if (at(pod, field) === true) flaws.push(`it uses the node's own ${field}`)
  return flaws
}

function containersOf(object: K8sObject): [name: string, container: unknown][] {
  const pod = at(object.spec, 'template', 'spec') ?? at(object.spec, 'jobTemplate', 'spec', 'template', 'spec')
  return [...listAt(pod, 'initContainers'), ...listAt(pod, 'containers')].map(container => [
    textAt(container, 'name') ?? '?',
    container,
  ])
}
