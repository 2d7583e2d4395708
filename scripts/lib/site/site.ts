// The site: the facts of one cluster, read from its .env, checked as a whole, and handed to everything else.
import { homedir } from 'node:os'
import { delimiter, join, relative, resolve } from 'node:path'
import { exit, HomelabError, throwProblems } from '../errors.ts'
import { root } from '../root.ts'
import { Secret } from '../secrets.ts'
import { look, openToOthers, readEnvFile } from './env-file.ts'
import { setInEnvFile } from './env-write.ts'
import * as git from './git.ts'
import { formatAddress, formatRange, isFlaw, parseAddress, parseRange } from './network.ts'
import { collect, describeProblems, type Found, readValues } from './read.ts'
import { addressProblems, certificateProblems, fixedAddresses, siteNotices } from './rules.ts'
import { type Key, secretKeys, type Values } from './schema.ts'
import { shown } from './values.ts'

export const environments = ['dev', 'staging', 'prod'] as const
export type Environment = (typeof environments)[number]

export interface Site {
  environment: Environment
  /** The file it came from, for messages. */
  file: string
  kubeconfig: string
  /** Empty while the owner has not named or confirmed a cluster. */
  context: string
  /** UID of the kube-system namespace, once confirmed. */
  clusterUid?: string
  domain: string
  /** `a-b` */
  metallbPool: string
  traefikAddress: string
  adguardAddresses: readonly [string, string]
  dnsUpstreams: readonly string[]
  issuer: Issuer
  rancher: boolean
  storagePath: string
  timezone: string
  /** A folder (absolute) or an address that has the charts. */
  chartsMirror?: string
  git: git.GitSource
  /** Only in a rehearsal. */
  sandbox?: Sandbox
}

export type Issuer =
  | { name: 'internal-ca' }
  | { name: 'letsencrypt-staging' | 'letsencrypt'; email: string; dns01: Dns01 }

/** How Let's Encrypt is shown that the domain is ours. */
export interface Dns01 {
  provider: 'cloudflare' | 'digitalocean' | 'rfc2136'
  /** The keys of the Secret `dns01-PROVIDER`, as the provider's issuer file names them. */
  credentials: Readonly<Record<string, Secret>>
  /** What the provider's issuer file needs besides. */
  vars: Readonly<Record<string, string>>
}

/** What a rehearsal knows beyond its site: the sandbox's own programs, their environment, and charts at hand. */
export interface Sandbox {
  programs: { kubectl: string; helm: string }
  env: Readonly<Record<string, string>>
  charts: Readonly<Record<string, string>>
  /** Where, on loopback, the programs behind the addresses really listen. */
  routesFile: string
}

export interface LoadOptions {
  /** The repository. Default: this one. */
  root?: string
  /** Default: `ENV`, else prod (a rehearsal: dev). */
  env?: string
  /** Default: process.env. A rehearsal takes nothing from it. */
  processEnv?: Readonly<Record<string, string | undefined>>
  /** Default: `.env`, or `.env.<environment>` for another than prod. */
  file?: string
  /** Facts that somebody else decides, such as the sandbox its own cluster. */
  overrides?: Partial<Pick<Site, 'kubeconfig' | 'context' | 'clusterUid' | 'sandbox'>> & {
    git?: Partial<git.GitSource>
  }
}

/**
 * Reads and checks the site.
 * @returns the site, and what its owner should be told before anything is done
 * @throws HomelabError (exit 2) with every problem of every kind, each as `.env:LINE KEY: problem. Fix: …`
 */
export async function loadSite(options: LoadOptions = {}): Promise<{ site: Site; notices: string[] }> {
  const { root: top = root, overrides = {} } = options
  const outer = overrides.sandbox ? {} : (options.processEnv ?? process.env)
  const environment = readEnvironment(options.env || outer.ENV || (overrides.sandbox ? 'dev' : 'prod'))
  const path = resolve(top, options.file ?? (environment === 'prod' ? '.env' : `.env.${environment}`))
  const name = relative(top, path)

  const file = readEnvFile(path, { root: top, secrets: secretKeys })
  const { sources, notices } = collect(file, name, outer)
  if (file.values.size === 0 && file.problems.some(({ line }) => line === 0))
    throwProblems(describeProblems(name, sources, file.problems)) // there is nothing else to judge
  const { draft, problems } = readValues(file, sources)
  const asking = git.readCheckout(top, path, {
    origin: draft.values.GIT_REPOSITORY === undefined,
    branch: draft.values.GIT_REVISION === undefined,
  })
  const found: Found[] = [...file.problems, ...problems, ...addressProblems(draft), ...certificateProblems(draft)]

  const home = outer.HOME || homedir()
  // A relative path in .env means one in the repository; in the environment, one in the working directory.
  const base = sources.get('KUBECONFIG')?.line === 0 ? process.cwd() : top
  const kubeconfig = overrides.kubeconfig ?? fromHome(draft.values.KUBECONFIG ?? '~/.kube/config', base, home)
  if (overrides.kubeconfig === undefined && !draft.broken.has('KUBECONFIG'))
    found.push(...kubeconfigProblems(kubeconfig))
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
  throwProblems(describeProblems(name, sources, found))

  const values = draft.values as Values // nothing was wrong, so what is required is there
  const mirror = values.CHARTS_MIRROR
  const mirrorBase = sources.get('CHARTS_MIRROR')?.line === 0 ? process.cwd() : top
  const chartsMirror = mirror === undefined || mirror.includes('://') ? mirror : fromHome(mirror, mirrorBase, home)
  const known = { environment, file: name, kubeconfig, git: source.git }
  const site = build(values, { ...known, ...(chartsMirror === undefined ? {} : { chartsMirror }) }, overrides)
  return { site, notices: [...file.notices, ...notices, ...siteNotices(values), ...source.notices] }
}

function build(
  values: Values,
  found: Pick<Site, 'environment' | 'file' | 'kubeconfig' | 'chartsMirror'> & { git: Omit<git.GitSource, 'path'> },
  overrides: NonNullable<LoadOptions['overrides']>,
): Site {
  const [traefik = 0, adguard0 = 0, adguard1 = 0] = fixedAddresses(values.METALLB_POOL, values)
  const clusterUid = overrides.clusterUid ?? values.CLUSTER_UID
  return {
    ...found,
    context: overrides.context ?? values.KUBE_CONTEXT ?? '',
    ...(clusterUid === undefined ? {} : { clusterUid }),
    domain: values.DOMAIN,
    metallbPool: formatRange(values.METALLB_POOL),
    traefikAddress: formatAddress(traefik),
    adguardAddresses: [formatAddress(adguard0), formatAddress(adguard1)],
    dnsUpstreams: values.DNS_UPSTREAMS,
    issuer: issuer(values),
    rancher: values.RANCHER,
    storagePath: values.STORAGE_PATH,
    timezone: values.TIMEZONE,
    git: { path: values.GIT_PATH ?? `gitops/environments/${found.environment}`, ...found.git, ...overrides.git },
    ...(overrides.sandbox ? { sandbox: overrides.sandbox } : {}),
  }
}

function issuer(values: Values): Issuer {
  if (values.TLS_ISSUER === 'internal-ca') return { name: 'internal-ca' }
  return { name: values.TLS_ISSUER, email: values.ACME_EMAIL ?? '', dns01: dns01(values) }
}

// The rules have made sure that the provider's own keys are there.
function dns01(values: Values): Dns01 {
  switch (values.DNS_PROVIDER) {
    case 'cloudflare':
      return {
        provider: 'cloudflare',
        credentials: { 'api-token': new Secret(values.CLOUDFLARE_API_TOKEN ?? '') },
        vars: {},
      }
    case 'digitalocean':
      return {
        provider: 'digitalocean',
        credentials: { 'access-token': new Secret(values.DIGITALOCEAN_TOKEN ?? '') },
        vars: {},
      }
    case 'rfc2136':
      return {
        provider: 'rfc2136',
        credentials: { 'tsig-secret': new Secret(values.RFC2136_TSIG_SECRET ?? '') },
        vars: {
          nameserver: values.RFC2136_NAMESERVER ?? '',
          tsigKeyName: values.RFC2136_TSIG_KEY_NAME ?? '',
          tsigAlgorithm: values.RFC2136_TSIG_ALGORITHM,
        },
      }
    case 'none':
      throw new Error(`${values.TLS_ISSUER} without a DNS provider`)
  }
}

/** Keeps facts that were found out, such as the confirmed cluster, in the file that the site came from. */
export function keepInEnv(site: Pick<Site, 'file'>, values: Partial<Record<Key, string>>): void {
  setInEnvFile(resolve(root, site.file), values)
}

/** The names that every manifest and values file can use as `${name}`. */
export function vars(site: Site): Record<string, unknown> {
  return {
    domain: site.domain,
    environment: site.environment,
    metallbPool: site.metallbPool,
    ...splitPool(site),
    traefikAddress: site.traefikAddress,
    adguardAddress1: site.adguardAddresses[0],
    adguardAddress2: site.adguardAddresses[1],
    dnsUpstreams: [...site.dnsUpstreams],
    issuerName: site.issuer.name,
    acmeEmail: site.issuer.name === 'internal-ca' ? '' : site.issuer.email,
    storagePath: site.storagePath,
    gitRepository: site.git.repository,
    gitRevision: site.git.revision,
    gitPath: site.git.path,
    sshKnownHosts: (site.git.knownHosts ?? []).join('\n'),
    timezone: site.timezone,
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

function kubeconfigProblems(path: string): Found[] {
  const key = 'KUBECONFIG'
  if (path.includes(delimiter))
    return [{ key, problem: `names several files (${shown(path)})`, fix: 'name the one file that has the context' }]
  const stats = look(path)
  if (!stats)
    return [
      {
        key,
        problem: `not found at ${path}`,
        fix: 'copy it from the server (k3s: /etc/rancher/k3s/k3s.yaml, RKE2: /etc/rancher/rke2/rke2.yaml)',
      },
    ]
  if (!stats.isFile()) return [{ key, problem: `${path} is not a file`, fix: 'name the kubeconfig file itself' }]
  const open = openToOthers(stats)
  return open
    ? [
        {
          key,
          problem: `${path} is readable by others (mode ${open}) and holds the keys of the cluster`,
          fix: `chmod 600 ${path}`,
        },
      ]
    : []
}

/** The fixed addresses apart from the free ones: nothing else can be given an address before its owner asks for it. */
function splitPool({
  metallbPool,
  traefikAddress,
  adguardAddresses,
}: Site): Record<'metallbFixed' | 'metallbFree', string[]> {
  const fixed = [traefikAddress, ...adguardAddresses]
  const taken = fixed.map(address => parseAddress(address) ?? 0).sort((a, b) => a - b)
  const pool = parseRange(metallbPool)
  if (isFlaw(pool)) throw new Error(`a site with the pool ${metallbPool}`)
  const free: string[] = []
  let first = pool.first
  for (const next of [...taken, pool.last + 1]) {
    if (next > first) free.push(formatRange({ first, last: next - 1, size: next - first }))
    first = next + 1
  }
  return { metallbFixed: fixed.map(address => `${address}/32`), metallbFree: free }
}
