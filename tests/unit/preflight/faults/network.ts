// Faults of pool, networks and what a distribution brings.
import { bare, type Fault, node, object, pod, withNodes } from '../support.ts'

const apiServerOn = (port: number) =>
  object('EndpointSlice', 'default/kubernetes', { ports: [{ name: 'https', port }] })

export const faults: readonly Fault[] = [
  {
    check: 'network.pool-nodes',
    fault: 'nodes in the pool',
    change: { objects: withNodes(node('n1', { address: '192.168.1.210' }), node('n2', { address: '192.168.1.220' })) },
    says: [/^problem: .*contains the node n1 \(192\.168\.1\.210\)/, /n2 \(192\.168\.1\.220\)/],
  },
  {
    check: 'network.pool-lan',
    fault: 'another network, by the mask',
    change: { site: { metallbPool: '192.168.2.10-192.168.2.20' } },
    says: [/^warning: .*not of the nodes' network 192\.168\.1\.0-192\.168\.1\.255/],
  },
  {
    check: 'network.pool-lan',
    fault: 'another network, and no mask',
    change: { machine: undefined, site: { metallbPool: '10.0.0.10-10.0.0.20' } },
    says: [/^warning: /],
  },
  {
    check: 'network.pool-lan',
    fault: 'perhaps another network',
    change: { machine: undefined, site: { metallbPool: '192.168.2.10-192.168.2.20' } },
    says: [/^unknown: /],
  },
  {
    check: 'network.pool-machine',
    fault: 'all three',
    change: {
      access: { server: 'https://192.168.1.201:6443', ends: { unknown: '' }, insecure: false },
      machine: {
        addresses: [{ device: 'eth0', address: 0xc0a801c8, network: { first: 0, last: 0, size: 1 } }],
        gateways: { value: [0xc0a801ca] },
      },
    },
    says: [
      /^problem: .*this machine's own address \(192\.168\.1\.200\)/,
      /API server's address \(192\.168\.1\.201\)/,
      /default gateway \(192\.168\.1\.202\)/,
    ],
  },
  {
    check: 'network.pool-machine',
    fault: 'a system that keeps no routes',
    change: { machine: { addresses: [], gateways: { unknown: 'no /proc' } } },
    says: [/^unknown: the default gateway: no \/proc/],
  },
  {
    check: 'network.pool-cluster',
    fault: 'in the pod network',
    change: { site: { metallbPool: '10.42.2.10-10.42.2.20' } },
    says: [/^problem: .*pod network \(10\.42\.2\.0\/24\)/],
  },
  {
    check: 'network.pool-cluster',
    fault: 'in the Service network',
    change: { site: { metallbPool: '10.43.7.10-10.43.7.20' } },
    says: [/^problem: .*Service network \(10\.43\.0\.0\/16\)/],
  },
  {
    check: 'network.pool-cluster',
    fault: 'a pod of Calico has one',
    change: { objects: bare(pod('default/web', 'n1', {}, { status: { phase: 'Running', podIP: '192.168.1.205' } })) },
    says: [/^problem: .*pod network \(web has 192\.168\.1\.205\)/],
  },
  {
    check: 'network.pool-cluster',
    fault: 'an old cluster tells by a Service',
    change: { objects: bare(object('Service', 'default/web', { spec: { clusterIP: '192.168.1.205' } })) },
    says: [/^problem: .*Service network \(web has/],
  },
  {
    check: 'network.pool-cluster',
    fault: 'a node in the pod network',
    change: { objects: bare(node('n4', { address: '10.42.1.9' })) },
    says: [/^warning: .*contain n4/],
  },
  {
    check: 'network.pool-others',
    fault: "another pool of MetalLB, and Cilium's",
    change: {
      objects: bare(
        object('IPAddressPool', 'metallb-system/old', { spec: { addresses: ['192.168.1.192/26'] } }),
        object('CiliumLoadBalancerIPPool', 'blue', {
          spec: { blocks: [{ start: '192.168.1.100', stop: '192.168.1.110' }] },
        }),
        object('CiliumLoadBalancerIPPool', 'red', { spec: { blocks: [{ cidr: '192.168.1.208/28' }] } }),
      ),
    },
    says: [/^problem: MetalLB's pool old overlaps/, /^warning: Cilium .*blue/, /^problem: Cilium .*red/],
  },
  {
    check: 'network.pool-used',
    fault: "somebody has Traefik's",
    change: {
      objects: bare(
        object('Service', 'media/jellyfin', { status: { loadBalancer: { ingress: [{ ip: '192.168.1.200' }] } } }),
      ),
    },
    says: [/^problem: the address 192\.168\.1\.200, meant for Traefik, belongs to the Service media\/jellyfin/],
  },
  {
    check: 'network.pool-used',
    fault: 'somebody has another',
    change: { objects: bare(object('Service', 'media/jellyfin', { spec: { externalIPs: ['192.168.1.209'] } })) },
    says: [/^notice: .*192\.168\.1\.209 \(media\/jellyfin\)/],
  },
  {
    check: 'network.family',
    fault: 'IPv6 only',
    change: { objects: withNodes(node('n1', { address: 'fd00::1' })) },
    says: [/^problem: n1: no IPv4 address/],
  },
  {
    check: 'network.family',
    fault: 'IPv6 first',
    change: {
      objects: [node('n1'), object('Service', 'default/kubernetes', { spec: { ipFamilies: ['IPv6', 'IPv4'] } })],
    },
    says: [/^problem: Services have IPv6/],
  },
  {
    check: 'network.bundled-load-balancer',
    fault: 'svclb pods',
    change: { objects: bare(object('DaemonSet', 'kube-system/svclb-traefik-1a2b')) },
    says: [/^problem: .*svclb-traefik-1a2b.*config\.yaml.*systemctl restart k3s/],
  },
  {
    check: 'network.bundled-load-balancer',
    fault: 'on, with nothing to do yet',
    change: {
      objects: withNodes(node('n1', { annotations: { 'k3s.io/node-args': '["server","--disable","traefik"]' } })),
    },
    says: [/^problem: .*\(on n1\).*disable: \[servicelb, traefik\]/],
  },
  {
    check: 'network.bundled-ingress',
    fault: "k3s's Traefik is about to come",
    change: { objects: bare(object('HelmChart', 'kube-system/traefik')) },
    says: [/^problem: k3s's own Traefik.*disable: \[servicelb, traefik\]/],
  },
  {
    check: 'network.bundled-ingress',
    fault: "RKE2's nginx",
    change: { objects: bare(object('DaemonSet', 'kube-system/rke2-ingress-nginx-controller')) },
    says: [/^problem: RKE2's own .*disable: \[rke2-ingress-nginx\].*rke2-server/],
  },
  {
    check: 'network.bundled-ingress',
    fault: "RKE2's Traefik, from 1.36 on",
    change: {
      objects: bare(object('HelmChart', 'kube-system/rke2-traefik'), object('DaemonSet', 'kube-system/rke2-traefik')),
    },
    says: [/^problem: RKE2's own ingress controller is on \(rke2-traefik\).*ingress-controller: none/],
  },
  {
    check: 'network.strict-arp',
    fault: 'IPVS without it',
    change: {
      objects: bare(
        object('ConfigMap', 'kube-system/kube-proxy', {
          data: { 'config.conf': 'ipvs:\n  strictARP: false\nmode: ipvs\n' },
        }),
      ),
    },
    says: [/^problem: .*without strict ARP/],
  },
  {
    check: 'network.policies',
    fault: 'the API server on another port',
    change: { objects: bare(apiServerOn(16443)) },
    says: [/^problem: .*argocd-server → the API server 16443.*policies say 6443.*s\/port: 6443\/port: 16443\//],
  },
  {
    check: 'network.policies',
    fault: 'a cache of DNS on the nodes',
    change: { objects: bare(apiServerOn(6443), object('DaemonSet', 'kube-system/node-local-dns')) },
    says: [/^problem: .*argocd-server → outside the cluster 53.*NodeLocal DNSCache/],
  },
]
