// The forms of a Git repository's address, and what is allowed as revision and path. Pure.
import type { Flaw } from './network.ts'
import { shown } from './values.ts'

/** `git@host:path` (scp form) and `ssh://user@host:port/path`, taken apart. */
export function parseSsh(address: string): { host: string; port?: string; path: string } | undefined {
  const [, host, port, path] = /^ssh:\/\/(?:[^@/:]+@)?([^/:@]+)(?::(\d+))?\/(.+)$/.exec(address) ?? []
  if (host && path) return { host, path, ...(port ? { port } : {}) }
  const [, scpHost, scpPath] = /^(?:[^@/:]+@)([^/:@]+):(?!\/\/)\/?(.+)$/.exec(address) ?? []
  return scpHost && scpPath ? { host: scpHost, path: scpPath } : undefined
}

/** The address without user, password or token, and the https form of an SSH one. */
export function asHttps(address: string): string | undefined {
  const ssh = parseSsh(address)
  if (ssh) return ssh.port ? undefined : `https://${ssh.host}/${ssh.path}`
  return /^https:\/\//.test(address) ? address.replace(/^https:\/\/[^/]*@/, 'https://') : undefined
}

/** Whether the address carries a user or password: neither it nor a part of it is ever printed then. */
export function hasCredentials(address: string): boolean {
  return /^[a-z]+:\/\/[^/]*@/i.test(address) && !/^ssh:\/\/[^@/:]+@/i.test(address)
}

/** What an address must be for another machine to read from it. */
export function gitRepository(text: string): string | Flaw {
  const fix = 'write for example https://github.com/you/homelab.git'
  if (hasCredentials(text))
    return {
      problem: 'credentials in URL',
      fix: `use GIT_USERNAME and GIT_TOKEN, and ${asHttps(text) ?? 'an https:// address'}`,
    }
  if (/\s/.test(text)) return { problem: `${shown(text)} has a space`, fix }
  if (parseSsh(text)) return text
  if (/^(file:|\/|~|\.{1,2}\/|[A-Za-z]:\\)/.test(text))
    return { problem: `${shown(text)} is on this computer, where the cluster cannot read it`, fix }
  if (!/^https?:\/\//.test(text))
    return {
      problem: `${shown(text)} begins with neither https:// nor git@host:`,
      fix: /^[\w.-]+\.[a-z]+\/\S+$/.test(text) ? `write https://${text}` : fix,
    }
  const [, host = '', path = ''] = /^https?:\/\/([^/?#]+)\/?(.*)$/.exec(text) ?? []
  if (/^(localhost|127\.[\d.]+|\[::1\])(:|$)/.test(host))
    return { problem: `${shown(text)} is this computer, not the cluster’s way to it`, fix }
  if (!/^[A-Za-z0-9.-]+(:\d+)?$/.test(host) || path === '')
    return { problem: `${shown(text)} has no host or no path`, fix }
  const [, repository, page] = /^([^/]+\/[^/]+)\/(tree|blob|-)\//.exec(path) ?? []
  if (page)
    return { problem: `${shown(text)} is a page of the web site`, fix: `write https://${host}/${repository}.git` }
  if (/[?#]/.test(path)) return { problem: `${shown(text)} has a ? or #`, fix }
  return text
}

/** The name of a branch, tag or commit. */
export function gitRevision(text: string): string | Flaw {
  // git help check-ref-format
  if (!/^[^\s~^:?*[\\-][^\s~^:?*[\\]*$/.test(text) || /\.\.|@\{|\/\/|\/$|\.lock$|\.$/.test(text))
    return { problem: `${shown(text)} is not the name of a branch, tag or commit`, fix: 'write for example main' }
  return text
}

/** A folder of the repository. */
export function gitPath(text: string): string | Flaw {
  const fix = 'write a path inside the repository, such as gitops/environments/prod'
  if (text.startsWith('/') || text.startsWith('~') || text.split('/').includes('..'))
    return { problem: `${shown(text)} must be inside the repo`, fix }
  if (!/^[A-Za-z0-9._/-]+$/.test(text) || text.startsWith('-'))
    return { problem: `${shown(text)} has characters other than A–Z a–z 0–9 . _ - /`, fix }
  return text.replace(/^(\.\/)+|\/+$/g, '')
}
