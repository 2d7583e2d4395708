// Reads what a summary needs, side by side; pods and events only where something is unwell.
import { Cluster } from '../cluster.ts'
import { exit, HomelabError } from '../errors.ts'
import { condition } from '../k8s.ts'
import { refuseOther } from '../site/choose.ts'
import type { Site } from '../site/site.ts'
import type { Row } from './component.ts'
import { kinds, releasesOf, summarise, troubled } from './summary.ts'

// Spelled with their groups, so that kubectl need not guess and another CRD of the same name changes nothing.
const core = [
  ...['namespaces', 'nodes', 'services', 'persistentvolumeclaims', 'storageclasses.storage.k8s.io'],
  ...['deployments.apps', 'statefulsets.apps', 'daemonsets.apps', 'ingresses.networking.k8s.io'],
]
const custom = [
  ...['ipaddresspools.metallb.io', 'clusterissuers.cert-manager.io', 'certificates.cert-manager.io'],
  ...['applications.argoproj.io', 'backupstoragelocations.velero.io', 'backups.velero.io'],
]

/**
 * The rows of a cluster.
 * @throws HomelabError (exit 2) when it cannot be reached, (exit 3) when it is another cluster than the one in .env
 */
export async function readSummary(site: Site): Promise<Row[]> {
  // Little patience: who asks for the status wants to hear now that nobody answers.
  const cluster = new Cluster(site, 2)
  try {
    return await read(cluster, site)
  } catch (error) {
    if (!(error instanceof HomelabError) || error.code !== exit.failed) throw error
    throw new HomelabError({ ...error, what: 'the cluster cannot be read', code: exit.usage })
  } finally {
    await cluster.close()
  }
}

async function read(cluster: Cluster, site: Site): Promise<Row[]> {
  const [objects, records] = await Promise.all([
    cluster.list([...core, ...custom].join(',')),
    // Of a record its labels are all that is wanted: its data is some hundred kilobytes.
    cluster.list('secrets', { labels: 'owner=helm', metadataOnly: true }),
  ])
  refuseOther(
    site,
    objects.find(({ kind, metadata }) => kind === 'Namespace' && metadata.name === 'kube-system')?.metadata.uid,
  )
  const now = new Date()
  // Pods by the thousand are not read in a cluster that is well: their workloads count them.
  const namespaces = troubled(objects, now)
  const closer = (await Promise.all(namespaces.map(namespace => cluster.list('pods,events', { namespace })))).flat()
  // Where a pod does not fit, how much is missing shows only with all pods.
  const short = closer.some(pod => /Insufficient/.test(condition(pod, 'PodScheduled')?.message ?? ''))
  const pods = short ? await cluster.list('pods') : closer.filter(object => object.kind === 'Pod')
  const events = closer.filter(object => object.kind === 'Event')
  return summarise(
    [...objects, ...pods, ...events],
    releasesOf(records),
    { ...site, rehearsal: site.sandbox !== undefined },
    {
      now,
      known: short ? [...kinds, 'Pod'] : kinds,
    },
  )
}
