// How the text of one key becomes its value, or the flaw that the owner reads. Pure; what needs two keys is in site-rules.ts.

import { codePoint, forbiddenCharacter } from './env-lines.ts'
import {
  type AddressRange,
  type Flaw,
  isFlaw,
  parseAddress,
  parseDnsServer,
  parseRange,
  unusableOnLan,
} from './network.ts'

type Result<T> = T | Flaw

/** The three values that a fresh copy of .env.example holds, to be replaced. */
export const placeholders: ReadonlyMap<string, string> = new Map([
  ['DOMAIN', 'home.example.com'],
  ['METALLB_POOL', '192.168.x.200-192.168.x.220'],
  ['KUBE_CONTEXT', 'name-of-your-context'],
])

/** A value as messages show it: quoted, short, and never with the credentials of a URL. */
export function shown(text: string): string {
  const safe = text.replace(/\/\/[^/]*@/, '//…@')
  return JSON.stringify(safe.length > 60 ? `${safe.slice(0, 60)}…` : safe)
}

/** Lower-case host name of two labels or more, in ASCII. */
export function domain(text: string): Result<string> {
  const bare = text
    .replace(/^[a-z]+:\/\//i, '')
    .replace(/[/?#].*$/, '')
    .replace(/^\*\./, '')
    .replace(/:\d+$/, '')
    .replace(/\.$/, '')
  const fix = `DOMAIN=${/^[\w.-]+\.[\w-]+$/.test(bare) ? bare.toLowerCase() : 'lab.home.arpa'}`
  if (text.includes('/') || text.includes(':'))
    return { problem: `${shown(text)} is not a host name only, no scheme/slash/port`, fix }
  if (text.startsWith('*')) return { problem: `${shown(text)}: write it without wildcard`, fix }
  if (text.endsWith('.')) return { problem: `${shown(text)} ends in a dot`, fix }
  const odd = /[^\x20-\x7e]/u.exec(text)?.[0]
  if (odd)
    return {
      problem: `${codePoint(odd)} not allowed in a host name`,
      fix: 'use a–z, 0–9 and hyphens (for other scripts the xn-- form)',
    }
  if (parseAddress(text) !== undefined)
    return { problem: `${text} is an address, not a name`, fix: 'DOMAIN=lab.home.arpa' }
  // adguard-1. goes in front, and 253 characters is the limit of DNS.
  if (text.length > 243) return { problem: 'longer than 243 characters', fix: 'choose a shorter name' }
  const labels = text.toLowerCase().split('.')
  for (const [i, label] of labels.entries()) {
    const flaw = labelFlaw(label)
    if (flaw)
      return {
        problem: `label ${i + 1} of ${shown(text)}: ${flaw}`,
        fix: 'use names of a–z, 0–9 and inner hyphens, joined by dots',
      }
  }
  if (labels.length === 1)
    return {
      problem: `${shown(text)} is a single label, and browsers refuse a certificate for *.${text}`,
      fix: `DOMAIN=${text}.home.arpa`,
    }
  return labels.join('.')
}

function labelFlaw(label: string): string | undefined {
  if (label === '') return 'empty'
  if (label.length > 63) return 'longer than 63 characters'
  if (label.startsWith('-') || label.endsWith('-')) return 'begins or ends with a hyphen'
  const odd = /[^a-z0-9-]/.exec(label)?.[0]
  return odd ? `${odd === ' ' ? 'a space' : `"${odd}"`} not allowed` : undefined
}

/** A private IPv4 address. */
export function lanAddress(text: string): Result<number> {
  const address = parseAddress(text)
  if (address === undefined)
    return {
      problem: `${shown(text)} is not an IPv4 address`,
      fix: 'write four numbers from 0 to 255, such as 192.168.1.200',
    }
  const reason = unusableOnLan(address)
  if (reason)
    return { problem: `${text} is not usable on a LAN (${reason})`, fix: 'use 192.168.x.x, 10.x.x.x or 172.16–31.x.x' }
  return address
}

/** A range of private IPv4 addresses. */
export function lanRange(text: string): Result<AddressRange> {
  const range = parseRange(text)
  if (isFlaw(range)) return range
  for (const address of [range.first, range.last]) {
    const reason = unusableOnLan(address)
    if (reason)
      return {
        problem: `${shown(text)} is not usable on a LAN (${reason})`,
        fix: 'use a part of your own network, 192.168.x.x, 10.x.x.x or 172.16–31.x.x',
      }
  }
  // Both ends are private; only a range across two private blocks can still be larger than one of them.
  if (range.size > 65_536)
    return { problem: `${shown(text)} has ${range.size} addresses`, fix: 'a lab needs about twenty' }
  return range
}

/** The parts of a comma-separated list, trimmed. */
const list = (text: string): string[] => text.split(',').map(part => part.trim())

export function addressPair(text: string): Result<readonly [number, number]> {
  const parts = list(text)
  const [one, two] = parts
  if (parts.length !== 2 || one === undefined || two === undefined)
    return {
      problem: `needs 2 addresses, has ${parts.length}`,
      fix: 'one for each AdGuard Home instance, such as 192.168.1.201,192.168.1.202',
    }
  const [first, second] = [lanAddress(one), lanAddress(two)]
  if (isFlaw(first)) return first
  if (isFlaw(second)) return second
  if (first === second) return { problem: `${one} used by both instances`, fix: 'give two different addresses' }
  return [first, second]
}

export function dnsServers(text: string): Result<readonly string[]> {
  const servers: string[] = []
  for (const part of list(text)) {
    const server = parseDnsServer(part)
    if (isFlaw(server)) return server
    servers.push(server)
  }
  return [...new Set(servers)]
}

/** One of a few words. */
export function oneOf<const W extends string>(words: readonly W[]): (text: string) => Result<W> {
  return text =>
    words.find(word => word === text) ?? { problem: `${shown(text)} is unknown`, fix: `one of ${words.join(', ')}` }
}

export function onOff(text: string): Result<boolean> {
  if (/^true$/i.test(text)) return true
  if (/^false$/i.test(text)) return false
  const off = /^(no|off|0|n|none|disabled)$/i.test(text)
  return {
    problem: `${shown(text)} is neither true nor false`,
    fix: `write ${off ? 'false' : 'true'}${off ? '' : ' or false'}`,
  }
}

/** An e-mail address that somebody reads. */
export const email = emailAddress('is reserved for examples, and nobody reads its mail')

/** One that Let's Encrypt takes too. */
export const acmeEmail = emailAddress("is forbidden by Let's Encrypt")

/** @param ofExamples what is said of a domain that is only for examples */
function emailAddress(ofExamples: string): (text: string) => Result<string> {
  return text => {
    const host = /^[^\s@"'<>,;]+@((?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,})$/i.exec(text)?.[1]?.toLowerCase()
    if (!host || /\.\.|^\.|\.@/.test(text))
      return {
        problem: `${shown(text)} is not an e-mail address`,
        fix: 'write an address that you read, such as you@your-provider.net',
      }
    if (/(^|\.)example\.(com|net|org)$/.test(host))
      return { problem: `${host.split('.').slice(-2).join('.')} ${ofExamples}`, fix: 'write an address that you read' }
    return text
  }
}

/** A path in the file system of a node. */
export function nodePath(text: string): Result<string> {
  const path = text.replace(/(?<=.)\/+$/, '')
  if (!path.startsWith('/'))
    return {
      problem: `${shown(text)} is not an absolute path`,
      fix: 'begin with /, such as /opt/local-path-provisioner',
    }
  if (!/^[A-Za-z0-9._/-]+$/.test(path))
    return { problem: `${shown(text)} has characters other than A–Z a–z 0–9 . _ - /`, fix: 'choose a plain path' }
  if (/(^|\/)\.{1,2}(\/|$)|\/\//.test(path))
    return { problem: `${shown(text)} has empty, . or .. parts`, fix: 'write the path in full' }
  if (
    /^\/((etc|proc|sys|dev|boot|bin|sbin|lib|lib64|usr|run|tmp|root)(\/|$)|(opt|var|home|srv|mnt|media)?$)/.test(path)
  )
    return {
      problem: `${shown(text)} is a place of the system itself`,
      fix: 'choose a folder of its own, such as /opt/local-path-provisioner',
    }
  return path
}

/** An IANA name. The list of the main ones is quick to have; the older ones cost 30 ms, so they come second. */
export function timezone(text: string): Result<string> {
  if (text === 'Etc/UTC' || text === 'UTC' || Intl.supportedValuesOf('timeZone').includes(text)) return text
  const known = /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/.test(text) ? timezoneOf(text) : undefined
  // Files of the time zone database are looked up by exact case on Linux; JavaScript does not mind.
  if (known && known !== text && known.toLowerCase() === text.toLowerCase())
    return { problem: `${shown(text)} differs from the IANA name in its letters`, fix: `write ${known}` }
  if (known) return text
  return {
    problem: `${shown(text)} is not an IANA name of a time zone`,
    fix: 'write an IANA name, such as Europe/Berlin',
  }
}

function timezoneOf(text: string): string | undefined {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: text }).resolvedOptions().timeZone
  } catch {
    return undefined // a RangeError is the answer "there is none"
  }
}

/** Any text of one line without invisible characters; what it means is somebody else's decision. */
export function oneLine(text: string): Result<string> {
  const hidden = text.includes('\n') ? 'a line break' : forbiddenCharacter(text)
  if (hidden) return { problem: `has ${hidden}`, fix: 'write it on one line' }
  if (text.startsWith('-')) return { problem: `${shown(text)} begins with a hyphen`, fix: 'write the name itself' }
  return text
}

/** Text that must look like `pattern`. Nothing of the value is shown, so it serves for secrets too. */
export function matching(pattern: RegExp, what: string, fix: string): (text: string) => Result<string> {
  return text => (pattern.test(text) ? text : { problem: `not ${what}`, fix })
}

/** https://developers.cloudflare.com/fundamentals/api/get-started/create-token/ */
export function cloudflareToken(text: string): Result<string> {
  const fix = 'make a token with Zone:Read and DNS:Edit at dash.cloudflare.com/profile/api-tokens'
  if (/^[0-9a-f]{37}$/.test(text)) return { problem: 'the global API key, not a token: it may do everything', fix }
  if (/^bearer\s/i.test(text)) return { problem: 'begins with the word Bearer', fix: 'leave only what stands after it' }
  return matching(/^[A-Za-z0-9_-]{40,200}$/, 'a Cloudflare API token (40 letters, digits, _ or -)', fix)(text)
}

/** `host`, `host:port`, IPv4 or `[IPv6]:port`: what cert-manager takes as RFC 2136 server. */
export function nameserver(text: string): Result<string> {
  const [, host = '', port = '53'] = /^(\[[0-9a-f:]+\]|[^:[\]]+)(?::(\d{1,5}))?$/i.exec(text) ?? []
  const fix = 'write the authoritative server as address or name, with :port if it is not 53'
  if (!/^\[|^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(host))
    return { problem: `${shown(text)} is no host with or without port`, fix }
  if (/^[\d.]+$/.test(host) && parseAddress(host) === undefined)
    return { problem: `${shown(host)} is not an IPv4 address`, fix }
  if (Number(port) < 1 || Number(port) > 65_535) return { problem: `port ${port} is not between 1 and 65535`, fix }
  return text
}

const tsigAlgorithms = ['HMACMD5', 'HMACSHA1', 'HMACSHA256', 'HMACSHA512'] as const

/** cert-manager's spelling, also from BIND's (`hmac-sha256`). */
export function tsigAlgorithm(text: string): Result<string> {
  return oneOf(tsigAlgorithms)(text.toUpperCase().replaceAll('-', ''))
}

/** A file of this computer; `~` and paths relative to the repository are resolved by site.ts. */
export function localFile(text: string): Result<string> {
  if (/\$|%\w+%/.test(text))
    return { problem: `${shown(text)}: variables are not expanded here`, fix: 'write ~ or the full path' }
  return oneLine(text)
}

/** A folder of this machine, or an address by HTTP. */
export function folderOrAddress(text: string): Result<string> {
  const fix = 'CHARTS_MIRROR=/mnt/nas/homelab-mirror, or =http://nas.lab.home.arpa/homelab-mirror'
  if (!/^[a-z][a-z0-9+.-]*:/i.test(text)) return localFile(text)
  if (!/^https?:/i.test(text) || !URL.canParse(text))
    return { problem: `${shown(text)} is neither a folder nor an http address`, fix }
  const { username, password, search, hash } = new URL(text)
  if (username || password) return { problem: `${shown(text)} has a login in it, which errors would show`, fix }
  if (search || hash) return { problem: `${shown(text)} ends in ? or #`, fix }
  return text.replace(/\/+$/, '')
}

/** Where an S3 server answers: scheme, host and port. */
export function s3Endpoint(text: string): Result<string> {
  const fix = 'S3_ENDPOINT=http://192.168.1.20:9000, or =https://s3.your-provider.net'
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text))
    return { problem: `${shown(text)} is not an address that begins with http:// or https://`, fix }
  const { username, password, pathname, search, hash, origin } = new URL(text)
  if (username || password)
    return { problem: `${shown(text)} has a login in it`, fix: 'the login is S3_ACCESS_KEY and S3_SECRET_KEY' }
  if (pathname !== '/' || search || hash)
    return {
      problem: `${shown(text)} goes on after the port`,
      fix: `S3_ENDPOINT=${origin}, and the bucket in S3_BUCKET`,
    }
  return origin
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, as all servers keep them. */
export function s3Bucket(text: string): Result<string> {
  if (/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(text) && !text.includes('..')) return text
  return {
    problem: `${shown(text)} is not the name of a bucket`,
    fix: 'use 3 to 63 of a–z, 0–9, dots and inner hyphens',
  }
}

/** A key of S3: it stands in a line of a file that others read. */
export function s3Key(text: string): Result<string> {
  return /^[\x21-\x7e]{3,}$/.test(text)
    ? text
    : { problem: 'not a key of S3 (three or more characters without spaces)', fix: 'copy it whole from the server' }
}

/** One or more private IPv4 addresses. */
export function addressList(text: string): Result<readonly number[]> {
  const addresses: number[] = []
  for (const part of list(text)) {
    const address = lanAddress(part)
    if (isFlaw(address)) return address
    if (addresses.includes(address)) return { problem: `${part} is there twice`, fix: 'name each host once' }
    addresses.push(address)
  }
  return addresses
}

/** A server with its port. */
export function hostAndPort(text: string): Result<string> {
  const fix = 'write server and port, such as smtp.your-provider.net:587'
  if (!/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?:\d{1,5}$/.test(text))
    return { problem: `${shown(text)} is no host with port`, fix }
  const port = Number(text.split(':')[1])
  return port >= 1 && port <= 65_535 ? text : { problem: `port ${port} is not between 1 and 65535`, fix }
}

/** An address that is called. What it is stays unsaid: it is a secret itself. */
export function webAddress(text: string): Result<string> {
  const fix = 'copy the whole address, with https:// in front'
  if (!URL.canParse(text)) return { problem: 'not a web address', fix }
  const { protocol, hostname } = new URL(text)
  if (protocol !== 'https:' && protocol !== 'http:') return { problem: `${protocol} is neither https: nor http:`, fix }
  if (/^(localhost|127\.|\[::1\])/.test(hostname))
    return {
      problem: `${hostname} is, for a pod, the pod itself`,
      fix: 'write a name or address that the cluster reaches',
    }
  return text
}

/** Of an ntfy server and one topic. */
export function topicAddress(text: string): Result<string> {
  const address = webAddress(text)
  if (isFlaw(address)) return address
  const { pathname, search } = new URL(text)
  return /^\/[\w-]{1,64}$/.test(pathname) && search === ''
    ? text
    : { problem: 'not a server with one topic', fix: 'write https://SERVER/TOPIC, the topic of a–z, 0–9, - and _' }
}
