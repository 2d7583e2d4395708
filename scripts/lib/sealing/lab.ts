// The cluster of a command that handles keys: the right one, and closed again whatever happens.
import { Cluster } from '../cluster.ts'
import type { Values } from '../command.ts'
import { readOnlySite, refuseOther } from '../site/choose.ts'
import type { Site } from '../site/site.ts'

export interface Lab {
  site: Site
  cluster: Cluster
}

/** @throws HomelabError (exit 3) when it is another cluster than the one in .env */
export async function withLab<T>(values: Values, use: (lab: Lab) => Promise<T>): Promise<T> {
  const site = await readOnlySite(values)
  const cluster = new Cluster(site, 3)
  try {
    return await use({ site, cluster })
  } finally {
    await cluster.close()
  }
}

/** Before the first question about its Secrets. */
export async function rightCluster({ site, cluster }: Lab): Promise<void> {
  refuseOther(site, (await cluster.find('namespace/kube-system'))?.metadata.uid)
}
