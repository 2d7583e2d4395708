// References of a pod: accounts, priorities, volumes, environment, probes.
import { at, type K8sObject, listAt, textAt } from '../../scripts/lib/k8s.ts'
import { absent, portsOf, type World } from './references-world.ts'

export function podProblems(object: K8sObject, podSpec: unknown, namespace: string, world: World): string[] {
  const problems: string[] = []
  const account = textAt(podSpec, 'serviceAccountName')
  if (account && account !== 'default') problems.push(...absent(world, 'ServiceAccount', namespace, account))
  const priority = textAt(podSpec, 'priorityClassName')
  if (priority && !priority.startsWith('system-')) problems.push(...absent(world, 'PriorityClass', '', priority))

  const source = (kind: 'Secret' | 'ConfigMap', from: unknown, field: string, key?: string) => {
    if (from !== undefined && at(from, 'optional') !== true)
      problems.push(...world.source(kind, namespace, textAt(from, field), key))
  }
  const volumes = new Set(listAt(object.spec, 'volumeClaimTemplates').map(claim => textAt(claim, 'metadata', 'name')))
  for (const volume of listAt(podSpec, 'volumes')) {
    volumes.add(textAt(volume, 'name'))
    const parts = [volume, ...listAt(volume, 'projected', 'sources')]
    for (const part of parts) {
      const secret = at(part, 'secret')
      const config = at(part, 'configMap')
      source('Secret', secret, part === volume ? 'secretName' : 'name')
      source('ConfigMap', config, 'name')
      for (const item of listAt(secret, 'items'))
        source('Secret', secret, part === volume ? 'secretName' : 'name', textAt(item, 'key'))
      for (const item of listAt(config, 'items')) source('ConfigMap', config, 'name', textAt(item, 'key'))
    }
    const claim = textAt(volume, 'persistentVolumeClaim', 'claimName')
    if (claim) problems.push(...absent(world, 'PersistentVolumeClaim', namespace, claim))
  }
  for (const claim of listAt(object.spec, 'volumeClaimTemplates')) {
    const storageClass = textAt(claim, 'spec', 'storageClassName')
    if (storageClass) problems.push(...absent(world, 'StorageClass', '', storageClass))
  }
  const serviceName = textAt(object.spec, 'serviceName')
  // Argo CD's real chart names one that does not exist, which only costs its pods a DNS name that nobody asks for.
  if (serviceName && object.kind === 'StatefulSet' && serviceName !== 'argocd-application-controller')
    problems.push(...absent(world, 'Service', namespace, serviceName))

  for (const container of [...listAt(podSpec, 'initContainers'), ...listAt(podSpec, 'containers')]) {
    for (const env of listAt(container, 'env')) {
      const secret = at(env, 'valueFrom', 'secretKeyRef')
      const config = at(env, 'valueFrom', 'configMapKeyRef')
      source('Secret', secret, 'name', textAt(secret, 'key'))
      source('ConfigMap', config, 'name', textAt(config, 'key'))
    }
    for (const from of listAt(container, 'envFrom')) {
      source('Secret', at(from, 'secretRef'), 'name')
      source('ConfigMap', at(from, 'configMapRef'), 'name')
    }
    for (const mount of listAt(container, 'volumeMounts')) {
      const volume = textAt(mount, 'name')
      if (!volumes.has(volume))
        problems.push(`${textAt(container, 'name')} mounts a volume ${volume} that the pod does not have`)
    }
    for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
      const port = at(container, probe, 'httpGet', 'port') ?? at(container, probe, 'tcpSocket', 'port')
      if (port !== undefined && !portsOf({ containers: [container] }).has(`${port}/TCP`) && typeof port === 'string')
        problems.push(`${probe} of ${textAt(container, 'name')} asks port ${port}, which the container does not have`)
    }
  }
  return [...new Set(problems)]
}
