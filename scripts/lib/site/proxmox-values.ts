// How the text of the keys for Proxmox VE becomes a value, and what goes with what. Pure.
import type { Flaw } from './network.ts'
import type { Draft, KeyProblem } from './rules.ts'
import { shown } from './values.ts'

/** `https://host:port`; 8006 where no port is said. */
export function url(text: string): string | Flaw {
  const fix = 'PROXMOX_URL=https://192.168.1.10:8006'
  if (!/^https:\/\/[^/?#]/i.test(text) || !URL.canParse(text))
    return { problem: `${shown(text)} is not an address that begins with https://`, fix }
  const { username, password, pathname, search, hash, hostname, host } = new URL(text)
  if (username || password)
    return {
      problem: `${shown(text)} has a login in it`,
      fix: 'the login is PROXMOX_TOKEN_ID and PROXMOX_TOKEN_SECRET',
    }
  if (pathname !== '/' || search || hash)
    return { problem: `${shown(text)} goes on after the port`, fix: `PROXMOX_URL=https://${host}` }
  const port = /:\d+$/.exec(text.replace(/\/$/, ''))?.[0] ?? ':8006' // URL drops 443, which somebody may mean
  return `https://${hostname}${port}`
}

/** `user@realm!name`: https://pve.proxmox.com/pve-docs/pveum.1.html */
export function tokenId(text: string): string | Flaw {
  const fix = 'copy the whole Token ID, such as homelab@pve!metrics'
  if (text.includes('=')) return { problem: 'has the secret in it, after =', fix: 'the secret is PROXMOX_TOKEN_SECRET' }
  if (!text.includes('!')) return { problem: `${shown(text)} is a user, not one of its tokens`, fix }
  return /^[^\s:/!@]+@[A-Za-z][\w.-]+![A-Za-z][\w.-]+$/.test(text)
    ? text
    : { problem: `${shown(text)} is not the ID of a token (user@realm!name)`, fix }
}

export function tokenSecret(text: string): string | Flaw {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
    ? text.toLowerCase()
    : { problem: 'not the secret of a token (a UUID)', fix: 'it is shown once; make a new token if it is lost' }
}

/** With colons and in capitals, as browsers show it; taken without and in any case. */
export function fingerprint(text: string): string | Flaw {
  const digits = text.replace(/^sha-?256[ :=]*/i, '').replace(/[:\s]/g, '')
  if (/^[0-9a-f]{40}$/i.test(digits))
    return { problem: 'is a SHA-1 fingerprint', fix: 'take the SHA-256 one: pvenode cert info' }
  return /^[0-9a-f]{64}$/i.test(digits)
    ? digits.toUpperCase().replace(/..(?=.)/g, '$&:')
    : { problem: 'not a SHA-256 fingerprint (64 hexadecimal digits)', fix: 'on the node: pvenode cert info' }
}

const together = ['PROXMOX_URL', 'PROXMOX_TOKEN_ID', 'PROXMOX_TOKEN_SECRET'] as const

/** Address, token and secret come together. */
export function proxmoxProblems({ values, given, broken }: Draft): KeyProblem[] {
  const set = together.filter(key => values[key] !== undefined || broken.has(key))
  if (set.length === 0 || set.length === together.length) return []
  return together
    .filter(key => !set.includes(key))
    .map(key => ({
      key,
      problem: `${given.has(key) ? 'empty' : 'not set'}, and ${set[0]} needs it`,
      fix: `set it, or remove ${set[0]}`,
    }))
}
