// The cluster of a command that handles keys: the right one, and closed again whatever happens.
import { Cluster } from '../cluster.ts'
import type { Values } from '../command.ts'
import { readOnlySite } from '../site/choose.ts'
import type { Site } from '../site/site.ts'

export interface Lab {
  site: Site
  cluster: Cluster
}

/** Without a question yet: sealing works offline too. Who asks the cluster begins with `requireRight`. */
export async function withLab<T>(values: Values, use: (lab: Lab) => Promise<T>): Promise<T> {
  const site = await readOnlySite(values)
  const cluster = new Cluster(site, 3)
  try {
    return await use({ site, cluster })
  } finally {
    await cluster.close()
  }
}
