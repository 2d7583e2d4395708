// What two or more keys of .env must agree on. Pure: takes values, returns problems and notices.
import {
  type AddressRange,
  contains,
  edgeAddresses,
  firstFree,
  formatAddress,
  formatRange,
  isFlaw,
  overlaps,
  parseAddress,
  parseRange,
} from './network.ts'
import { type Key, secretKeys, type Values } from './schema.ts'

export interface KeyProblem {
  key: Key
  problem: string
  fix: string
}

/** The values that were readable, and what is known about the others. */
export interface Draft {
  values: Partial<Values>
  /** Keys that somebody wrote, even if empty. */
  given: ReadonlySet<string>
  /** Keys that already have a problem: nothing is said about them twice. */
  broken: ReadonlySet<string>
}

/** The keys that each DNS provider needs. */
export const providerKeys = {
  none: [],
  cloudflare: ['CLOUDFLARE_API_TOKEN'],
  rfc2136: ['RFC2136_NAMESERVER', 'RFC2136_TSIG_KEY_NAME', 'RFC2136_TSIG_SECRET'],
  digitalocean: ['DIGITALOCEAN_TOKEN'],
} as const satisfies Record<Values['DNS_PROVIDER'], readonly Key[]>

/** The fixed addresses: what is given, and the first free ones of the pool for the rest. */
export function fixedAddresses(pool: AddressRange, { TRAEFIK_IP, ADGUARD_IPS }: Partial<Values>): number[] {
  const given = [...(TRAEFIK_IP === undefined ? [] : [TRAEFIK_IP]), ...(ADGUARD_IPS ?? [])]
  const free = firstFree(pool, 3 - given.length, given)
  const traefik = TRAEFIK_IP ?? free.shift()
  return [...(traefik === undefined ? [] : [traefik]), ...(ADGUARD_IPS ?? free)]
}

/** Addresses: in the pool, distinct, enough, and none that something else has. */
export function addressProblems({ values, broken }: Draft): KeyProblem[] {
  const { METALLB_POOL: pool, TRAEFIK_IP, ADGUARD_IPS, GATEWAY_IP, DHCP_RANGE, DNS_UPSTREAMS = [] } = values
  const found: KeyProblem[] = []
  const both = TRAEFIK_IP !== undefined && ADGUARD_IPS?.includes(TRAEFIK_IP)
  if (both)
    found.push({
      key: 'ADGUARD_IPS',
      problem: `${formatAddress(TRAEFIK_IP)} used by both TRAEFIK_IP and ADGUARD_IPS`,
      fix: 'give three different addresses',
    })
  if (!pool) return found
  const text = formatRange(pool)
  const choose = 'choose a range that nothing else uses, outside DHCP'
  const edges = edgeAddresses(pool)
  if (edges.length)
    found.push({
      key: 'METALLB_POOL',
      problem: `${text} contains ${edges.map(formatAddress).join(' and ')}, which devices take for network or broadcast`,
      fix: withoutEdges(pool) ?? choose,
    })
  if (GATEWAY_IP !== undefined && contains(pool, GATEWAY_IP))
    found.push({
      key: 'METALLB_POOL',
      problem: `${text} contains GATEWAY_IP ${formatAddress(GATEWAY_IP)}`,
      fix: choose,
    })
  if (DHCP_RANGE && overlaps(pool, DHCP_RANGE))
    found.push({
      key: 'METALLB_POOL',
      problem: `${text} overlaps DHCP ${formatRange(DHCP_RANGE).replace('-', '–')}`,
      fix: 'choose other addresses, or shorten the DHCP range in the router and in DHCP_RANGE',
    })
  for (const server of DNS_UPSTREAMS) {
    const address = parseAddress(server)
    if (address !== undefined && contains(pool, address))
      found.push({
        key: 'DNS_UPSTREAMS',
        problem: `${server} lies in METALLB_POOL ${text}`,
        fix: 'name a DNS server outside the platform',
      })
  }
  const named = { TRAEFIK_IP: TRAEFIK_IP === undefined ? [] : [TRAEFIK_IP], ADGUARD_IPS: ADGUARD_IPS ?? [] } as const
  for (const key of ['TRAEFIK_IP', 'ADGUARD_IPS'] as const)
    for (const address of named[key])
      if (!contains(pool, address))
        found.push({
          key,
          problem: `${formatAddress(address)} is outside METALLB_POOL ${text}`,
          fix: 'choose an address of the pool',
        })
  const settled = !both && !broken.has('TRAEFIK_IP') && !broken.has('ADGUARD_IPS')
  const has = fixedAddresses(pool, values).length
  if (settled && has < 3)
    found.push({
      key: 'METALLB_POOL',
      problem: `${text} needs 3 addresses (Traefik and two for AdGuard Home), has ${has}`,
      fix: 'widen the pool',
    })
  return found
}

function withoutEdges(pool: AddressRange): string | undefined {
  let { first, last } = pool
  if (edgeAddresses({ first, last: first, size: 1 }).length) first++
  if (edgeAddresses({ first: last, last, size: 1 }).length) last--
  const rest = { first, last, size: last - first + 1 }
  return rest.size >= 3 && rest.size <= 64 && edgeAddresses(rest).length === 0
    ? `METALLB_POOL=${formatRange(rest)}`
    : undefined
}

// RFC 2606, 6761, 6762, 8375, 9476 and the names that ICANN will not delegate: no public certificate exists under them.
const reserved =
  /(^|\.)(example\.(com|net|org)|home\.arpa|arpa|local|localhost|localdomain|internal|intranet|private|lan|home|corp|mail|test|example|invalid|onion|alt)$/

/** Certificates: an ACME issuer needs a public domain, an address and a provider; a provider needs its keys, and no others. */
export function certificateProblems({ values, given, broken }: Draft): KeyProblem[] {
  const { TLS_ISSUER: issuer, DNS_PROVIDER: provider, DOMAIN } = values
  const found: KeyProblem[] = []
  const absent = (key: Key): boolean => values[key] === undefined && !broken.has(key)
  if (issuer && issuer !== 'internal-ca') {
    if (DOMAIN && reserved.test(DOMAIN))
      found.push({
        key: 'DOMAIN',
        problem: `${DOMAIN} is reserved; ACME cannot issue for it`,
        fix: 'use a domain that you own, or TLS_ISSUER=internal-ca',
      })
    if (absent('ACME_EMAIL'))
      found.push({
        key: 'ACME_EMAIL',
        problem: `not set, and TLS_ISSUER=${issuer} needs it`,
        fix: 'write an address that you read',
      })
    if (provider === 'none')
      found.push({
        key: 'DNS_PROVIDER',
        problem: `none, and TLS_ISSUER=${issuer} proves the domain by DNS`,
        fix: 'DNS_PROVIDER=cloudflare, rfc2136 or digitalocean, or TLS_ISSUER=internal-ca',
      })
  }
  if (!provider) return found
  for (const key of providerKeys[provider])
    if (absent(key))
      found.push({
        key,
        problem: `${given.has(key) ? 'empty' : 'not set'}, and DNS_PROVIDER=${provider} needs it`,
        fix: `set it, or DNS_PROVIDER=none`,
      })
  for (const [owner, keys] of Object.entries(providerKeys))
    for (const key of keys)
      if (owner !== provider && values[key] !== undefined)
        found.push({
          key,
          problem: `set while DNS_PROVIDER is ${provider}`,
          fix: `DNS_PROVIDER=${owner}, or remove ${key}`,
        })
  return found
}

/** Things that are allowed, and that an owner should have heard of. */
export function siteNotices(values: Partial<Values>): string[] {
  const { DOMAIN = '', METALLB_POOL, TLS_ISSUER } = values
  const notices: string[] = []
  const secrets = [...secretKeys].filter(key => values[key as Key] !== undefined)
  for (const [i, key] of secrets.entries())
    for (const other of secrets.slice(i + 1))
      if (values[key as Key] === values[other as Key])
        notices.push(`${key} and ${other} are the same: whoever reads one has both`)
  if (TLS_ISSUER === 'letsencrypt')
    notices.push(
      'TLS_ISSUER=letsencrypt: staging first. Let’s Encrypt issues the same certificate five times a week, then no more; letsencrypt-staging has no such limit',
    )
  if (DOMAIN.endsWith('.local'))
    notices.push(
      `DOMAIN=${DOMAIN}: many devices look up .local by multicast and never ask a DNS server; home.arpa is meant for homes`,
    )
  else if (/(^|\.)example\.(com|net|org)$/.test(DOMAIN))
    notices.push(`DOMAIN=${DOMAIN}: reserved for examples; home.arpa is meant for homes`)
  for (const [network, what] of clusterNetworks) {
    const range = parseRange(network)
    if (METALLB_POOL && !isFlaw(range) && overlaps(METALLB_POOL, range))
      notices.push(
        `METALLB_POOL ${formatRange(METALLB_POOL)} overlaps ${network}, which k3s and RKE2 use for ${what} unless told otherwise`,
      )
  }
  return notices
}

const clusterNetworks = [
  ['10.42.0.0/16', 'pods'],
  ['10.43.0.0/16', 'services'],
] as const
