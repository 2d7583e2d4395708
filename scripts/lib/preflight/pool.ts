// The address pool against everything that may already have an address of it.

import { addressesOf } from '../health/service.ts'
import { at, type K8sObject, listAt, textAt } from '../k8s.ts'
import {
  type AddressRange,
  contains,
  formatAddress,
  formatRange,
  isFlaw,
  overlaps,
  parseAddress,
  parseRange,
} from '../site/network.ts'
import { type Check, few, notice, orWell, problem, type Result, unknown, warning, well } from './check.ts'
import type { Facts } from './facts.ts'

const link = 'infrastructure/platform/metallb/README.md'
const choose = 'choose a free range for METALLB_POOL in .env, outside DHCP'

/** The pool; a site whose pool cannot be read does not come this far. */
function poolOf({ site }: Facts): AddressRange {
  const range = parseRange(site.metallbPool)
  return isFlaw(range) ? { first: 0, last: -1, size: 0 } : range
}

const inPool = (facts: Facts, text: string): boolean => contains(poolOf(facts), parseAddress(text) ?? -1)

/** Addresses and host names, as the node has them. */
export const nodeAddresses = (node: K8sObject): string[] =>
  listAt(node.status, 'addresses').map(entry => textAt(entry, 'address') ?? '')

const ranges = (texts: readonly string[]): AddressRange[] =>
  texts.map(parseRange).flatMap(range => (isFlaw(range) ? [] : [range]))

const podNetworks = ({ objects }: Facts): string[] =>
  objects.of('Node').flatMap(node => {
    const several = listAt(node.spec, 'podCIDRs').map(String)
    return several.length ? several : [textAt(node.spec, 'podCIDR') ?? '']
  })

const serviceNetworks = ({ objects }: Facts): string[] =>
  objects.of('ServiceCIDR').flatMap(one => listAt(one.spec, 'cidrs').map(String))

export const addressPool: readonly Check[] = [
  {
    id: 'network.pool-nodes',
    title: 'Pool and nodes',
    reads: ['Node'],
    look(facts) {
      const { metallbPool } = facts.site
      // A pool that contains a node's own address takes the node off the network (metallb#364).
      const found = facts.objects.of('Node').flatMap(node =>
        nodeAddresses(node)
          .filter(address => inPool(facts, address))
          .map(address =>
            problem({
              what: `the address pool ${metallbPool} contains the node ${node.metadata.name} (${address})`,
              why: "MetalLB would answer ARP for the node's own address and the node drops off the network",
              fix: choose,
              link,
            }),
          ),
      )
      return orWell(found, `no node is in ${metallbPool}`)
    },
  },
  {
    id: 'network.pool-lan',
    title: "The nodes' network",
    reads: ['Node'],
    look(facts) {
      const pool = poolOf(facts)
      const own = facts.objects
        .of('Node')
        .flatMap(nodeAddresses)
        .flatMap(text => parseAddress(text) ?? [])
      if (own.length === 0) return unknown('no node has an IPv4 address')
      const what = `the pool ${facts.site.metallbPool} is not of the nodes' network`
      const why = 'MetalLB answers ARP: only devices of that very network can reach an address'
      const lan = facts.machine?.addresses.find(({ network }) => own.some(address => contains(network, address)))
      if (lan) {
        const within = contains(lan.network, pool.first) && contains(lan.network, pool.last)
        if (within) return well(`the pool is of ${formatRange(lan.network)} (${lan.device}), as the nodes are`)
        return warning({ what: `${what} ${formatRange(lan.network)}`, why, fix: choose, link })
      }
      const same = (bits: number) =>
        own.some(address => Math.floor(address / 2 ** bits) === Math.floor(pool.first / 2 ** bits))
      if (same(8)) return well('the pool has the first three numbers of a node')
      if (same(16))
        return unknown(
          "whether the pool is of the nodes' network: that depends on its length, and this machine is not in it",
        )
      return warning({ what, why, fix: choose, link })
    },
  },
  {
    id: 'network.pool-machine',
    title: 'This machine',
    look(facts) {
      const { machine, access, site } = facts
      if (machine === undefined) return unknown('gateway and API address: the network of a sandbox is made up')
      const pool = poolOf(facts)
      const clash = (whose: string, address: number): Result[] =>
        contains(pool, address)
          ? [
              problem({
                what: `the address pool ${site.metallbPool} contains ${whose} (${formatAddress(address)})`,
                why: 'two devices would answer for one address, and both are reached only now and then',
                fix: choose,
                link,
              }),
            ]
          : []
      const server = parseAddress(hostOf(access.server))
      return orWell(
        [
          ...machine.addresses.flatMap(({ address }) => clash("this machine's own address", address)),
          ...(server === undefined ? [] : clash("the API server's address", server)),
          ...('value' in machine.gateways
            ? machine.gateways.value.flatMap(address => clash('the default gateway', address))
            : [unknown(`the default gateway: ${machine.gateways.unknown}`)]),
        ],
        'its address, its gateway and the API server are outside the pool',
      )
    },
  },
  {
    id: 'network.pool-cluster',
    title: 'Pods and Services',
    reads: ['Node', 'Pod', 'Service'],
    look(facts) {
      const pool = poolOf(facts)
      const clash = (whose: string, where: string): Result =>
        problem({
          what: `the address pool ${facts.site.metallbPool} overlaps the cluster's ${whose} (${where})`,
          why: 'the nodes route those addresses inside the cluster: nobody outside would reach them',
          fix: choose,
          link,
        })
      const networks = [
        ...podNetworks(facts).map(text => ['pod network', text] as const),
        ...serviceNetworks(facts).map(text => ['Service network', text] as const),
      ]
      const hit = networks.filter(([, text]) => ranges([text]).some(range => overlaps(range, pool)))
      if (hit.length) return hit.slice(0, 2).map(([whose, text]) => clash(whose, text))
      // Where the network is not written down (Calico, Cilium, before 1.33), its members tell.
      const pod = facts.objects
        .of('Pod')
        .find(one => at(one.spec, 'hostNetwork') !== true && inPool(facts, textAt(one.status, 'podIP') ?? ''))
      if (pod) return clash('pod network', `${pod.metadata.name} has ${textAt(pod.status, 'podIP')}`)
      const service = facts.objects.of('Service').find(one => inPool(facts, textAt(one.spec, 'clusterIP') ?? ''))
      if (service) return clash('Service network', `${service.metadata.name} has ${textAt(service.spec, 'clusterIP')}`)
      const nodes = facts.objects.of('Node').filter(node =>
        nodeAddresses(node).some(text => {
          const address = parseAddress(text)
          return address !== undefined && ranges(networks.map(([, one]) => one)).some(range => contains(range, address))
        }),
      )
      if (nodes.length)
        return warning({
          what: `the cluster's own networks contain ${few(nodes.map(node => node.metadata.name))}`,
          why: 'traffic to that address of the house stays inside the cluster',
          fix: 'another --cluster-cidr and --service-cidr, which only a new cluster can have',
          link: 'infrastructure/docs/PREPARE.md',
        })
      return well('their networks are apart from the pool')
    },
  },
  {
    id: 'network.pool-others',
    title: 'Other pools',
    reads: ['IPAddressPool', 'CiliumLoadBalancerIPPool'],
    look(facts) {
      const pool = poolOf(facts)
      const ours = ['homelab', 'homelab-fixed']
      const metallb = facts.objects
        .of('IPAddressPool')
        .filter(({ metadata }) => metadata.namespace !== 'metallb-system' || !ours.includes(metadata.name))
        .filter(one => ranges(listAt(one.spec, 'addresses').map(String)).some(range => overlaps(range, pool)))
        .map(({ metadata }) =>
          problem({
            what: `MetalLB's pool ${metadata.name} overlaps METALLB_POOL ${facts.site.metallbPool}`,
            why: 'MetalLB refuses a second pool with the same addresses, so step 02 would fail',
            fix: `kubectl -n ${metadata.namespace} delete ipaddresspool ${metadata.name}, or choose another range`,
            link,
          }),
        )
      const cilium = facts.objects.of('CiliumLoadBalancerIPPool').map(one => {
        const blocks = listAt(one.spec, 'blocks').map(
          block => textAt(block, 'cidr') ?? `${textAt(block, 'start')}-${textAt(block, 'stop')}`,
        )
        const both = ranges(blocks).some(range => overlaps(range, pool))
        return (both ? problem : warning)({
          what: `Cilium gives out addresses too (its pool ${one.metadata.name}: ${few(blocks)})`,
          why: 'it and MetalLB would both write the addresses of the same Services',
          fix: `kubectl delete ciliumloadbalancerippool ${one.metadata.name}, or leave step 02 out: --skip 02`,
          link,
        })
      })
      return orWell([...metallb, ...cilium], 'none')
    },
  },
  {
    id: 'network.pool-used',
    title: 'Addresses in use',
    reads: ['Service'],
    look(facts) {
      const { traefikAddress, adguardAddresses, metallbPool } = facts.site
      const fixed: Record<string, string> = {
        [traefikAddress]: 'Traefik',
        [adguardAddresses[0]]: 'AdGuard Home',
        [adguardAddresses[1]]: 'AdGuard Home',
      }
      const used = facts.objects.of('Service').flatMap(service => {
        const { namespace = '', name } = service.metadata
        if (namespace === 'traefik' || namespace === 'adguard') return []
        const external = listAt(service.spec, 'externalIPs').map(String)
        return [...addressesOf(service), ...external]
          .filter(address => inPool(facts, address))
          .map(address => ({ address, holder: `${namespace}/${name}` }))
      })
      const taken = used.filter(({ address }) => fixed[address] !== undefined)
      if (taken.length)
        return taken.map(({ address, holder }) =>
          problem({
            what: `the address ${address}, meant for ${fixed[address]}, belongs to the Service ${holder}`,
            why: 'MetalLB gives an address to one Service',
            fix: `give ${holder} another one (annotation metallb.io/loadBalancerIPs), or set TRAEFIK_IP and ADGUARD_IPS in .env`,
            link,
          }),
        )
      // On a pool of ours that is what it is for; before, somebody else gave them out.
      const given = used.map(({ address, holder }) => `${address} (${holder})`)
      if (used.length && facts.objects.of('IPAddressPool').length === 0)
        return notice(`Services already have addresses of ${metallbPool}: ${few(given)}. They keep them.`)
      return well(used.length ? few(given) : 'none of the pool, ours aside')
    },
  },
]

function hostOf(server: string): string {
  try {
    return new URL(server).hostname
  } catch {
    return ''
  }
}
