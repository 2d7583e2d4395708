// The Git repository as the cluster will reach it, with the checkout's own remote, the key and the known hosts.
import { execFile } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { promisify } from 'node:util'
import { Secret } from '../secrets.ts'
import { look, openToOthers, readBytes } from './env-file.ts'
import { asHttps, gitRepository, hasCredentials, parseSsh } from './git-address.ts'
import { type Flaw, isFlaw } from './network.ts'
import type { Found } from './read.ts'
import type { Draft } from './rules.ts'
import type { Key } from './schema.ts'
import { shown } from './values.ts'

const run = promisify(execFile)

// Of the environment only what finds git and its configuration: GIT_DIR of a running hook would point elsewhere.
export async function git(root: string, ...args: string[]): Promise<string | undefined> {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, GIT_OPTIONAL_LOCKS: '0', LC_ALL: 'C' }
  return run('git', ['-C', root, ...args], { env, timeout: 5_000 }).then(
    ({ stdout }) => stdout.trim() || undefined,
    () => undefined, // no git, no repository, or nothing to say
  )
}

export interface Checkout {
  /** The address of the remote `origin`, as configured. */
  origin?: string
  branch?: string
  /** Whether the configuration file is committed, or about to be. */
  tracked: boolean
}

/**
 * What git knows about the checkout and one of its files; everything is absent where there is no git.
 * @param need what is asked for at all: each answer is a process
 */
export async function readCheckout(
  root: string,
  file: string,
  need: { origin: boolean; branch: boolean },
): Promise<Checkout> {
  const [tracked, origin, branch] = await Promise.all([
    git(root, 'ls-files', '--', file),
    need.origin ? git(root, 'config', '--get', 'remote.origin.url') : undefined,
    need.branch ? git(root, 'symbolic-ref', '--short', '-q', 'HEAD') : undefined,
  ])
  return { ...(origin ? { origin } : {}), ...(branch ? { branch } : {}), tracked: tracked !== undefined }
}

/** The private key in a file, or what is wrong with it. */
function readSshKey(path: string): string | Flaw {
  const fix = "make a deploy key of its own: ssh-keygen -t ed25519 -N '' -f ~/.ssh/homelab-deploy"
  const stats = look(path)
  if (!stats) return { problem: `not found at ${path}`, fix }
  if (!stats.isFile() || stats.size > 65_536) return { problem: `${path} is not a key file`, fix }
  const text = readBytes(path)?.toString('utf8')
  if (text === undefined) return { problem: `${path} cannot be read`, fix: `look at its owner and mode: ls -l ${path}` }
  if (/^(ssh-|ecdsa-|sk-)\S+ AAAA/.test(text))
    return { problem: `${path} is the public key`, fix: `GIT_SSH_KEY_FILE=${path.replace(/\.pub$/, '')}` }
  const open = openToOthers(stats)
  if (open) return { problem: `${path} is readable by others (mode ${open})`, fix: `chmod 600 ${path}` }
  const [, kind, body = ''] = /^-----BEGIN ([A-Z ]*)PRIVATE KEY-----\r?\n([\s\S]+)-----END/.exec(text) ?? []
  if (kind === undefined) return { problem: `${path} holds no private key`, fix }
  // OpenSSH's own format names its cipher right after the magic word; "none" means no passphrase (PROTOCOL.key).
  const cipher = Buffer.from(body, 'base64').subarray(15, 23).toString('latin1')
  if (
    kind.startsWith('ENCRYPTED') ||
    /ENCRYPTED/.test(body.slice(0, 200)) ||
    (kind === 'OPENSSH ' && cipher !== '\0\0\0\u0004none')
  )
    return { problem: `${path} has a passphrase, which nobody can type in the cluster`, fix }
  return text
}

// Argo CD brings the keys of these (argocd-ssh-known-hosts-cm of its manifests).
const knownToArgo = /^(github\.com|gitlab\.com|bitbucket\.org|ssh\.dev\.azure\.com|vs-ssh\.visualstudio\.com)$/

/**
 * The lines of a known_hosts file for an SSH host: `[]` when Argo CD knows the host anyway.
 * @returns undefined when nobody knows it
 */
function findKnownHosts(host: string, port: string | undefined, file: string): string[] | undefined {
  if (knownToArgo.test(host) && !port) return []
  const name = port && port !== '22' ? `[${host}]:${port}` : host
  const lines = readBytes(file)?.toString('utf8').split(/\r?\n/) ?? []
  const found = lines.filter(line => {
    const [names = '', ...rest] = line.split(' ')
    if (rest.length < 2 || line.startsWith('#') || line.startsWith('@')) return false
    const [, salt, hash] = /^\|1\|([^|]+)\|([^|]+)$/.exec(names) ?? []
    if (salt && hash) return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash
    return names.split(',').includes(name)
  })
  // Written with the plain name: Argo CD reads hashed ones too, people do not.
  return found.length ? found.map(line => [name, ...line.split(' ').slice(1)].join(' ')) : undefined
}

/** Where Argo CD reads from. */
export interface GitSource {
  repository: string
  revision: string
  /** Folder of the environment, relative to the repository. */
  path: string
  /** As Argo CD's repository Secret has them: `username` and `password`, or `sshPrivateKey`. Absent for a public repository. */
  credentials?: Readonly<Record<string, string | Secret>>
  /** Lines of known_hosts, where Argo CD does not bring them. */
  knownHosts?: readonly string[]
}

/** The files of SSH, as absolute paths. */
export interface SshFiles {
  keyFile: string | undefined
  knownHosts: string
}

/**
 * The repository with its credentials: what the keys say, and the checkout's remote and branch where they say nothing.
 * `git` is complete only when there are no problems.
 */
export function readSource(
  { values, broken }: Draft,
  checkout: Checkout,
  { keyFile, knownHosts }: SshFiles,
): { git: Omit<GitSource, 'path'>; problems: Found[]; notices: string[] } {
  const { GIT_TOKEN: token, GIT_USERNAME: user } = values
  const git: Omit<GitSource, 'path'> = { repository: '', revision: values.GIT_REVISION ?? checkout.branch ?? 'main' }
  if (token !== undefined) git.credentials = { username: user ?? 'git', password: new Secret(token) }
  const problems: Found[] = []
  const add = (key: Key, problem: string, fix: string) => problems.push({ key, problem, fix })
  const notices: string[] = []

  if (keyFile !== undefined) {
    const key = readSshKey(keyFile)
    if (isFlaw(key)) add('GIT_SSH_KEY_FILE', key.problem, key.fix)
    else git.credentials = { ...git.credentials, sshPrivateKey: new Secret(key) }
  }
  if (user !== undefined && token === undefined && !broken.has('GIT_TOKEN'))
    add('GIT_USERNAME', 'set without GIT_TOKEN', 'set both or neither')

  const repository =
    values.GIT_REPOSITORY ?? (broken.has('GIT_REPOSITORY') ? undefined : fromOrigin(checkout.origin, keyFile))
  if (repository === undefined) return { git, problems, notices }
  if (isFlaw(repository)) {
    add('GIT_REPOSITORY', repository.problem, repository.fix)
    return { git, problems, notices }
  }
  git.repository = repository
  const ssh = parseSsh(repository)
  if (ssh) {
    const https = asHttps(repository)
    if (keyFile === undefined && !broken.has('GIT_SSH_KEY_FILE'))
      add(
        'GIT_REPOSITORY',
        `${shown(repository)}: the scp form needs a key; or https`,
        `GIT_SSH_KEY_FILE=…, or GIT_REPOSITORY=${https ?? 'https://…'}`,
      )
    if (token !== undefined)
      add(
        'GIT_TOKEN',
        'set, but the repository is reached by SSH',
        `GIT_REPOSITORY=${https ?? 'https://…'}, or remove it`,
      )
    const hosts = findKnownHosts(ssh.host, ssh.port, knownHosts)
    if (hosts?.length) git.knownHosts = hosts
    if (!hosts) {
      const port = ssh.port ? `-p ${ssh.port} ` : ''
      add(
        'GIT_REPOSITORY',
        `the SSH host ${ssh.host} is not in known_hosts`,
        `connect once and compare its fingerprint: ssh ${port}git@${ssh.host}`,
      )
    }
  } else if (keyFile !== undefined)
    add(
      'GIT_SSH_KEY_FILE',
      'set, but the repository is not reached by SSH',
      'write GIT_REPOSITORY=git@host:path, or remove it',
    )
  if (repository.startsWith('http:')) {
    if (token !== undefined)
      add('GIT_REPOSITORY', 'http:// shows GIT_TOKEN to everybody on the network', 'use https://')
    else
      notices.push(
        'GIT_REPOSITORY is http://: whoever sits in between decides what the cluster runs; https:// or SSH prevents that',
      )
  }
  if (values.GIT_REPOSITORY === undefined && hasCredentials(checkout.origin ?? ''))
    notices.push(
      'the remote origin carries credentials, which are left out: set GIT_TOKEN if the repository is private',
    )
  return { git, problems, notices }
}

/** The checkout's `origin` as the cluster can use it: https while there is no key. */
function fromOrigin(origin: string | undefined, keyFile: string | undefined): string | Flaw {
  const fix = 'GIT_REPOSITORY=https://github.com/you/homelab.git'
  if (!origin) return { problem: 'not set, and this checkout has no remote called origin', fix }
  const ssh = parseSsh(origin)
  if (ssh && keyFile !== undefined) return origin
  if (ssh?.port) return { problem: `not set, and the remote ${shown(origin)} needs GIT_SSH_KEY_FILE`, fix }
  const read = gitRepository(asHttps(origin) ?? origin)
  return isFlaw(read) ? { problem: `not set, and the remote origin cannot stand in: ${read.problem}`, fix } : read
}
