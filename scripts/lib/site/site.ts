// The site: the facts of one cluster, read from its .env, checked as a whole, and handed to everything else.
import { resolve } from 'node:path'
import { throwProblems } from '../errors.ts'
import { root } from '../root.ts'
import { Secret } from '../secrets.ts'
import { setInEnvFile } from './env-write.ts'
import { describeFound, type Environment, examine, type LoadOptions } from './examine.ts'
import type * as git from './git.ts'
import { formatAddress, formatRange, isFlaw, parseAddress, parseRange } from './network.ts'
import { fixedAddresses } from './rules.ts'
import type { Key, Values } from './schema.ts'

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
  /** Whether the steps close their namespaces. */
  networkPolicies: boolean
  storagePath: string
  timezone: string
  /** A folder (absolute) or an address that has the charts. */
  chartsMirror?: string
  git: git.GitSource
  /** Where the backups go. */
  s3?: S3
  /** Where the machines under the cluster are managed. */
  proxmox?: Proxmox
  /** Who can open the bundle of keys; without, a passphrase is asked. */
  ageRecipients?: readonly string[]
  /** `~` is not resolved yet. */
  ageIdentityFile?: string
  alerts: Alerts
  watched: Watched
  /** Only in a rehearsal. */
  sandbox?: Sandbox
}

/** Where alerts go: every channel that is there gets all of them. */
export interface Alerts {
  email?: { to: string; from: string; server: string; login?: { username: string; password: Secret } }
  ntfy?: { url: Secret; token?: Secret }
  telegram?: { token: Secret; chat: number }
  webhook?: { url: Secret }
  /** Outside the house: called as long as all is well. */
  deadman?: { url: Secret }
}

/** What Prometheus asks outside the cluster, or with a secret of its own. */
export interface Watched {
  proxmoxHosts: readonly string[]
  rancherToken?: Secret
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

/** A bucket outside the cluster, and the key to it. */
export interface S3 {
  endpoint: string
  bucket: string
  region: string
  accessKey: string
  secretKey: Secret
}

/** A node of Proxmox VE, and a token for its API. */
export interface Proxmox {
  /** `https://192.168.1.10:8006` */
  url: string
  /** `homelab@pve!metrics` */
  tokenId: string
  tokenSecret: Secret
  /** SHA-256 of the certificate, as browsers show it; absent before the first contact. */
  fingerprint?: string
}

/** What a rehearsal knows beyond its site: the sandbox's own programs, their environment, and charts at hand. */
export interface Sandbox {
  programs: { kubectl: string; helm: string }
  env: Readonly<Record<string, string>>
  charts: Readonly<Record<string, string>>
  /** Where, on loopback, the programs behind the addresses really listen. */
  routesFile: string
}

/**
 * Reads and checks the site.
 * @returns the site, and what its owner should be told before anything is done
 * @throws HomelabError (exit 2) with every problem of every kind, each as `.env:LINE KEY: problem. Fix: …`
 */
export async function loadSite(options: LoadOptions = {}): Promise<{ site: Site; notices: string[] }> {
  const examined = await examine(options)
  throwProblems(describeFound(examined))
  const { draft, environment, name, kubeconfig, git, notices } = examined
  const values = draft.values as Values // nothing was wrong, so what is required is there
  const { chartsMirror } = examined
  const known = { environment, file: name, kubeconfig, git, ...(chartsMirror === undefined ? {} : { chartsMirror }) }
  return { site: build(values, known, options.overrides ?? {}), notices }
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
    networkPolicies: values.NETWORK_POLICIES,
    storagePath: values.STORAGE_PATH,
    timezone: values.TIMEZONE,
    alerts: alerts(values),
    watched: {
      proxmoxHosts: (values.PROXMOX_HOSTS ?? []).map(formatAddress),
      ...(values.RANCHER_METRICS_TOKEN ? { rancherToken: new Secret(values.RANCHER_METRICS_TOKEN) } : {}),
    },
    git: { path: values.GIT_PATH ?? `gitops/environments/${found.environment}`, ...found.git, ...overrides.git },
    ...(overrides.s3 ? { s3: overrides.s3 } : s3(values)),
    ...proxmox(values),
    ...(values.AGE_RECIPIENT ? { ageRecipients: values.AGE_RECIPIENT.split(',').map(one => one.trim()) } : {}),
    ...(values.AGE_IDENTITY_FILE ? { ageIdentityFile: values.AGE_IDENTITY_FILE } : {}),
    ...(overrides.sandbox ? { sandbox: overrides.sandbox } : {}),
  }
}

// The rules have made sure that a server comes with its key.
function s3(values: Values): Pick<Site, 's3'> {
  const { S3_ENDPOINT: endpoint, S3_BUCKET: bucket, S3_REGION: region, S3_ACCESS_KEY: accessKey = '' } = values
  if (endpoint === undefined) return {}
  return { s3: { endpoint, bucket, region, accessKey, secretKey: new Secret(values.S3_SECRET_KEY ?? '') } }
}

// The rules have made sure that the three come together.
function proxmox(values: Values): Pick<Site, 'proxmox'> {
  const { PROXMOX_URL: url, PROXMOX_TOKEN_ID: tokenId = '', PROXMOX_FINGERPRINT: fingerprint } = values
  if (url === undefined) return {}
  const tokenSecret = new Secret(values.PROXMOX_TOKEN_SECRET ?? '')
  return { proxmox: { url, tokenId, tokenSecret, ...(fingerprint === undefined ? {} : { fingerprint }) } }
}

// The rules have made sure that what goes together is there together.
function alerts(values: Values): Alerts {
  const { ALERT_EMAIL: to, ALERT_NTFY_URL: ntfy, ALERT_TELEGRAM_TOKEN: bot } = values
  const { ALERT_WEBHOOK_URL: webhook, ALERT_DEADMAN_URL: deadman } = values
  const { ALERT_SMTP_USERNAME: username, ALERT_SMTP_PASSWORD: password } = values
  const login = username && password ? { login: { username, password: new Secret(password) } } : {}
  return {
    ...(to ? { email: { to, from: values.ALERT_SMTP_FROM ?? to, server: values.ALERT_SMTP ?? '', ...login } } : {}),
    ...(ntfy
      ? {
          ntfy: {
            url: new Secret(ntfy),
            ...(values.ALERT_NTFY_TOKEN ? { token: new Secret(values.ALERT_NTFY_TOKEN) } : {}),
          },
        }
      : {}),
    ...(bot ? { telegram: { token: new Secret(bot), chat: Number(values.ALERT_TELEGRAM_CHAT) } } : {}),
    ...(webhook ? { webhook: { url: new Secret(webhook) } } : {}),
    ...(deadman ? { deadman: { url: new Secret(deadman) } } : {}),
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
