// What must stay open, come what may: DNS of the house, the door, and Argo CD, by which a mistake is mended. Pure.
import type { K8sObject } from '../k8s.ts'
import { closedBy } from './connect.ts'
import { apiServer, both, type Flow, outside } from './flow.ts'
import { type Peer, type Pod, peerName } from './world.ts'

const pod = (namespace: string, name: string, number = 0, labels = {}): Pod => ({
  name: `${namespace}/${name}`,
  namespace,
  labels: { 'app.kubernetes.io/name': name, ...labels },
  ports: [{ name: '', number, protocol: 'TCP' }],
  spec: {},
})

const argocd = ['server', 'application-controller', 'repo-server'].map(name => pod('argocd', `argocd-${name}`))
const [server, controller, repository] = argocd as [Pod, Pod, Pod]
const [redis, traefik] = [pod('argocd', 'argocd-redis'), pod('traefik', 'traefik')]
const adguard = pod('adguard', 'adguard')
const webhook = pod('cert-manager', 'webhook', 10250, { 'app.kubernetes.io/component': 'webhook' })
const metallb = pod('metallb-system', 'metallb', 9443, { 'app.kubernetes.io/component': 'controller' })
const dns: Peer = pod('kube-system', 'coredns', 53, { 'k8s-app': 'kube-dns' })

/** @param cache where pods ask for names, when that is on the node itself (NodeLocal DNSCache) */
function vital(apiPort: number, cache: boolean): Flow[] {
  const tcp = (from: Peer, to: Peer, port: number, why: string): Flow => ({ from, to, port, protocol: 'TCP', why })
  return [
    ...both(outside, adguard, 5353, 'the house has no DNS without it'),
    ...both(adguard, outside, 53, 'the house has no internet without it'),
    tcp(outside, traefik, 8443, 'every page comes through it'),
    ...argocd.flatMap(one => both(one, cache ? outside : dns, 53, 'Argo CD finds nothing without it')),
    ...[server, controller, traefik, metallb, webhook].map(one =>
      tcp(one, apiServer, apiPort, 'it works by the API server'),
    ),
    ...[server, controller].map(one => tcp(one, repository, 8081, 'Argo CD renders nothing without it')),
    ...argocd.map(one => tcp(one, redis, 6379, 'Argo CD stands still without it')),
    tcp(repository, outside, 443, 'Argo CD reads nothing new without it, a mended policy neither'),
    ...[webhook, metallb].map(one => tcp(apiServer, one, one.ports[0]?.number ?? 0, 'nothing is admitted without it')),
  ]
}

/**
 * What these policies would lock out, a line each.
 * @param policies of the platform's namespaces
 */
export function lockedOut(policies: readonly K8sObject[], apiPort: number, cache = false): string[] {
  const namespaces = [...argocd, adguard, traefik, webhook, metallb].map(({ namespace }) => namespace)
  const world = {
    namespaces: new Map([...namespaces, 'kube-system'].map(name => [name, { 'kubernetes.io/metadata.name': name }])),
  }
  return vital(apiPort, cache).flatMap(flow => {
    const { from, to, port, protocol, why } = flow
    return closedBy(flow, policies, world).length
      ? [`${peerName(from)} → ${peerName(to)} ${port}/${protocol}: ${why}`]
      : []
  })
}
