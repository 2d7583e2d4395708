// IPv4 arithmetic for the address pool: ranges, what lies in them, what a home network can use. Pure.
import ipaddr from 'ipaddr.js'

const { IPv4 } = ipaddr

/** Addresses from `first` to `last`, both included, as unsigned 32-bit numbers. */
export interface AddressRange {
  readonly first: number
  readonly last: number
  readonly size: number
}

/** What is wrong with a text, and what to write instead. */
export interface Flaw {
  readonly problem: string
  readonly fix: string
}

/** Whether a reading function found a flaw instead of a value. */
export function isFlaw(value: unknown): value is Flaw {
  return typeof value === 'object' && value !== null && 'problem' in value && 'fix' in value
}

/** Four decimal numbers without leading zeros (`01` is octal to some programs); nothing else is an address here. */
export function parseAddress(text: string): number | undefined {
  if (!IPv4.isValidFourPartDecimal(text)) return undefined
  return IPv4.parse(text).octets.reduce((sum, octet) => sum * 256 + octet, 0)
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map(shift => (address >>> shift) & 255).join('.')
}

/** `a-b`, the form that MetalLB and our files use. */
export function formatRange({ first, last }: AddressRange): string {
  return `${formatAddress(first)}-${formatAddress(last)}`
}

function range(first: number, last: number): AddressRange {
  return { first, last, size: last - first + 1 }
}

/** Reads `192.168.1.200-192.168.1.220`, its short form `192.168.1.200-220`, or `192.168.1.208/28`. */
export function parseRange(text: string): AddressRange | Flaw {
  const fix = 'write a range such as 192.168.1.200-192.168.1.220'
  if (text.includes(',')) return { problem: 'more than one range', fix: 'write one range; it may be short' }
  if (/[0-9a-f]*:[0-9a-f]*:/i.test(text)) return { problem: 'an IPv6 address, where IPv4 is needed', fix }
  if (text.includes('/')) return parseCidr(text)
  const parts = text.split('-').map(part => part.trim())
  if (parts.length > 2) return { problem: `${parts.length} parts joined by "-", a range has two`, fix }
  const [from = '', to = from] = parts
  const first = parseAddress(from)
  if (first === undefined) return { problem: `"${from}" is not an IPv4 address`, fix }
  // The short form replaces the last number of the first address.
  const last = parseAddress(/^\d{1,3}$/.test(to) ? from.replace(/\d+$/, to) : to)
  if (last === undefined) return { problem: `"${to}" is not an IPv4 address`, fix }
  if (first > last)
    return {
      problem: `start after end (${formatAddress(first)} is above ${formatAddress(last)})`,
      fix: `write ${formatAddress(last)}-${formatAddress(first)}`,
    }
  return range(first, last)
}

function parseCidr(text: string): AddressRange | Flaw {
  const [base = '', length = '', ...more] = text.split('/')
  const address = parseAddress(base.trim())
  if (address === undefined)
    return {
      problem: `"${base.trim()}" is not an IPv4 address`,
      fix: 'write an address and a length such as 192.168.1.208/28',
    }
  const bits = /^\d{1,2}$/.test(length) && more.length === 0 ? Number(length) : Number.NaN
  if (!(bits >= 8 && bits <= 32))
    return {
      problem: `/${[length, ...more].join('/')} is no length of a home's network`,
      fix: 'use a length from /24 to /30',
    }
  const size = 2 ** (32 - bits)
  const first = Math.floor(address / size) * size
  if (first !== address)
    return {
      problem: `${text} begins at ${formatAddress(first)}, not at ${formatAddress(address)}`,
      fix: `write ${formatAddress(first)}/${bits}, or a range that begins at ${formatAddress(address)}`,
    }
  return range(first, first + size - 1)
}

export function contains({ first, last }: AddressRange, address: number): boolean {
  return address >= first && address <= last
}

export function overlaps(a: AddressRange, b: AddressRange): boolean {
  return a.first <= b.last && b.first <= a.last
}

/** The first `count` addresses that are not in `taken`; fewer when the range ends before. */
export function firstFree(pool: AddressRange, count: number, taken: readonly number[] = []): number[] {
  const free: number[] = []
  for (let address = pool.first; address <= pool.last && free.length < count; address++)
    if (!taken.includes(address)) free.push(address)
  return free
}

/** The addresses of the range that end in .0 or .255: network and broadcast address of most homes, avoided by many devices. */
export function edgeAddresses({ first, last }: AddressRange): number[] {
  const found: number[] = []
  for (let network = Math.floor(first / 256) * 256; network <= last && found.length < 4; network += 256)
    for (const edge of [network, network + 255]) if (edge >= first && edge <= last) found.push(edge)
  return found
}

/**
 * Why no device of a home network can have this address, or undefined when one can (RFC 1918).
 * 100.64.0.0/10 is refused too: providers and Tailscale use it.
 */
export function unusableOnLan(address: number): string | undefined {
  const kind = IPv4.parse(formatAddress(address)).range()
  return kind === 'private' ? undefined : (kinds[kind] ?? kind)
}

const kinds: Record<string, string> = {
  unicast: 'a public address',
  loopback: 'loopback',
  linkLocal: 'link-local',
  carrierGradeNat: 'a provider’s or Tailscale’s network',
}

/** An IPv4 or IPv6 address that can be asked as a DNS server, or the flaw. */
export function parseDnsServer(text: string): string | Flaw {
  const fix = 'write addresses such as 9.9.9.9,1.1.1.1 (names would need the DNS that they are for)'
  if (/^[\d.]+:\d+$/.test(text)) return { problem: `"${text}" has a port`, fix: `write ${text.split(':')[0]}` }
  const address = ipaddr.IPv6.isValid(text) && text.includes(':') ? ipaddr.IPv6.parse(text) : undefined
  if (!address && parseAddress(text) === undefined) return { problem: `"${text}" is not an IP address`, fix }
  const kind = address ? address.range() : IPv4.parse(text).range()
  if (['loopback', 'linkLocal', 'multicast', 'unspecified', 'broadcast', 'reserved'].includes(kind))
    return { problem: `${text} is ${kinds[kind] ?? kind}, no DNS server answers there`, fix }
  return address ? address.toRFC5952String() : text
}
