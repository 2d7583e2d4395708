// Who really talks to whom on the node: its table of connections, read again and again while the suite works.
import type { Cluster } from '../../scripts/lib/cluster.ts'
import { namespacesIn, policiesFolder } from '../../scripts/lib/guardrails.ts'
import { at, type K8sObject, selects, textAt } from '../../scripts/lib/k8s.ts'
import { readNetwork } from '../../scripts/lib/policies/cuts.ts'
import { neededFlows } from '../../scripts/lib/policies/needed.ts'
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
  /** Whose an address was, last: pods go while the node still remembers what they did. */
  readonly #pods = new Map<string, K8sObject>()
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
    for (const pod of pods) {
      const address = textAt(pod.status, 'podIP')
      if (address && at(pod.spec, 'hostNetwork') !== true) this.#pods.set(address, pod)
    }
    const end = (address: string): End => {
      const pod = this.#pods.get(address)
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
   * @param inPods whether an address is one of a pod: one that came and went between two looks is nobody's any more
   * @returns also how many ends nobody knows
   */
  async unexpected(
    node: (address: string) => boolean,
    inPods: (address: string) => boolean,
  ): Promise<{ seen: number; unexpected: string[]; unknown: number }> {
    const { objects } = await readNetwork(this.#cluster)
    // Of a hook's Job that is over nothing is left but its account, and the pod that was seen.
    const hooks = [...this.#pods.values()].filter(
      ({ metadata: { labels = {} } }) => labels['batch.kubernetes.io/job-name'] !== undefined,
    )
    const alone = hooks.map(pod => ({ ...pod, metadata: { ...pod.metadata, ownerReferences: [] } }))
    const world = readWorld([...objects, ...alone])
    const needed = neededFlows(world)
    const closed = new Set([...namespacesIn(policiesFolder), 'welcome'])
    const ours = (end: End) => 'labels' in end && closed.has(end.namespace)
    const is = (peer: Peer, end: End) =>
      isPod(peer) &&
      'labels' in end &&
      peer.namespace === end.namespace &&
      selects({ matchLabels: { ...peer.labels } }, end.labels)
    // The suite's own pods try what should be shut.
    const counts = (from: End) =>
      'address' in from ? !node(from.address) : !['writer', 'reader', 'stranger'].includes(from.name)
    const nobody = (end: End) => 'address' in end && inPods(end.address) && !node(end.address)
    const all = [...this.#seen.values()].filter(({ from, to }) => (ours(from) || ours(to)) && counts(from))
    const of = all.filter(({ from, to }) => !nobody(from) && !nobody(to))
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
      unknown: all.length - of.length,
      unexpected: of
        .filter(one => !listed(one))
        .map(one => `${told(one.from)} → ${told(one.to)} ${one.port}/${one.protocol}`),
    }
  }
}
