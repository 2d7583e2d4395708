// The lab's network: everything rendered, what is there at run time only, and the policies of infrastructure/security.
import type { K8sObject } from '../../scripts/lib/k8s.ts'
import { appCharts, chartFolder } from './application-charts.ts'
import { applicationManifests, platformManifests, releases, render, rendered, sample } from './rendered.ts'

/** Everything that runs, policies left out. */
export async function everything(): Promise<K8sObject[]> {
  const charts = appCharts('prod').flatMap(one =>
    render(chartFolder(one.chart), one, one.values, /^kind: CustomResourceDefinition$/m, ['monitoring.coreos.com/v1']),
  )
  const rendering = (await Promise.all(releases.map(rendered))).flat()
  const all = [...platformManifests(), ...applicationManifests(), ...rendering, ...sameHouse(charts), ...atRunTime]
  // Argo CD never runs what is a chart's own test.
  const test = ({ metadata }: K8sObject) => /^test\b/.test(metadata.annotations?.['helm.sh/hook'] ?? '')
  return all.filter(one => one.kind !== 'NetworkPolicy' && !test(one))
}

/** The applications' example of a site has other addresses than that of the platform. */
const sameHouse = (objects: K8sObject[]): K8sObject[] =>
  JSON.parse(
    JSON.stringify(objects)
      .replaceAll('192.168.1.201', String(sample.adguardAddress1))
      .replaceAll('192.168.1.202', String(sample.adguardAddress2)),
  )

type Ports = Record<string, number | [number, 'UDP']>

function deployment(ref: string, labels: Record<string, string>, ports: Ports, spec: object = {}): K8sObject {
  const [namespace = '', name = ''] = ref.split('/')
  const listening = Object.entries(ports).map(([port, at]) =>
    typeof at === 'number' ? { name: port, containerPort: at } : { name: port, containerPort: at[0], protocol: at[1] },
  )
  const template = { metadata: { labels }, spec: { containers: [{ name, ports: listening }], ...spec } }
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { namespace, name }, spec: { template } }
}

const bound = (ref: string): K8sObject => {
  const [namespace = '', name = ''] = ref.split('/')
  return {
    ...{ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding', metadata: { name } },
    roleRef: { kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'ServiceAccount', name, namespace }],
  }
}

/** What nothing here renders: the cluster's own, what programs start by themselves, and applications of an owner's own. */
const atRunTime: K8sObject[] = [
  // As k3s, RKE2 and kubeadm label it.
  deployment(
    'kube-system/coredns',
    { 'k8s-app': 'kube-dns' },
    { dns: [53, 'UDP'], 'dns-tcp': 53, metrics: 9153 },
    { dnsPolicy: 'Default' },
  ),
  {
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'kube-system', name: 'kube-dns' } },
    spec: {
      selector: { 'k8s-app': 'kube-dns' },
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP' },
        { name: 'dns-tcp', port: 53 },
      ],
    },
  },
  deployment(
    'cattle-system/rancher-webhook',
    { app: 'rancher-webhook' },
    { https: 9443 },
    { serviceAccountName: 'rancher-webhook' },
  ),
  bound('cattle-system/rancher-webhook'),
  deployment('cattle-fleet-system/fleet-controller', { app: 'fleet-controller' }, {}, { dnsPolicy: 'None' }),
  deployment('cattle-fleet-local-system/fleet-agent', { app: 'fleet-agent' }, {}, { dnsPolicy: 'None' }),
  deployment('velero/maintenance', { 'velero.io/repo-name': 'any' }, {}, { serviceAccountName: 'velero-server' }),
  deployment('local-path-storage/helper-pod', {}, {}, { automountServiceAccountToken: false }),
  // In a namespace without policies: one that Traefik publishes and Prometheus asks, and one that nobody should reach from.
  deployment('notes/notes', { app: 'notes' }, { http: 8080 }),
  {
    ...{ apiVersion: 'v1', kind: 'Service', metadata: { namespace: 'notes', name: 'notes', labels: { app: 'notes' } } },
    spec: { selector: { app: 'notes' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
  },
  {
    ...{ apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata: { namespace: 'notes', name: 'notes' } },
    spec: { rules: [{ http: { paths: [{ backend: { service: { name: 'notes', port: { name: 'http' } } } }] } }] },
  },
  {
    ...{
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'ServiceMonitor',
      metadata: { namespace: 'notes', name: 'notes' },
    },
    spec: { selector: { matchLabels: { app: 'notes' } }, endpoints: [{ port: 'http' }] },
  },
  deployment('default/stranger', { app: 'stranger' }, {}),
]
