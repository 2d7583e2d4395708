// The rest of the network: the family of addresses, kube-proxy, and what only the house knows.
import { listAt, textAt } from '../k8s.ts'
import { parseAddress } from '../site/network.ts'
import { type Check, few, problem, unknown, well } from './check.ts'
import { nodeAddresses } from './pool.ts'

export const network: readonly Check[] = [
  {
    id: 'network.family',
    title: 'IPv4',
    reads: ['Node', 'Service'],
    look({ objects }) {
      const without = objects
        .of('Node')
        .filter(node => !nodeAddresses(node).some(text => parseAddress(text) !== undefined))
      const [first] = listAt(objects.find('Service', 'default', 'kubernetes')?.spec, 'ipFamilies')
      if (without.length === 0 && first !== 'IPv6') {
        const dual = objects.of('Node').some(node => nodeAddresses(node).some(text => text.includes(':')))
        return well(dual ? 'and IPv6 beside it; Services have IPv4 first' : 'nodes and Services have it')
      }
      return problem({
        what: without.length
          ? `${few(without.map(node => node.metadata.name))}: no IPv4 address`
          : 'Services have IPv6 addresses unless they ask for others',
        why: 'METALLB_POOL is IPv4: a Service without IPv4 gets no address of it',
        fix: 'a cluster with IPv4 first: --cluster-cidr and --service-cidr begin with the IPv4 network',
        link: 'infrastructure/docs/PREPARE.md',
      })
    },
  },
  {
    id: 'network.strict-arp',
    title: 'kube-proxy',
    look({ objects }) {
      const text = textAt(objects.find('ConfigMap', 'kube-system', 'kube-proxy'), 'data', 'config.conf')
      if (text === undefined)
        return unknown('its mode: k3s and RKE2 keep it on the nodes (iptables unless told otherwise)')
      // Its configuration is YAML, of which two lines matter.
      const mode = /^mode:\s*"?(\w*)"?\s*$/m.exec(text)?.[1] || 'iptables'
      if (mode !== 'ipvs' || /^\s+strictARP:\s*true\s*$/m.test(text)) return well(`mode ${mode}`)
      return problem({
        what: 'kube-proxy is in IPVS mode without strict ARP',
        why: "every node answers ARP for every Service's address, not only the one that MetalLB chose",
        fix: 'kubectl -n kube-system edit configmap kube-proxy (ipvs: strictARP: true), then: kubectl -n kube-system rollout restart daemonset kube-proxy',
        link: 'infrastructure/platform/metallb/README.md',
      })
    },
  },
  {
    id: 'network.house',
    title: 'Around the house',
    look: ({ site }) =>
      unknown(
        `whether the router's DHCP or another device uses ${site.metallbPool}: look into the router, set DHCP_RANGE`,
      ),
  },
]
