// The files from which a sandbox starts: kwokctl's configuration, our stages, the egress selector.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseAllDocuments, stringify } from 'yaml'
import { egressSocket, sources } from './paths.ts'
import type { SandboxRecord } from './record.ts'

export interface Stage {
  metadata: { name: string }
  spec: { delay?: { durationMilliseconds?: number } }
}

/** Our stages. They replace all of KWOK's own, so these are all there are. */
export async function readStages(): Promise<Stage[]> {
  const folder = join(sources, 'stages')
  const files = (await readdir(folder)).filter(name => name.endsWith('.yaml')).sort()
  const texts = await Promise.all(files.map(name => readFile(join(folder, name), 'utf8')))
  return texts.flatMap(text => parseAllDocuments(text).map(document => document.toJS() as Stage))
}

/** The stages of one sandbox: those that are not off, with its own delay until a pod is Ready. */
export function stagesFor(stages: readonly Stage[], off: readonly string[], readyAfter: number): Stage[] {
  return stages
    .filter(({ metadata }) => !off.includes(metadata.name))
    .map(stage =>
      stage.metadata.name === 'pod-ready'
        ? { ...stage, spec: { ...stage.spec, delay: { ...stage.spec.delay, durationMilliseconds: readyAfter } } }
        : stage,
    )
}

export interface Ports {
  etcd: number
  etcdPeer: number
  apiserver: number
  controllerManager: number
  scheduler: number
  kubelet: number
}

/** kwokctl's configuration file: our programs (nothing is downloaded), our ports, loopback, and what kwokctl has no field for. */
export function kwokctlConfig(record: SandboxRecord, ports: Ports, stages: readonly Stage[]): string {
  const { programs, dir } = record
  // A certificate that is there: making its own costs each of them a third of a second of the start.
  const serving = [
    { key: 'tls-cert-file', value: join(record.pki, 'admin.crt') },
    { key: 'tls-private-key-file', value: join(record.pki, 'admin.key') },
  ]
  const egress = { key: 'egress-selector-config-file', value: join(dir, 'egress.yaml') }
  const cluster = {
    apiVersion: 'config.kwok.x-k8s.io/v1alpha1',
    kind: 'KwokctlConfiguration',
    options: {
      runtime: 'binary',
      kubeVersion: record.versions.kubernetes,
      bindAddress: '127.0.0.1',
      kubeApiserverPort: ports.apiserver,
      kubeControllerManagerPort: ports.controllerManager,
      kubeSchedulerPort: ports.scheduler,
      etcdPort: ports.etcd,
      etcdPeerPort: ports.etcdPeer,
      kwokControllerPort: ports.kubelet,
      etcdBinary: programs.etcd,
      kubeApiserverBinary: programs['kube-apiserver'],
      kubeControllerManagerBinary: programs['kube-controller-manager'],
      kubeSchedulerBinary: programs['kube-scheduler'],
      kwokControllerBinary: programs.kwok,
      kubectlBinary: programs.kubectl,
      kubeAuditPolicy: join(sources, 'audit-policy.yaml'),
      disableQPSLimits: true,
      cacheDir: join(dir, 'kwok', 'cache'),
    },
    componentsPatches: [
      // Nothing in here outlives a power cut anyway: without fsync a slow disk does not count.
      { name: 'etcd', extraArgs: [{ key: 'unsafe-no-fsync', value: 'true' }] },
      {
        name: 'kube-apiserver',
        extraArgs: [
          egress,
          { key: 'service-cluster-ip-range', value: '10.43.0.0/16' },
          // An address of the sandbox's LAN: with none given it takes the machine's own, and a laptop offline has none.
          { key: 'advertise-address', value: '192.168.77.10' },
          { key: 'kubelet-preferred-address-types', value: 'InternalIP' },
        ],
      },
      {
        name: 'kube-controller-manager',
        extraArgs: [
          { key: 'service-cluster-ip-range', value: '10.43.0.0/16' },
          { key: 'cluster-cidr', value: '10.42.0.0/16' },
          { key: 'leader-elect', value: 'false' }, // there is only one of each
          ...serving,
        ],
      },
      { name: 'kube-scheduler', extraArgs: [{ key: 'leader-elect', value: 'false' }, ...serving] },
    ],
  }
  const forwards = record.forwards.map(({ namespace, pod, port, local }) => ({
    apiVersion: 'kwok.x-k8s.io/v1alpha1',
    kind: 'PortForward',
    metadata: { name: pod, namespace },
    spec: { forwards: [{ ports: [port], target: { address: '127.0.0.1', port: local } }] },
  }))
  return [cluster, ...stages, ...forwards].map(document => stringify(document, { lineWidth: 0 })).join('---\n')
}

/** The API server reaches the inside of the cluster through our proxy. */
export function egressConfig(dir: string): string {
  return stringify({
    apiVersion: 'apiserver.k8s.io/v1beta1',
    kind: 'EgressSelectorConfiguration',
    egressSelections: [
      {
        name: 'cluster',
        connection: { proxyProtocol: 'HTTPConnect', transport: { uds: { udsName: egressSocket(dir) } } },
      },
    ],
  })
}
