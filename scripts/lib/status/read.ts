// Reads what a summary needs: three kubectl calls side by side, and pods and events only where something is unwell.
import { Cluster, parseObjects } from '../cluster.ts'
import { exit, HomelabError } from '../errors.ts'
import { condition, type K8sObject } from '../k8s.ts'
import type { Site } from '../site/site.ts'
import { kinds, parseReleases, type Release, type Row, summarise, troubled } from './summary.ts'

// Spelled with their groups, so that kubectl need not guess and another CRD of the same name changes nothing.
const core = [
  ...['namespaces', 'nodes', 'services', 'persistentvolumeclaims', 'storageclasses.storage.k8s.io'],
  ...['deployments.apps', 'statefulsets.apps', 'daemonsets.apps', 'ingresses.networking.k8s.io'],
]
const custom = [
  ...['ipaddresspools.metallb.io', 'clusterissuers.cert-manager.io', 'certificates.cert-manager.io'],
  'applications.argoproj.io',
]

/**
 * The rows of a cluster.
 * @throws HomelabError (exit 2) when it cannot be reached, (exit 3) when it is another cluster than the one in .env
 */
export async function readSummary(site: Site): Promise<Row[]> {
  const cluster = new Cluster(site)
  const [objects, more, releases] = await Promise.all([readCore(cluster), readCustom(cluster), readReleases(cluster)])
  refuseOther(site, objects)
  const now = new Date()
  const all = [...objects, ...more]
  // Pods by the thousand are not read in a cluster that is well: their workloads count them.
  const namespaces = troubled(all, now)
  const closer = (await Promise.all(namespaces.map(namespace => cluster.get(['pods,events', '-n', namespace])))).flat()
  // Where a pod does not fit, how much is missing shows only with all pods.
  const short = closer.some(pod => /Insufficient/.test(condition(pod, 'PodScheduled')?.message ?? ''))
  const pods = short ? await cluster.get(['pods', '-A']) : closer.filter(object => object.kind === 'Pod')
  const events = closer.filter(object => object.kind === 'Event')
  return summarise(
    [...all, ...pods, ...events],
    releases,
    { ...site, rehearsal: site.sandbox !== undefined },
    {
      now,
      known: short ? [...kinds, 'Pod'] : kinds,
    },
  )
}

// Seconds. Not by Cluster.get, which goes on trying: who asks for the status wants to hear now that nobody answers.
const patience = { timeout: 5 }

async function readCore(cluster: Cluster): Promise<K8sObject[]> {
  const ran = await cluster.kubectl(['get', core.join(','), '-A', '-o', 'json'], patience)
  if (ran.code === 0) return parseObjects(ran.stdout)
  const { why, fix } = cluster.failure('reading the cluster', ran)
  throw new HomelabError({
    what: 'the cluster cannot be read',
    ...(why ? { why } : {}),
    ...(fix ? { fix } : {}),
    code: exit.usage,
  })
}

function refuseOther(site: Site, objects: readonly K8sObject[]): void {
  const uid = objects.find(object => object.kind === 'Namespace' && object.metadata.name === 'kube-system')?.metadata
    .uid
  if (site.sandbox || site.clusterUid === undefined || site.clusterUid === uid) return
  throw new HomelabError({
    what: `this is another cluster than the one in ${site.file}`,
    why: `the context ${site.context} has UID ${uid}, ${site.file} has CLUSTER_UID=${site.clusterUid}`,
    fix: `choose the right KUBE_CONTEXT in ${site.file}`,
    code: exit.refused,
  })
}

/** One call for all; kubectl refuses the whole when one kind is not there yet, then one call for each. */
async function readCustom(cluster: Cluster): Promise<K8sObject[]> {
  const read = (kinds: string) => cluster.kubectl(['get', kinds, '-A', '-o', 'json'], patience)
  const together = await read(custom.join(','))
  const answers = together.code === 0 ? [together] : await Promise.all(custom.map(read))
  return answers.flatMap(ran => (ran.code === 0 ? parseObjects(ran.stdout) : []))
}

/**
 * As a table, because of a table the API server sends each object's metadata only: the data of a release is some
 * hundred kilobytes, its labels are all that is wanted (https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables).
 */
async function readReleases(cluster: Cluster): Promise<Release[]> {
  const ran = await cluster.kubectl(
    ['get', 'secrets', '-A', '-l', 'owner=helm', '-L', 'name,status,version,modifiedAt', '--no-headers'],
    patience,
  )
  return ran.code === 0 ? parseReleases(ran.stdout) : []
}
