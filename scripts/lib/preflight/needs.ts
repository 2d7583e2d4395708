// The pods that are still to be placed, and what each of them reserves: read from the very files that the steps install,
// so that an owner's own values count. A test holds this to what the charts render.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'
import type { Snapshot } from '../health/snapshot.ts'
import { at, type K8sObject, listAt, numberAt, podRequests, textAt } from '../k8s.ts'
import { root } from '../root.ts'
import type { Component } from './ours.ts'

export interface NeededPod {
  step: string
  /** Its workload: `traefik/traefik`. */
  workload: string
  /** By resource, in base units. */
  requests: Readonly<Record<string, number>>
  /** It also runs on control-plane nodes that keep others away. */
  onControlPlane: boolean
  /** One on each node, instead of one anywhere; the nodes that already have it. */
  eachNode?: readonly string[]
}

interface Workload {
  kind: 'Deployment' | 'StatefulSet' | 'DaemonSet'
  name: string
  replicas: number
  podSpec: unknown
}

/** Where a chart's values have what a workload reserves, and how many there are of it. */
interface InValues {
  name: string
  kind?: Workload['kind']
  /** The part of the values that is about this workload; the whole of it when absent. */
  part?: string
  replicas?: readonly string[]
  init?: string
}

const inValues: Record<string, readonly InValues[]> = {
  '02-metallb': [
    { name: 'metallb-controller', part: 'controller' },
    { name: 'metallb-speaker', part: 'speaker', kind: 'DaemonSet' },
  ],
  '04-traefik': [{ name: 'traefik', replicas: ['deployment', 'replicas'] }],
  '05-cert-manager': [
    { name: 'cert-manager', replicas: ['replicaCount'] },
    { name: 'cert-manager-webhook', part: 'webhook', replicas: ['webhook', 'replicaCount'] },
    { name: 'cert-manager-cainjector', part: 'cainjector', replicas: ['cainjector', 'replicaCount'] },
  ],
  '06-rancher': [{ name: 'rancher', replicas: ['replicas'] }],
  '07-argocd': [
    { name: 'argocd-application-controller', part: 'controller', kind: 'StatefulSet' },
    { name: 'argocd-server', part: 'server', replicas: ['server', 'replicas'] },
    { name: 'argocd-repo-server', part: 'repoServer', replicas: ['repoServer', 'replicas'], init: 'copyutil' },
    { name: 'argocd-redis', part: 'redis' },
    {
      name: 'argocd-applicationset-controller',
      part: 'applicationSet',
      replicas: ['applicationSet', 'replicas'],
    },
  ],
}

const inManifest: Record<string, string> = {
  '01-storage-class': 'local-path/provisioner.yaml',
  '03-adguard': 'adguard/statefulset.yaml',
}

const folder = join(root, 'infrastructure/platform')

/** Everything that a component's pods reserve, whether they are there or not. */
export function workloadsOf({ step, link }: Pick<Component, 'step' | 'link'>): Workload[] {
  const manifest = inManifest[step]
  if (manifest !== undefined)
    return parseAllDocuments(readFileSync(join(folder, manifest), 'utf8'))
      .map(document => document.toJS() as K8sObject)
      .filter(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet')
      .map(({ kind, metadata, spec }) => ({
        kind: kind as Workload['kind'],
        name: metadata.name,
        replicas: numberAt(spec, 'replicas'),
        podSpec: at(spec, 'template', 'spec'),
      }))
  const listed = inValues[step] ?? []
  if (listed.length === 0) return []
  const values: unknown = parse(readFileSync(join(root, link, '..', 'values.yaml'), 'utf8'))
  return listed.map(({ name, kind = 'Deployment', part, replicas = [], init }) => {
    const own = part === undefined ? values : at(values, part)
    const count = at(values, ...replicas)
    const starting = init === undefined ? undefined : at(own, init, 'resources')
    return {
      kind,
      name,
      replicas: typeof count === 'number' ? count : 1,
      podSpec: {
        containers: [{ resources: at(own, 'resources') }],
        ...(starting === undefined ? {} : { initContainers: [{ resources: starting }] }),
        tolerations: listAt(own, 'tolerations'),
        // MetalLB's speaker has a switch of its own for it.
        ...(at(own, 'tolerateMaster') === true ? { tolerations: [{ key: controlPlane }] } : {}),
      },
    }
  })
}

export const controlPlane = 'node-role.kubernetes.io/control-plane'

/** The pods of these components that have no node yet. */
export function neededPods(components: readonly Component[], objects: Snapshot): NeededPod[] {
  return components.flatMap(component => {
    // k3s brings its own provisioner, and the step uses that one.
    if (
      component.step === '01-storage-class' &&
      objects.find('Deployment', 'kube-system', 'local-path-provisioner') !== undefined
    )
      return []
    return workloadsOf(component).flatMap(({ kind, name, replicas, podSpec }) => {
      const placed = objects
        .of('Pod')
        .filter(pod => pod.metadata.namespace === component.namespace && isPodOf(kind, name, pod.metadata.name))
        .filter(pod => !['Succeeded', 'Failed'].includes(textAt(pod.status, 'phase') ?? '')) // an evicted one stays listed
        .flatMap(pod => textAt(pod.spec, 'nodeName') ?? [])
      const pod: NeededPod = {
        step: component.step,
        workload: `${component.namespace}/${name}`,
        requests: podRequests(podSpec),
        onControlPlane: listAt(podSpec, 'tolerations').some(one => textAt(one, 'key') === controlPlane),
      }
      if (kind === 'DaemonSet') return [{ ...pod, eachNode: placed }]
      return Array.from({ length: Math.max(0, replicas - placed.length) }, () => pod)
    })
  })
}

/** By the names that the controllers give: a hash and five characters, a number, or five characters. */
function isPodOf(kind: Workload['kind'], workload: string, pod: string): boolean {
  if (!pod.startsWith(`${workload}-`)) return false
  const rest = pod.slice(workload.length + 1)
  if (kind === 'Deployment') return /^[a-z0-9]+-[a-z0-9]{5}$/.test(rest)
  return kind === 'StatefulSet' ? /^\d+$/.test(rest) : /^[a-z0-9]{5}$/.test(rest)
}
