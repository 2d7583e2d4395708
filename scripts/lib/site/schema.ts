// Every key of .env: the single source of validation, types, .env.example and CONFIGURATION.md.
import * as v from 'valibot'
import { gitPath, gitRepository, gitRevision } from './git-address.ts'
import { type About, optional, preset, required, separator } from './key.ts'
import type { Flaw } from './network.ts'
import * as readProxmox from './proxmox-values.ts'
import * as read from './values.ts'

const uid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const base64 = /^(?=.{8})(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const keyName = /^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$/

export const schema = v.strictObject({
  DOMAIN: required(
    {
      group: 'required',
      about: 'The lab’s domain, under which everything is served',
      example: 'lab.home.arpa',
    },
    read.domain,
  ),
  METALLB_POOL: required(
    {
      group: 'required',
      about: 'Three or more free addresses of your network, outside the DHCP range',
      example: '192.168.1.200-192.168.1.220',
    },
    read.lanRange,
  ),
  KUBE_CONTEXT: optional(
    {
      group: 'required',
      about: 'The cluster’s context, from kubectl config get-contexts',
      example: 'homelab',
      otherwise: 'the cluster is shown and asked for once',
    },
    read.oneLine,
  ),

  KUBECONFIG: optional(
    {
      group: 'cluster',
      about: 'The kubeconfig file',
      example: '~/.kube/homelab',
      otherwise: '$KUBECONFIG, else ~/.kube/config',
    },
    read.localFile,
  ),
  CLUSTER_UID: optional(
    {
      group: 'cluster',
      about: 'UID of the cluster’s kube-system namespace: another cluster is refused',
      example: '7f0c2b1e-5a3d-4c55-9a0e-2d4b8f6c1a90',
      otherwise: 'written here when you confirm the cluster',
    },
    read.matching(uid, 'a UID', "kubectl get namespace kube-system -o jsonpath='{.metadata.uid}'"),
  ),

  TRAEFIK_IP: optional(
    {
      group: 'network',
      about: 'Traefik’s address, to which every name of the domain leads',
      example: '192.168.1.200',
      otherwise: 'the first free address of the pool',
    },
    read.lanAddress,
  ),
  ADGUARD_IPS: optional(
    {
      group: 'network',
      about: 'The addresses of the two DNS servers, which your router hands out',
      example: '192.168.1.201,192.168.1.202',
      otherwise: 'the next two free addresses of the pool',
    },
    read.addressPair,
  ),
  GATEWAY_IP: optional(
    { group: 'network', about: 'Your router’s address: the pool must not contain it', example: '192.168.1.1' },
    read.lanAddress,
  ),
  DHCP_RANGE: optional(
    {
      group: 'network',
      about: 'Your router’s DHCP range: the pool must not overlap it',
      example: '192.168.1.50-192.168.1.150',
    },
    read.lanRange,
  ),
  DNS_UPSTREAMS: preset(
    {
      group: 'network',
      about: 'The DNS servers that AdGuard Home asks, by address',
      example: '9.9.9.9,1.1.1.1',
      default: '9.9.9.9,1.1.1.1',
    },
    read.dnsServers,
  ),

  TLS_ISSUER: preset(
    {
      group: 'certificates',
      about: 'Who signs the certificates: internal-ca, letsencrypt-staging or letsencrypt',
      example: 'letsencrypt-staging',
      default: 'internal-ca',
    },
    read.oneOf(['internal-ca', 'letsencrypt-staging', 'letsencrypt']),
  ),
  ACME_EMAIL: optional(
    {
      group: 'certificates',
      about: 'Let’s Encrypt writes here when something is wrong',
      example: 'you@your-provider.net',
    },
    read.acmeEmail,
  ),
  DNS_PROVIDER: preset(
    {
      group: 'certificates',
      about: 'Who serves the domain, for the DNS-01 proof: none, cloudflare, rfc2136 or digitalocean',
      example: 'cloudflare',
      default: 'none',
    },
    read.oneOf(['none', 'cloudflare', 'rfc2136', 'digitalocean']),
  ),
  CLOUDFLARE_API_TOKEN: optional(
    {
      group: 'certificates',
      about: 'A token with Zone:Read and DNS:Edit for the domain’s zone, not the global key',
      example: '40 characters',
      secret: true,
    },
    read.cloudflareToken,
  ),
  RFC2136_NAMESERVER: optional(
    {
      group: 'certificates',
      about: 'The server that takes DNS updates, with :port if it is not 53',
      example: '192.168.1.53',
    },
    read.nameserver,
  ),
  RFC2136_TSIG_KEY_NAME: optional(
    { group: 'certificates', about: 'The name of the TSIG key', example: 'homelab-acme' },
    read.matching(keyName, 'the name of a TSIG key', 'copy it from the server’s key file'),
  ),
  RFC2136_TSIG_ALGORITHM: preset(
    {
      group: 'certificates',
      about: 'HMACSHA256, HMACSHA512, HMACSHA1 or HMACMD5',
      example: 'HMACSHA512',
      default: 'HMACSHA256',
    },
    read.tsigAlgorithm,
  ),
  RFC2136_TSIG_SECRET: optional(
    { group: 'certificates', about: 'The TSIG key itself, in base64', example: 'base64', secret: true },
    read.matching(base64, 'base64 of a TSIG key', 'copy the secret from the server’s key file, with its = at the end'),
  ),
  DIGITALOCEAN_TOKEN: optional(
    { group: 'certificates', about: 'A token with write access to domains', example: 'dop_v1_…', secret: true },
    read.matching(
      /^(do[op]_v1_)?[0-9a-f]{64}$/,
      'a DigitalOcean token (dop_v1_ and 64 digits)',
      'make one under API > Tokens',
    ),
  ),

  RANCHER: preset(
    { group: 'platform', about: 'Whether Rancher is installed: true or false', example: 'false', default: 'true' },
    read.onOff,
  ),
  NETWORK_POLICIES: preset(
    {
      group: 'platform',
      about: 'Whether namespaces are closed to each other but for what is needed: true or false',
      example: 'false',
      default: 'true',
    },
    read.onOff,
  ),
  STORAGE_PATH: preset(
    {
      group: 'platform',
      about: 'The folder on each node in which volumes lie',
      example: '/mnt/data/local-path-provisioner',
      default: '/opt/local-path-provisioner',
    },
    read.nodePath,
  ),
  TIMEZONE: preset(
    {
      group: 'platform',
      about: 'Time zone of logs and schedules, an IANA name',
      example: 'Europe/Berlin',
      default: 'Etc/UTC',
    },
    read.timezone,
  ),
  CHARTS_MIRROR: optional(
    {
      group: 'platform',
      about: 'A folder or address with the charts (make mirror), asked before their publishers',
      example: '/mnt/nas/homelab-mirror',
    },
    read.folderOrAddress,
  ),

  GIT_REPOSITORY: optional(
    {
      group: 'git',
      about: 'Your fork of this repository, as the cluster reaches it',
      example: 'https://github.com/you/homelab.git',
      otherwise: 'the checkout’s remote `origin`; its SSH form as https while no key is given',
    },
    gitRepository,
  ),
  GIT_REVISION: optional(
    {
      group: 'git',
      about: 'The branch, tag or commit that the cluster follows',
      example: 'main',
      otherwise: 'the branch that is checked out, else main',
    },
    gitRevision,
  ),
  GIT_PATH: optional(
    {
      group: 'git',
      about: 'The environment’s folder in the repository',
      example: 'gitops/environments/prod',
      otherwise: 'gitops/environments/ENV',
    },
    gitPath,
  ),
  GIT_USERNAME: optional(
    {
      group: 'git',
      about: 'User name that goes with GIT_TOKEN',
      example: 'you',
      otherwise: 'git, which GitHub and GitLab accept',
    },
    read.oneLine,
  ),
  GIT_TOKEN: optional(
    {
      group: 'git',
      about: 'Token or password for reading a private repository by https',
      example: 'github_pat_…',
      secret: true,
    },
    text => text,
  ),
  GIT_SSH_KEY_FILE: optional(
    {
      group: 'git',
      about: 'File of a deploy key without passphrase, for a private repository by SSH',
      example: '~/.ssh/homelab-deploy',
    },
    read.localFile,
  ),

  AGE_RECIPIENT: optional(
    {
      group: 'backups',
      about: 'Who can open the bundle of make backup-keys: public keys of age, with commas between',
      example: 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kudjhfz4s5lq8hv',
      otherwise: 'a passphrase is asked',
    },
    read.matching(/^age1[0-9a-z]+(\s*,\s*age1[0-9a-z]+)*$/, 'public keys of age', 'age-keygen prints one, age1…'),
  ),
  AGE_IDENTITY_FILE: optional(
    {
      group: 'backups',
      about: 'The file with the secret half, for make backup-keys CHECK=1 and make restore-keys',
      example: '/media/stick/homelab-identity.txt',
      otherwise: 'none, and the bundle is not looked into',
    },
    read.localFile,
  ),

  S3_ENDPOINT: optional(
    {
      group: 'backups',
      about: 'The S3 server for the backups, as the nodes reach it; not one that runs in this cluster',
      example: 'http://192.168.1.20:9000',
      otherwise: 'none, and nothing is backed up',
    },
    read.s3Endpoint,
  ),
  S3_BUCKET: preset(
    {
      group: 'backups',
      about: 'The bucket; it must exist. Each environment has a folder of its own in it',
      example: 'homelab-backups',
      default: 'homelab-backups',
    },
    read.s3Bucket,
  ),
  S3_REGION: preset(
    {
      group: 'backups',
      about: 'The server’s region; most servers at home take any, Garage wants garage',
      example: 'garage',
      default: 'us-east-1',
    },
    read.matching(/^[a-z0-9-]+$/, 'a region of S3', 'S3_REGION=us-east-1, or what the server’s settings say'),
  ),
  S3_ACCESS_KEY: optional(
    {
      group: 'backups',
      about: 'The name of a key that may read, write, list and delete in the bucket',
      example: 'homelab-velero',
    },
    read.s3Key,
  ),
  S3_SECRET_KEY: optional(
    { group: 'backups', about: 'The key itself', example: '40 characters', secret: true },
    read.s3Key,
  ),

  PROXMOX_URL: optional(
    {
      group: 'proxmox',
      about: 'A node of Proxmox VE, as this computer reaches it',
      example: 'https://192.168.1.10:8006',
    },
    readProxmox.url,
  ),
  PROXMOX_TOKEN_ID: optional(
    { group: 'proxmox', about: 'The ID of an API token that may set metric servers', example: 'homelab@pve!metrics' },
    readProxmox.tokenId,
  ),
  PROXMOX_TOKEN_SECRET: optional(
    { group: 'proxmox', about: 'Its secret, shown once when it is made', example: 'a UUID', secret: true },
    readProxmox.tokenSecret,
  ),
  PROXMOX_FINGERPRINT: optional(
    {
      group: 'proxmox',
      about: 'SHA-256 fingerprint of the node’s certificate: any other is refused',
      example: '64 hexadecimal digits',
      otherwise: 'written here when you confirm it at the first contact',
    },
    readProxmox.fingerprint,
  ),

  ALERT_EMAIL: optional(
    { group: 'monitoring', about: 'Alerts by e-mail: to this address', example: 'you@your-provider.net' },
    read.email,
  ),
  ALERT_SMTP: optional(
    {
      group: 'monitoring',
      about: 'The mail server that takes them, with its port',
      example: 'smtp.your-provider.net:587',
    },
    read.hostAndPort,
  ),
  ALERT_SMTP_FROM: optional(
    {
      group: 'monitoring',
      about: 'The sender’s address',
      example: 'lab@your-provider.net',
      otherwise: 'ALERT_EMAIL itself',
    },
    read.email,
  ),
  ALERT_SMTP_USERNAME: optional(
    { group: 'monitoring', about: 'The account on that server', example: 'you@your-provider.net' },
    read.oneLine,
  ),
  ALERT_SMTP_PASSWORD: optional(
    { group: 'monitoring', about: 'Its password, better one for applications only', example: 'password', secret: true },
    text => text,
  ),
  ALERT_NTFY_URL: optional(
    {
      group: 'monitoring',
      about: 'Alerts by ntfy: server and topic; who knows the topic reads along',
      example: 'https://ntfy.sh/a-topic-nobody-guesses',
      secret: true,
    },
    read.topicAddress,
  ),
  ALERT_NTFY_TOKEN: optional(
    { group: 'monitoring', about: 'Access token, where the topic asks for one', example: 'tk_…', secret: true },
    read.matching(
      /^tk_[A-Za-z0-9]{29}$/,
      'an ntfy token (tk_ and 29 characters)',
      'make one under Account > Access tokens',
    ),
  ),
  ALERT_TELEGRAM_TOKEN: optional(
    {
      group: 'monitoring',
      about: 'Alerts by Telegram: the token of your bot, from @BotFather',
      example: '123456789:AA…',
      secret: true,
    },
    read.matching(/^\d{6,12}:[A-Za-z0-9_-]{30,50}$/, 'a bot’s token', 'ask @BotFather for it: /mybots > API Token'),
  ),
  ALERT_TELEGRAM_CHAT: optional(
    { group: 'monitoring', about: 'The chat’s number; a group’s begins with a minus', example: '-1001234567890' },
    read.matching(
      /^-?\d{3,20}$/,
      'the number of a chat',
      'write to the bot, then look at /getUpdates: message.chat.id',
    ),
  ),
  ALERT_WEBHOOK_URL: optional(
    {
      group: 'monitoring',
      about: 'Alerts by webhook: as JSON to this address, such as Home Assistant’s',
      example: 'https://home.your-domain.net/api/webhook/…',
      secret: true,
    },
    read.webAddress,
  ),
  ALERT_DEADMAN_URL: optional(
    {
      group: 'monitoring',
      about: 'A watch outside the house, called every minute; it alerts when the calls stop',
      example: 'https://hc-ping.com/…',
      secret: true,
    },
    read.webAddress,
  ),
  PROXMOX_HOSTS: optional(
    {
      group: 'monitoring',
      about: 'The addresses of the Proxmox hosts that run the exporters',
      example: '192.168.1.11,192.168.1.12',
    },
    read.addressList,
  ),
  RANCHER_METRICS_TOKEN: optional(
    {
      group: 'monitoring',
      about: 'A token of Rancher’s API for its metrics; Rancher makes it under Account > API keys',
      example: 'token-…:…',
      secret: true,
    },
    read.matching(
      /^token-[a-z0-9]+:[a-z0-9]{40,80}$/,
      'a bearer token of Rancher (token-NAME:SECRET)',
      'copy the Bearer Token',
    ),
  ),
})

export type Key = keyof typeof schema.entries
/** Every key's value, as code uses it. */
export type Values = v.InferOutput<typeof schema>

export const keys = Object.keys(schema.entries) as Key[]

/** What the documentation says about a key. */
export function about(key: Key): About {
  const entry = schema.entries[key]
  return v.getMetadata('wrapped' in entry ? entry.wrapped : entry) as unknown as About
}

export const isRequired = (key: Key): boolean => !('wrapped' in schema.entries[key])

/** The keys whose values are never printed. */
export const secretKeys: ReadonlySet<string> = new Set(keys.filter(key => about(key).secret))

/**
 * One key's value.
 * @param text undefined when the key is absent
 */
export function readKey(key: Key, text: string | undefined): { value: unknown } | Flaw {
  const read = v.safeParse(schema.entries[key] as v.GenericSchema<unknown, unknown>, text)
  if (read.success) return { value: read.output }
  const [problem = '', fix = ''] = read.issues[0].message.split(separator)
  return { problem, fix }
}
