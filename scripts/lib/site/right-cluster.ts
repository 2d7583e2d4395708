// The cluster that .env means: opened for a command and closed at its end, and refused when it is another one.
import { Cluster } from '../cluster.ts'
import { exit, HomelabError } from '../errors.ts'
import { refuseOther } from './choose.ts'
import type { Site } from './site.ts'

/**
 * One question, before the first one that matters.
 * @throws HomelabError (exit 3) when it is another cluster than the one in .env
 */
export async function requireRight(cluster: Cluster, site: Site): Promise<void> {
  refuseOther(site, (await cluster.find('namespace/kube-system'))?.metadata.uid)
}

/**
 * Opens the cluster for a command.
 * @param patience seconds: little, because who asks wants to hear now that nobody answers
 * @throws HomelabError (exit 2) when it cannot be read, (exit 3) when it is another one than in .env
 */
export async function withCluster<T>(site: Site, use: (cluster: Cluster) => Promise<T>, patience = 2): Promise<T> {
  const cluster = new Cluster(site, patience)
  try {
    await requireRight(cluster, site).catch((error: unknown) => {
      if (!(error instanceof HomelabError) || error.code === exit.refused) throw error
      throw new HomelabError({ ...error, what: 'the cluster cannot be read', code: exit.usage })
    })
    return await use(cluster)
  } finally {
    await cluster.close()
  }
}
