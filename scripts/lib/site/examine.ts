// Everything that can be said about a .env before the cluster is asked: its values, and all of its problems at once.
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { exit, HomelabError, type Problem } from '../errors.ts'
import { root } from '../root.ts'
import { alertProblems } from './alert-rules.ts'
import { s3Problems } from './backup-rules.ts'
import { readEnvFile } from './env-file.ts'
import { type EnvFile, parseEnv } from './env-lines.ts'
import * as git from './git.ts'
import { contextProblem, type Kubeconfig, readKubeconfig, serverAddress } from './kubeconfig.ts'
import { contains, formatAddress, formatRange, isFlaw } from './network.ts'
import { proxmoxProblems } from './proxmox-values.ts'
import { collect, describeProblems, type Found, readValues, type Sources } from './read.ts'
import { addressProblems, certificateProblems, type Draft, siteNotices } from './rules.ts'
import { type Key, secretKeys } from './schema.ts'
import type { Site } from './site.ts'
import { shown } from './values.ts'

export const environments = ['dev', 'staging', 'prod'] as const
export type Environment = (typeof environments)[number]

export interface LoadOptions {
  /** The repository. Default: this one. */
  root?: string
  /** Default: `ENV`, else prod (a rehearsal: dev). */
  env?: string
  /** Default: process.env. A rehearsal takes nothing from it. */
  processEnv?: Readonly<Record<string, string | undefined>>
  /** Default: `.env`, or `.env.<environment>` for another than prod. */
  file?: string
  /** Judged in place of what the file holds: what somebody is about to write there. */
  text?: string
  /** Where this computer keeps its search domains. Default: /etc/resolv.conf */
  resolvConf?: string
  /** Facts that somebody else decides, such as the sandbox its own cluster. */
  overrides?: Partial<Pick<Site, 'kubeconfig' | 'context' | 'clusterUid' | 'sandbox' | 's3'>> & {
    git?: Partial<git.GitSource>
  }
}

export interface Examined {
  environment: Environment
  /** The file for messages, and its absolute path. */
  name: string
  path: string
  file: EnvFile
  sources: Sources
  draft: Draft
  found: Found[]
  notices: string[]
  /** Absolute path. */
  kubeconfig: string
  /** What it holds, where it can be read and counts (a rehearsal has its own). */
  contexts?: Kubeconfig
  /** Absolute path, or an address. */
  chartsMirror?: string
  checkout: git.Checkout
  git: Omit<git.GitSource, 'path'>
}

/**
 * Reads a .env and judges it.
 * @throws HomelabError (exit 2) only for an environment that does not exist
 */
export async function examine(options: LoadOptions = {}): Promise<Examined> {
  const { root: top = root, overrides = {} } = options
  const outer = overrides.sandbox ? {} : (options.processEnv ?? process.env)
  const environment = readEnvironment(options.env || outer.ENV || (overrides.sandbox ? 'dev' : 'prod'))
  const path = resolve(top, options.file ?? (environment === 'prod' ? '.env' : `.env.${environment}`))
  const name = relative(top, path)
  const file =
    options.text === undefined
      ? readEnvFile(path, { root: top, secrets: secretKeys })
      : parseEnv(options.text, secretKeys)
  const { sources, notices } = collect(file, name, outer)
  const { draft, problems } = readValues(file, sources)
  const asking = git.readCheckout(top, path, {
    origin: draft.values.GIT_REPOSITORY === undefined,
    branch: draft.values.GIT_REVISION === undefined,
  })
  const found: Found[] = [
    ...file.problems,
    ...problems,
    ...addressProblems(draft),
    ...certificateProblems(draft),
    ...s3Problems(draft),
    ...proxmoxProblems(draft),
    ...alertProblems(draft),
  ]

  const home = outer.HOME || homedir()
  // A relative path in .env means one in the repository; in the environment, one in the working directory.
  const located = (key: Key, value: string) => fromHome(value, sources.get(key)?.line === 0 ? process.cwd() : top, home)
  const kubeconfig = overrides.kubeconfig ?? located('KUBECONFIG', draft.values.KUBECONFIG ?? '~/.kube/config')
  const mirror = draft.values.CHARTS_MIRROR
  const chartsMirror = mirror === undefined || mirror.includes('://') ? mirror : located('CHARTS_MIRROR', mirror)
  const contexts =
    overrides.kubeconfig === undefined && !draft.broken.has('KUBECONFIG') ? readKubeconfig(kubeconfig) : undefined
  if (isFlaw(contexts)) found.push({ key: 'KUBECONFIG', ...contexts })
  else if (contexts) found.push(...clusterProblems(draft, contexts))

  const checkout = await asking
  const ssh: git.SshFiles = {
    keyFile:
      draft.values.GIT_SSH_KEY_FILE === undefined ? undefined : fromHome(draft.values.GIT_SSH_KEY_FILE, top, home),
    knownHosts: join(home, '.ssh/known_hosts'),
  }
  const source = git.readSource(draft, checkout, ssh)
  found.push(...source.problems)
  if (checkout.tracked && (name.startsWith('.env') || [...secretKeys].some(key => sources.get(key)?.text)))
    found.push({
      line: 0,
      problem: `${name} is tracked by git`,
      fix: `git rm --cached ${name}, commit, and replace every secret that ever stood in it`,
    })
  const search = overrides.sandbox ? [] : searchDomainNotices(draft, options.resolvConf ?? '/etc/resolv.conf')
  return {
    ...{ environment, name, path, file, sources, draft, found, kubeconfig, checkout, git: source.git },
    ...(contexts && !isFlaw(contexts) ? { contexts } : {}),
    ...(chartsMirror === undefined ? {} : { chartsMirror }),
    notices: [...file.notices, ...notices, ...siteNotices(draft.values), ...search, ...source.notices],
  }
}

/** The problems as the owner reads them. Where there is no file to judge, only that. */
export function describeFound({ name, sources, found, file }: Examined): Problem[] {
  const whole = file.values.size === 0 ? file.problems.filter(({ line }) => line === 0) : []
  return describeProblems(name, sources, whole.length ? file.problems : found)
}

function clusterProblems({ values, broken }: Draft, config: Kubeconfig): Found[] {
  const { KUBE_CONTEXT: name, METALLB_POOL: pool } = values
  const found: Found[] = []
  const problem = name === undefined || broken.has('KUBE_CONTEXT') ? undefined : contextProblem(config, name)
  if (problem) found.push(problem)
  const server = serverAddress(config.contexts.find(context => context.name === (name ?? config.current)))
  if (pool && server !== undefined && contains(pool, server))
    found.push({
      key: 'METALLB_POOL',
      problem: `${formatRange(pool)} contains the API server ${formatAddress(server)} of the kubeconfig`,
      fix: 'choose a range that nothing else uses, outside DHCP',
    })
  return found
}

/**
 * With a wildcard for the domain, a search domain of the same name sends every unknown name to Traefik, and pods, which
 * try search domains first (ndots:5), get its certificate for any host of the internet (rke2#5883).
 */
function searchDomainNotices({ values: { DOMAIN } }: Draft, file: string): string[] {
  if (!DOMAIN) return []
  const searched = (readText(file).match(/^\s*(?:search|domain)\s.*$/gm) ?? []).flatMap(line =>
    line.trim().toLowerCase().split(/\s+/).slice(1),
  )
  const same = searched.find(one => one === DOMAIN || one.endsWith(`.${DOMAIN}`))
  return same
    ? [
        `DOMAIN=${DOMAIN}: this computer searches ${same} (${file}). If the nodes do too, their pods reach Traefik instead of the internet: take the search domain out of the router’s DHCP, or choose another domain`,
      ]
    : []
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return '' // other systems keep it elsewhere
  }
}

function readEnvironment(name: string): Environment {
  const known = environments.find(one => one === name)
  if (known) return known
  throw new HomelabError({
    what: `ENV: ${shown(name)} is not an environment. Fix: ENV=${environments.join(', ENV=')}`,
    ...(name.includes('/') ? { why: 'some shells keep the path of a start-up file in ENV' } : {}),
    code: exit.usage,
  })
}

/** `~/x` from the home folder, anything else relative to `base`. */
function fromHome(path: string, base: string, home: string): string {
  return path === '~' || path.startsWith('~/') ? join(home, path.slice(1)) : resolve(base, path)
}
