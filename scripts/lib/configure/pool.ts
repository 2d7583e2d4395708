// Which addresses to propose for the pool: a block near the end of the nodes' network that nothing known uses. Pure.
import {
  type AddressRange,
  contains,
  formatAddress,
  formatRange,
  isFlaw,
  overlaps,
  parseRange,
  unusableOnLan,
} from '../site/network.ts'

/** Something that has addresses already, in words that follow "the": `node pve-1`, `API server`. */
export interface Taken {
  what: string
  range: AddressRange
}

/** The network in which the nodes are. */
export interface Lan {
  network: AddressRange
  /** `192.168.1.0/24` */
  text: string
  /** Nobody said how large it is: /24, as nearly every home has it. */
  assumed: boolean
}

export const one = (address: number): AddressRange => ({ first: address, last: address, size: 1 })

/**
 * The network of the nodes: that of the interface of this computer which is in it too, else the /24 around most of them.
 * @param nodes addresses of the nodes
 * @param networks of this computer's interfaces
 * @returns undefined when no node has a private address
 */
export function nodeNetwork(nodes: readonly number[], networks: readonly AddressRange[]): Lan | undefined {
  const usable = nodes.filter(address => unusableOnLan(address) === undefined)
  const home = mostCommon(usable.map(address => address - (address % 256)))
  const member = usable.find(address => address - (address % 256) === home)
  if (member === undefined || home === undefined) return undefined
  const known = networks.find(network => network.size >= 8 && contains(network, member))
  const network = known ?? { first: home, last: home + 255, size: 256 }
  const bits = 32 - Math.log2(network.size)
  return { network, text: `${formatAddress(network.first)}/${bits}`, assumed: known === undefined }
}

function mostCommon(values: readonly number[]): number | undefined {
  const counts = new Map<number, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0]
}

// Enough for a lab, then less where there is little room. Three is what Traefik and the two DNS servers need.
const sizes = [21, 11, 6, 3]

/**
 * A free block, as high as possible: routers hand addresses out from below. It lies in one /24, ends at .250 at most
 * (some routers sit at .254), and begins at .2 at the earliest.
 * @param near an address of a node: in a larger network its own /24 is looked at
 * @returns undefined when nothing is free
 */
export function proposePool(lan: Lan, near: number, taken: readonly Taken[]): AddressRange | undefined {
  const block = near - (near % 256)
  const lowest = Math.max(lan.network.first + 1, block + 2)
  const highest = Math.min(lan.network.last - 1, block + 250)
  const free = (range: AddressRange) => !taken.some(other => overlaps(other.range, range))
  for (const size of sizes) {
    const ends = Array.from({ length: Math.max(0, highest - lowest - size + 2) }, (_, i) => highest - i)
    const round = ends.filter(end => end % 256 === 250 || (end - size + 1) % 10 === block % 10)
    for (const last of [...round, ...ends]) {
      const range = { first: last - size + 1, last, size }
      if (free(range)) return range
    }
  }
  return undefined
}

/** What in the range belongs to something else. */
export function conflicts(pool: AddressRange, taken: readonly Taken[]): string[] {
  return taken.filter(({ range }) => overlaps(pool, range)).map(({ what, range }) => `${what} (${shownRange(range)})`)
}

const shownRange = (range: AddressRange): string => (range.size === 1 ? formatAddress(range.first) : formatRange(range))

/** A range from its text; undefined when it is none. */
export function rangeOf(text: string | undefined): AddressRange | undefined {
  const range = text ? parseRange(text) : undefined
  return range === undefined || isFlaw(range) ? undefined : range
}
