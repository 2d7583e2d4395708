// The cluster of a backup command: the one that .env means, closed when the command is through.
import { Cluster } from '../cluster.ts'
import { refuseOther } from '../site/choose.ts'
import type { Site } from '../site/site.ts'

/** @throws HomelabError (exit 3) when it is another cluster than the one in .env */
export async function withCluster<T>(site: Site, use: (cluster: Cluster) => Promise<T>): Promise<T> {
  const cluster = new Cluster(site, 5)
  try {
    refuseOther(site, (await cluster.find('namespace/kube-system'))?.metadata.uid)
    return await use(cluster)
  } finally {
    await cluster.close()
  }
}
