// Whether a connection gets through a set of network policies, by the rules of networking.k8s.io/v1:
// https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/ . Pure.
import { at, type K8sObject, listAt, selects, textAt } from '../k8s.ts'
import { isFlaw, parseAddress, parseRange } from '../site/network.ts'
import { isPod, type Peer, type Pod, type Protocol, portNumber, protocolOf, type World } from './world.ts'

/** One direction of talk. Without a port: any; without a protocol: any of those too (a ping has neither). */
export interface Connection {
  from: Peer
  to: Peer
  port?: number
  protocol?: Protocol
}

type Side = 'egress' | 'ingress'

/** Which sides keep it from getting through; none when it is open. */
export function closedBy(
  connection: Connection,
  policies: readonly K8sObject[],
  world: Pick<World, 'namespaces'>,
): Side[] {
  const { from, to } = connection
  const sides: [Side, Peer, Peer][] = [
    ['egress', from, to],
    ['ingress', to, from],
  ]
  return sides.flatMap(([side, own, other]) =>
    isPod(own) && !open(side, own, other, connection, policies, world) ? [side] : [],
  )
}

function open(
  side: Side,
  own: Pod,
  other: Peer,
  connection: Connection,
  policies: readonly K8sObject[],
  world: Pick<World, 'namespaces'>,
) {
  const selecting = policies.filter(
    ({ metadata, spec }) =>
      metadata.namespace === own.namespace &&
      directions(spec).includes(side) &&
      selects(at(spec, 'podSelector'), own.labels),
  )
  return (
    selecting.length === 0 ||
    selecting.some(({ spec }) =>
      listAt(spec, side).some(
        rule => peers(rule, side, other, own.namespace, world) && ports(listAt(rule, 'ports'), connection),
      ),
    )
  )
}

/** Without `policyTypes`: ingress always, egress where there are rules for it. */
function directions(spec: unknown): Side[] {
  const types = listAt(spec, 'policyTypes')
  if (!types.length) return at(spec, 'egress') === undefined ? ['ingress'] : ['ingress', 'egress']
  return types.map(type => (type === 'Egress' ? 'egress' : 'ingress'))
}

function peers(rule: unknown, side: Side, other: Peer, namespace: string, world: Pick<World, 'namespaces'>): boolean {
  const list = listAt(rule, side === 'egress' ? 'to' : 'from')
  return list.length === 0 || list.some(one => matches(one, other, namespace, world))
}

function matches(peer: unknown, other: Peer, namespace: string, world: Pick<World, 'namespaces'>): boolean {
  const block = at(peer, 'ipBlock')
  // Of pods' addresses the specification says nothing: each network does it in its own way.
  if (block !== undefined) return !isPod(other) && within(block, other.address)
  if (!isPod(other)) return false
  const [pods, namespaces] = [at(peer, 'podSelector'), at(peer, 'namespaceSelector')]
  const there =
    namespaces === undefined
      ? other.namespace === namespace
      : selects(namespaces, world.namespaces.get(other.namespace) ?? {})
  return there && (pods === undefined || selects(pods, other.labels))
}

/** An address that nobody knows is only in a block of all. */
function within(block: unknown, address: string | undefined): boolean {
  const covers = (cidr: unknown) => {
    if (/^(0\.0\.0\.0|::)\/0$/.test(String(cidr))) return true
    const range = parseRange(String(cidr))
    const number = address === undefined ? undefined : parseAddress(address)
    return number !== undefined && !isFlaw(range) && number >= range.first && number <= range.last
  }
  return covers(textAt(block, 'cidr')) && !listAt(block, 'except').some(covers)
}

function ports(list: readonly unknown[], { to, port, protocol }: Connection): boolean {
  if (!list.length) return true
  return list.some(one => {
    if (protocolOf(one) !== protocol) return false
    const wanted = at(one, 'port')
    if (wanted === undefined) return true
    if (port === undefined) return false
    const first = typeof wanted === 'string' && isPod(to) ? portNumber(to, wanted, protocol) : wanted
    return typeof first === 'number' && port >= first && port <= Number(at(one, 'endPort') ?? first)
  })
}
