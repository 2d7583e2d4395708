// Everything that the platform puts into a cluster, rendered with a sample site: what the checks in this folder look at.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { findChart, pins } from '../../scripts/lib/charts.ts'
import { fileText, readManifest, readValues, type Vars } from '../../scripts/lib/fill.ts'
import { sourcesOf } from '../../scripts/lib/gitops/application.ts'
import { type K8sObject, textAt } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import { ensurePrograms } from '../../scripts/lib/sandbox/programs.ts'
import { parseManifest } from '../../scripts/lib/yaml/manifest.ts'
import { temporaryFolder } from '../temporary.ts'

/** helm, kubectl and the two real charts at hand; built when they are not there yet, with the progress on stderr. */
export const programs = await ensurePrograms(line => process.stderr.write(`${line}\n`))

/** The folder with upstream's schemas, where it lies beside the checkout. */
export const schemas = join(root, '../shared/schemas')
export const withoutSchemas = existsSync(schemas) ? false : '../shared/schemas is not beside this checkout'

/** The names that YAML files may use, as site.ts and the steps give them. */
export const sample: Vars = {
  domain: 'lab.home.arpa',
  environment: 'dev',
  metallbPool: '192.168.77.200-192.168.77.220',
  sshKnownHosts: '',
  metallbFixed: ['192.168.77.200/32', '192.168.77.201/32', '192.168.77.202/32'],
  metallbFree: ['192.168.77.203-192.168.77.220'],
  traefikAddress: '192.168.77.200',
  adguardAddress1: '192.168.77.201',
  adguardAddress2: '192.168.77.202',
  dnsUpstreams: ['9.9.9.9', '1.1.1.1'],
  issuerName: 'internal-ca',
  acmeEmail: 'owner@lab.home.arpa',
  storagePath: '/var/lib/homelab/volumes',
  gitRepository: 'https://git.lab.home.arpa/owner/homelab.git',
  gitRevision: 'main',
  gitPath: 'gitops/environments/dev',
  timezone: 'Europe/Berlin',
  privateCA: true,
  nameserver: '192.168.77.5:53',
  tsigKeyName: 'homelab',
  tsigAlgorithm: 'HMACSHA256',
}

/** The releases: component folder, chart, namespace, release. */
export const releases = [
  { component: 'metallb', chart: 'metallb', namespace: 'metallb-system', release: 'metallb' },
  { component: 'traefik', chart: 'traefik', namespace: 'traefik', release: 'traefik' },
  { component: 'cert-manager', chart: 'cert-manager', namespace: 'cert-manager', release: 'cert-manager' },
  { component: 'rancher', chart: 'rancher', namespace: 'cattle-system', release: 'rancher' },
  { component: 'argocd', chart: 'argo-cd', namespace: 'argocd', release: 'argocd' },
] as const

export type Release = (typeof releases)[number]

const platform = join(root, 'infrastructure/platform')

/** The values that a release is installed with. */
export const valuesOf = ({ component }: Release): Record<string, unknown> =>
  readValues(join(platform, component, 'values.yaml'), sample)

/** The seed configuration of AdGuard Home as the step fills it. */
export const adguardSeed = (): string => fileText(join(platform, 'adguard/AdGuardHome.yaml'), sample)

/** Our own manifests of all components. Of the ACME issuers all are there, of which a site uses one file at most. */
export function platformManifests(): K8sObject[] {
  const vars = { ...sample, adguardSeed: adguardSeed() }
  const notManifests = new Set(['values.yaml', 'AdGuardHome.yaml'])
  return readdirSync(platform).flatMap(component =>
    readdirSync(join(platform, component))
      .filter(file => file.endsWith('.yaml') && !notManifests.has(file))
      .flatMap(file => readManifest(join(platform, component, file), vars)),
  )
}

/** A folder of gitops/ as Kustomize builds it. */
export function kustomized(folder: string, namespace?: string): K8sObject[] {
  const objects = once(['folder', folder], () => parseManifest(kustomizedText(folder)))
  return namespace ? objects.map(object => inNamespace(object, namespace)) : objects
}

/** The same as text. @param top another repository than this one */
export const kustomizedText = (folder: string, top = root): string => run('kubectl', ['kustomize', join(top, folder)])

/** The applications of an environment whose owner has taken the lines away that say what it does without. */
export const withEverything = (environment: string): K8sObject[] =>
  once(['environment', environment], () => buildEverything(environment))

function buildEverything(environment: string): K8sObject[] {
  const top = temporaryFolder('everything')
  cpSync(join(root, 'gitops'), join(top, 'gitops'), { recursive: true })
  const file = join(top, 'gitops/environments', environment, 'kustomization.yaml')
  writeFileSync(file, readFileSync(file, 'utf8').replace(/^ *- \.\.\/without\/.*\n/gm, ''))
  return parseManifest(kustomizedText(`gitops/environments/${environment}`, top))
}

/** A folder as Argo CD reads it: with Kustomize where that has a file there, else every manifest as it is. */
function folder(path: string, namespace?: string): K8sObject[] {
  if (existsSync(join(root, path, 'kustomization.yaml'))) return kustomized(path, namespace)
  const files = readdirSync(join(root, path)).filter(file => file.endsWith('.yaml'))
  return files.flatMap(file => parseManifest(readFileSync(join(root, path, file), 'utf8')))
}

/** The applications' own objects, by Application: those whose files are in this repository. */
export function applicationManifests(): K8sObject[] {
  const applications = kustomized('gitops/applications')
  const own = applications.flatMap(application =>
    sourcesOf(application).flatMap(({ path }) =>
      path ? folder(path, textAt(application.spec, 'destination', 'namespace')) : [],
    ),
  )
  return [...readManifest(join(root, 'gitops/bootstrap/applications.yaml'), sample), ...applications, ...own]
}

/** A release as Helm would install it without a network: from a stand-in, or the real chart where its module brings it. CRDs left out. */
export async function rendered(release: Release): Promise<K8sObject[]> {
  const chart = await findChart(release.chart, {
    helm: programs.paths.helm,
    source: 'stand-in',
    packaged: async () => programs.charts,
  })
  return render(chart.path, release, valuesOf(release), /^kind: CustomResourceDefinition$/m)
}

/**
 * A chart rendered for the sandbox's Kubernetes.
 * @param kinds API versions that the cluster serves besides Kubernetes' own
 * @throws what helm says, when it refuses
 */
export function render(
  path: string,
  { release, namespace }: { release: string; namespace: string },
  values: Record<string, unknown>,
  skip?: RegExp,
  kinds: readonly string[] = [],
): K8sObject[] {
  // Charts ask for these two by name, and write older ones for a cluster without them; Argo CD says what the cluster has.
  const own = ['policy/v1/PodDisruptionBudget', 'networking.k8s.io/v1/Ingress']
  const known = [...own, ...kinds].flatMap(kind => ['--api-versions', kind])
  const kubernetes = ['--kube-version', programs.kubernetesVersion, ...known]
  const args = ['template', release, path, '-n', namespace, '--include-crds', ...kubernetes, '-f', '-']
  const input = JSON.stringify(values)
  return once([args, input, skip?.source], () =>
    parseManifest(run('helm', args, input), skip).map(object => inNamespace(object, namespace)),
  )
}

const known = new Map<string, unknown>()

/** Made once in this process: many checks look at the same. Each gets a copy, which it may change. */
function once<T>(what: readonly unknown[], make: () => T): T {
  const key = JSON.stringify(what)
  if (!known.has(key)) known.set(key, make())
  return structuredClone(known.get(key)) as T
}

/** Runs one of the programs with a home of its own. @throws Error with what it wrote to stderr */
export function run(program: 'helm' | 'kubectl' | 'adguardhome', args: readonly string[], input = ''): string {
  const home = mkdtempSync(join(tmpdir(), 'homelab-manifests-'))
  try {
    return execFileSync(programs.paths[program], args, {
      input,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
      timeout: 60_000,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, HOME: home, HELM_CACHE_HOME: home, HELM_CONFIG_HOME: home, HELM_DATA_HOME: home },
    })
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
}

/** The version that charts.yaml pins. */
export const pinned = (chart: string): string => pins()[chart]?.version ?? ''

/** The recorded inventory of a real chart. */
export function recorded(chart: string): { version: string; objects: { kind: string; name: string }[] } {
  return parse(readFileSync(join(root, 'tests/fixtures/inventories', `${chart}.yaml`), 'utf8'))
}

const clusterWide =
  /^(Namespace|ClusterRole|ClusterRoleBinding|CustomResourceDefinition|.*WebhookConfiguration|StorageClass|IngressClass|PriorityClass|ClusterIssuer)$/

function inNamespace(object: K8sObject, namespace: string): K8sObject {
  if (clusterWide.test(object.kind) || object.metadata.namespace) return object
  return { ...object, metadata: { ...object.metadata, namespace } }
}
