// Small clusters made of literals, and what one check says about them.
import assert from 'node:assert/strict'
import { Snapshot } from '../../../scripts/lib/health/snapshot.ts'
import type { K8sObject } from '../../../scripts/lib/k8s.ts'
import { examine, type Result } from '../../../scripts/lib/preflight/check.ts'
import { checks } from '../../../scripts/lib/preflight/checks.ts'
import type { Facts } from '../../../scripts/lib/preflight/facts.ts'
import { neededPods } from '../../../scripts/lib/preflight/needs.ts'
import { chosen, components } from '../../../scripts/lib/preflight/ours.ts'
import type { Site } from '../../../scripts/lib/site/site.ts'

export const now = Date.parse('2026-05-01T12:00:00Z')

export type Rest = Record<string, unknown> & { metadata?: Record<string, unknown> }

/** `object('Service', 'traefik/traefik', { spec: … })` */
export function object(kind: string, ref: string, { metadata, ...rest }: Rest = {}): K8sObject {
  const [a = '', b] = ref.split('/')
  return {
    apiVersion: 'v1',
    kind,
    metadata: { ...(b === undefined ? { name: a } : { namespace: a, name: b }), ...metadata },
    ...rest,
  }
}

const ready = { type: 'Ready', status: 'True' }

export interface NodeLook {
  address?: string
  version?: string
  conditions?: unknown[]
  taints?: unknown[]
  allocatable?: Record<string, string>
  info?: Record<string, string>
  spec?: Record<string, unknown>
  annotations?: Record<string, string>
}

/** A node as a home has it: 4 CPU and 8 GiB. */
export function node(name: string, look: NodeLook = {}): K8sObject {
  const { address = `192.168.1.1${name.at(-1)}`, version = 'v1.36.3+k3s1', conditions = [ready], info = {} } = look
  return object('Node', name, {
    metadata: look.annotations ? { annotations: look.annotations } : {},
    spec: { podCIDRs: [`10.42.${name.at(-1)}.0/24`], ...(look.taints ? { taints: look.taints } : {}), ...look.spec },
    status: {
      conditions,
      addresses: [
        { type: 'InternalIP', address },
        { type: 'Hostname', address: name },
      ],
      allocatable: look.allocatable ?? { cpu: '4', memory: '8Gi', pods: '110' },
      nodeInfo: {
        ...{ kubeletVersion: version, operatingSystem: 'linux', architecture: 'amd64' },
        ...{ containerRuntimeVersion: 'containerd://2.1.4', machineID: `id-of-${name}` },
        ...info,
      },
    },
  })
}

export function pod(ref: string, on: string, requests: Record<string, string> = {}, rest: Rest = {}): K8sObject {
  return object('Pod', ref, {
    spec: { nodeName: on, containers: [{ resources: { requests } }] },
    status: { phase: 'Running' },
    ...rest,
  })
}

export const lease = (name: string, secondsAgo: number): K8sObject =>
  object('Lease', `kube-node-lease/${name}`, {
    spec: { leaseDurationSeconds: 40, renewTime: new Date(now - secondsAgo * 1000).toISOString() },
  })

const site = {
  environment: 'prod',
  file: '.env',
  kubeconfig: '/home/owner/.kube/config',
  context: 'home',
  clusterUid: 'uid-1',
  domain: 'lab.home.arpa',
  metallbPool: '192.168.1.200-192.168.1.220',
  traefikAddress: '192.168.1.200',
  adguardAddresses: ['192.168.1.201', '192.168.1.202'],
  rancher: true,
  networkPolicies: true,
  storagePath: '/opt/local-path-provisioner',
  s3: { endpoint: 'http://192.168.1.20:9000', bucket: 'homelab-backups' },
} as unknown as Site

/** A bare cluster of three nodes; `more` is added to it. */
export const bare = (...more: K8sObject[]): K8sObject[] => [
  ...[node('n1'), node('n2'), node('n3')],
  ...['n1', 'n2', 'n3'].map(name => lease(name, 3)),
  ...['default', 'kube-system'].map(name => object('Namespace', name)),
  object('Service', 'default/kubernetes', { spec: { clusterIP: '10.43.0.1', ipFamilies: ['IPv4'] } }),
  object('ServiceCIDR', 'kubernetes', { spec: { cidrs: ['10.43.0.0/16'] } }),
  ...more,
]

/** The same with other nodes. */
export const withNodes = (...nodes: K8sObject[]): K8sObject[] => [
  ...nodes,
  ...bare().filter(one => one.kind !== 'Node'),
]

export interface Change extends Partial<Omit<Facts, 'objects' | 'site'>> {
  objects?: readonly K8sObject[]
  site?: Partial<Site>
}

const lan = { first: 0xc0a80100, last: 0xc0a801ff, size: 256 }

/** Facts in which all is well, but for what is changed. */
export function facts({ objects = bare(), site: other = {}, ...change }: Change = {}): Facts {
  const snapshot = new Snapshot(objects, { now: new Date(now) })
  const all = { steps: components.map(({ step }) => step), site: { ...site, ...other }, ...change }
  return {
    now,
    kubectl: { value: 'v1.36.3' },
    helm: { value: 'v4.3.1' },
    kubernetes: 'v1.36.3+k3s1',
    uid: { value: 'uid-1' },
    ahead: { value: 200 },
    readyz: 'ok',
    access: { server: 'https://192.168.1.10:6443', ends: { value: now + 300 * 86_400_000 }, insecure: false },
    rights: { value: [] },
    objects: snapshot,
    unread: new Map(),
    charts: [{ value: { step: '02-metallb', name: 'MetalLB', version: '0.16.2', constraint: '>= 1.19.0-0' } }],
    // Read from the platform's own files, by the few checks that ask for them.
    get pods() {
      return neededPods(chosen(all), snapshot)
    },
    admission: new Map([['metallb-system', undefined]]),
    sealing: {
      value: { keys: ['sealed-secrets-key'], bundle: { made: now - 86_400_000, keys: ['sealed-secrets-key'] } },
    },
    machine: {
      addresses: [{ device: 'eth0', address: 0xc0a80105, network: lan }],
      gateways: { value: [0xc0a80101] },
    },
    repository: undefined,
    siteFile: undefined,
    ...all,
  }
}

/** What one check says. */
export function said(id: string, change: Change = {}): readonly Result[] {
  const wanted = checks.filter(check => check.id === id)
  assert.equal(wanted.length, 1, `there is one check ${id}`)
  return examine(wanted, facts(change))[0]?.results ?? []
}

/** One check's findings as lines: `problem: what | why | fix`. */
export function lines(id: string, change: Change = {}): string[] {
  return said(id, change).map(result => {
    const words =
      'text' in result
        ? [result.text]
        : result.state === 'unknown'
          ? [result.why]
          : [result.what, result.why ?? '', result.fix ?? '']
    return `${result.state}: ${words.join(' | ')}`
  })
}

/** A fault that one check must name. On the cluster without it the check has to be silent: `checks.test.ts` sees to that. */
export interface Fault {
  check: string
  fault: string
  change: Change
  /** One pattern for each finding, in their order. */
  says: readonly RegExp[]
}
