// What the checks look at: one set of facts, read side by side in a second or two. Nothing is written: access reviews
// and dry runs are questions in the form of a write.
import type { Chart } from '../charts.ts'
import type { Cluster } from '../cluster.ts'
import { exit, HomelabError } from '../errors.ts'
import { oneLine } from '../health/judged.ts'
import { Snapshot } from '../health/snapshot.ts'
import { type K8sObject, textAt } from '../k8s.ts'
import { askRepository, type RepositoryAnswer } from '../site/remote.ts'
import type { Site } from '../site/site.ts'
import { type Access, accessProblems, readAccess } from './access.ts'
import { readSealing, type SealingFacts } from './key-bundle.ts'
import { kubeVersionOf } from './kube-version.ts'
import { type Machine, readMachine } from './machine.ts'
import { type NeededPod, neededPods } from './needs.ts'
import { type Component, chosen } from './ours.ts'
import { missingRights } from './rights.ts'
import { readSiteFile, type SiteFileFacts } from './site-file.ts'

/** What could be read, or why it could not. */
export type Known<T> = { value: T } | { unknown: string }

export interface ChartFact {
  step: string
  name: string
  version: string
  /** `kubeVersion` of its Chart.yaml; undefined when it has none. */
  constraint: string | undefined
}

export interface Facts {
  site: Site
  /** The steps that are to run: `04-traefik`. */
  steps: readonly string[]
  /** Milliseconds since 1970, by this machine's clock. */
  now: number
  kubectl: Known<string>
  helm: Known<string>
  /** `v1.36.3` */
  kubernetes: string
  /** Of kube-system, by which a cluster is known. */
  uid: Known<string>
  /** The API server's clock less this machine's, in milliseconds, right to about a second. */
  ahead: Known<number>
  /** What the API server says of itself: `ok`, or what fails. */
  readyz: string
  access: Access
  rights: Known<readonly string[]>
  objects: Snapshot
  /** By kind: why it could not be read. */
  unread: ReadonlyMap<string, string>
  charts: readonly Known<ChartFact>[]
  pods: readonly NeededPod[]
  /** The answer of each namespace that needs the Pod Security level `privileged`: undefined when it was admitted. */
  admission: ReadonlyMap<string, string | undefined>
  /** The sealing keys, and what the bundle holds of them. */
  sealing: Known<SealingFacts>
  /** Not in a rehearsal, whose network is made up. */
  machine: Machine | undefined
  /** Only where step 07 is to run, and on a real cluster: a rehearsal follows no repository. */
  repository: RepositoryAnswer | undefined
  /** The same, and where .env names no folder of the owner's own. */
  siteFile: SiteFileFacts | undefined
}

// Spelled with their groups: another CRD of the same name changes nothing.
const kinds: Record<string, string> = {
  Node: 'nodes',
  Pod: 'pods',
  Namespace: 'namespaces',
  Service: 'services',
  EndpointSlice: 'endpointslices.discovery.k8s.io',
  Lease: 'leases.coordination.k8s.io',
  Deployment: 'deployments.apps',
  DaemonSet: 'daemonsets.apps',
  StatefulSet: 'statefulsets.apps',
  StorageClass: 'storageclasses.storage.k8s.io',
  IngressClass: 'ingressclasses.networking.k8s.io',
  ServiceCIDR: 'servicecidrs.networking.k8s.io',
  ResourceQuota: 'resourcequotas',
  CustomResourceDefinition: 'customresourcedefinitions.apiextensions.k8s.io',
  ValidatingWebhookConfiguration: 'validatingwebhookconfigurations.admissionregistration.k8s.io',
  MutatingWebhookConfiguration: 'mutatingwebhookconfigurations.admissionregistration.k8s.io',
  APIService: 'apiservices.apiregistration.k8s.io',
  // These only where somebody serves them.
  IPAddressPool: 'ipaddresspools.metallb.io',
  CiliumLoadBalancerIPPool: 'ciliumloadbalancerippools.cilium.io',
  HelmChart: 'helmcharts.helm.cattle.io',
  Application: 'applications.argoproj.io',
}

export interface Sources {
  site: Site
  cluster: Cluster
  steps: readonly string[]
  helm: () => Promise<string>
  /** A chart of the ones that are pinned. @throws when it cannot be had */
  chart: (name: string) => Promise<Chart>
}

/** Longer than any API server needs, short enough that a webhook which hangs does not hold up the report. Seconds. */
const questionTime = 1.5

/** Charts may have to be pulled first; after this long (milliseconds) the run goes on without having looked into them. */
const chartTime = 15_000

/**
 * Reads everything.
 * @throws HomelabError when the API server does not answer
 */
export async function readFacts({ site, cluster, steps, helm, chart }: Sources): Promise<Facts> {
  const ours = chosen({ steps, site })
  const follows = !site.sandbox && steps.includes('07-argocd')
  // What this machine knows by itself is read while the way to the cluster opens.
  const local = Promise.all([
    // A rehearsal brings its own programs: to ask them would be the longest part of it.
    known(site.sandbox ? Promise.resolve("the sandbox's own") : kubectlVersion(cluster)),
    known(site.sandbox ? Promise.resolve("v4, the sandbox's own") : helm()),
    readAccess(site.kubeconfig, site.context),
    site.sandbox ? undefined : readMachine(),
    follows ? askRepository(site, 'argocd') : undefined,
    follows ? readSiteFile(site) : undefined,
    Promise.all(ours.filter(one => one.chart).map(one => known(within(chartTime, chartFact(one, chart))))),
  ])
  local.catch(() => {}) // the cluster's own failure is thrown first
  // Alone, so that a cluster which is down is said once; and with what the kubeconfig itself says about that.
  const version = await cluster.raw('/version').catch(async (error: unknown) => {
    if (!(error instanceof HomelabError) || site.sandbox) throw error
    const others = accessProblems(await readAccess(site.kubeconfig, site.context), Date.now())
    throw new HomelabError({ ...error, others, code: exit.usage }) // nothing was written
  })
  const unread = new Map<string, string>()
  const list = async (kind: string, name: string): Promise<K8sObject[]> => {
    try {
      return await cluster.list(name, kind === 'Lease' ? { namespace: 'kube-node-lease' } : {})
    } catch (error) {
      unread.set(kind, oneLine(`${name} could not be read: ${wordsOf(error)}`))
      return []
    }
  }
  const [uid, proxy, clock, rights, sealing, admission, ...lists] = await Promise.all([
    known(readUid(cluster)),
    cluster.find('configmap/kube-system/kube-proxy').catch(() => undefined),
    readClock(cluster),
    known(missingRights(cluster)),
    known(readSealing(cluster)),
    Promise.all(ours.filter(one => one.privileged).map(one => admitted(cluster, one.namespace))),
    ...Object.entries(kinds).map(([kind, name]) => list(kind, name)),
  ])
  const [kubectl, helmVersion, access, machine, repository, siteFile, charts] = await local
  const now = Date.now()
  const objects = new Snapshot([...lists.flat(), ...(proxy ? [proxy] : [])], {
    now: new Date(now),
    known: Object.keys(kinds).filter(kind => !unread.has(kind)),
  })
  return {
    site,
    steps,
    now,
    kubectl,
    helm: helmVersion,
    kubernetes: textAt(JSON.parse(version), 'gitVersion') ?? 'unknown',
    uid,
    ...clock,
    access,
    rights,
    objects,
    unread,
    charts,
    pods: neededPods(ours, objects),
    admission: new Map(admission),
    sealing,
    machine,
    repository,
    siteFile,
  }
}

async function readUid(cluster: Cluster): Promise<string> {
  const uid = (await cluster.find('namespace/kube-system'))?.metadata.uid
  if (uid === undefined) throw new Error('there is no namespace kube-system')
  return uid
}

async function kubectlVersion(cluster: Cluster): Promise<string> {
  const ran = await cluster.kubectl(['version', '--client', '--output=json'], { timeout: 10 })
  return textAt(JSON.parse(ran.stdout), 'clientVersion', 'gitVersion') ?? ''
}

async function chartFact(component: Component, chart: Sources['chart']): Promise<ChartFact> {
  const found = await chart(component.chart ?? '')
  return {
    step: component.step,
    name: component.name,
    version: found.version,
    constraint: kubeVersionOf(found.path),
  }
}

/** Its clock and its own word on its health, in one request. */
async function readClock(cluster: Cluster): Promise<Pick<Facts, 'ahead' | 'readyz'>> {
  const asked = Date.now()
  const answer = await cluster.api.ask('/readyz?verbose', { accept: '*/*', timeout: questionTime })
  const middle = (asked + Date.now()) / 2
  const failing = answer.stderr.match(/\[-\]\S+/g)?.map(one => one.slice(3)) ?? []
  return {
    // The header has whole seconds: on average it is half a second behind.
    ahead: answer.date === undefined ? { unknown: 'it sends no date' } : { value: answer.date + 500 - middle },
    readyz: answer.code === 0 ? 'ok' : failing.join(', ') || oneLine(answer.stderr),
  }
}

/** Whether a namespace with the level `privileged` would be let in, by a dry run of the very object. */
async function admitted(cluster: Cluster, name: string): Promise<[string, string | undefined]> {
  const query = new URLSearchParams({ fieldManager: 'homelab-doctor', force: 'true', dryRun: 'All' })
  const labels = { 'pod-security.kubernetes.io/enforce': 'privileged' }
  const answer = await cluster.api.ask(`/api/v1/namespaces/${name}?${query}`, {
    method: 'PATCH',
    contentType: 'application/apply-patch+yaml',
    body: JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }),
    timeout: questionTime,
  })
  return [name, answer.code === 0 ? undefined : oneLine(answer.stderr)]
}

async function known<T>(asking: Promise<T>): Promise<Known<T>> {
  try {
    return { value: await asking }
  } catch (error) {
    return { unknown: oneLine(wordsOf(error)) }
  }
}

function within<T>(milliseconds: number, asking: Promise<T>): Promise<T> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`not there after ${milliseconds / 1000} s`)), milliseconds).unref()
  })
  return Promise.race([asking, late])
}

function wordsOf(error: unknown): string {
  const { what, why, message } = error as { what?: string; why?: string; message?: string }
  return why ?? what ?? message ?? String(error)
}
