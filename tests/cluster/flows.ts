// Who really talks to whom on the node: its table of connections, read again and again while the suite works.
import type { Cluster } from '../../scripts/lib/cluster.ts'
import { at, type K8sObject, selects, textAt } from '../../scripts/lib/k8s.ts'
import { readNetwork } from '../../scripts/lib/policies/cuts.ts'
import { neededFlows } from '../../scripts/lib/policies/needed.ts'
import { namespaces } from '../../scripts/lib/policies/own.ts'
import { isPod, type Peer, readWorld } from '../../scripts/lib/policies/world.ts'

/** A pod as it was, or an address that is none of a pod. */
type End = { address: string } | { namespace: string; name: string; labels: Record<string, string> }
interface Seen {
  from: End
  to: End
  port: number
  protocol: string
}

// The client's own words first, then the answer's: that one has the pod in it where a Service was asked for.
const line = /^ipv4 +\d+ (tcp|udp) .*?src=(\S+) dst=\S+ sport=\d+ dport=\d+ .*?src=(\S+) dst=\S+ sport=(\d+) dport=\d+/

export class Watch {
  readonly #cluster: Cluster
  readonly #read: () => Promise<string>
  readonly #seen = new Map<string, Seen>()
  readonly #timer: NodeJS.Timeout

  /** @param read the node's /proc/net/nf_conntrack */
  constructor(cluster: Cluster, read: () => Promise<string>) {
    this.#cluster = cluster
    this.#read = read
    this.#timer = setInterval(() => void this.look().catch(() => {}), 5000).unref() // the cluster may be down on purpose
  }

  async end(): Promise<void> {
    clearInterval(this.#timer)
    await this.#cluster.close()
  }

  async look(): Promise<void> {
    const [table, pods] = await Promise.all([this.#read(), this.#cluster.list('pods')])
    const byAddress = new Map(
      pods.filter(({ spec }) => at(spec, 'hostNetwork') !== true).map(pod => [textAt(pod.status, 'podIP'), pod]),
    )
    const end = (address: string): End => {
      const pod: K8sObject | undefined = byAddress.get(address)
      if (!pod) return { address }
      const { namespace = '', name, labels = {} } = pod.metadata
      return { namespace, name, labels }
    }
    for (const text of table.split('\n')) {
      const [, protocol = '', from = '', to = '', port] = line.exec(text) ?? []
      if (!port || text.includes('[UNREPLIED]')) continue
      this.#seen.set([protocol, from, to, port].join(' '), {
        ...{ from: end(from), to: end(to), port: Number(port), protocol: protocol.toUpperCase() },
      })
    }
  }

  /**
   * What was seen from or to a namespace of ours, and is in no list.
   * @param node its addresses: nothing keeps it from its own pods
   */
  async unexpected(node: (address: string) => boolean): Promise<{ seen: number; unexpected: string[] }> {
    const world = readWorld((await readNetwork(this.#cluster)).objects)
    const needed = neededFlows(world)
    const closed = new Set([...namespaces(), 'welcome'])
    const ours = (end: End) => 'labels' in end && closed.has(end.namespace)
    const is = (peer: Peer, end: End) =>
      isPod(peer) &&
      'labels' in end &&
      peer.namespace === end.namespace &&
      selects({ matchLabels: { ...peer.labels } }, end.labels)
    // The suite's own pods try what should be shut.
    const counts = (from: End) =>
      'address' in from ? !node(from.address) : !['writer', 'reader', 'stranger'].includes(from.name)
    const of = [...this.#seen.values()].filter(({ from, to }) => (ours(from) || ours(to)) && counts(from))
    const listed = ({ from, to, port, protocol }: Seen) =>
      needed.some(
        flow =>
          // What is open to the house is open to pods too; where no policy of ours is, is as good as outside.
          (!isPod(flow.from) || is(flow.from, from)) &&
          (isPod(flow.to) ? is(flow.to, to) : !ours(to)) &&
          (flow.port === undefined || flow.port === port) &&
          (flow.protocol === undefined || flow.protocol === protocol),
      )
    const told = (end: End) => ('address' in end ? end.address : `${end.namespace}/${end.name}`)
    return {
      seen: of.length,
      unexpected: of
        .filter(one => !listed(one))
        .map(one => `${told(one.from)} → ${told(one.to)} ${one.port}/${one.protocol}`),
    }
  }
}
