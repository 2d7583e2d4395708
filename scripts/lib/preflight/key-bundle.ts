// Is there a bundle of the lab's keys, and does it hold all of them? Without one, a lost cluster takes every sealed file along.
import type { Cluster } from '../cluster.ts'
import { mapAt, timeAt } from '../k8s.ts'
import { record } from '../sealing/bundle.ts'
import { keySecrets } from '../sealing/keys.ts'
import { type Check, unknown, warning, well } from './check.ts'

export interface SealingFacts {
  /** Names of the sealing keys. */
  keys: readonly string[]
  /** What make backup-keys noted in the cluster. */
  bundle?: { made: number; keys: readonly string[] }
}

/** Days after which a bundle is made anew: passwords and .env have changed since. */
const fresh = 180
const day = 86_400_000

/** Names only: no key is read for it. */
export async function readSealing(cluster: Cluster): Promise<SealingFacts> {
  const [keys, noted] = await Promise.all([
    cluster.list('secrets', { ...keySecrets, metadataOnly: true }),
    cluster.find(`configmap/${record.namespace}/${record.name}`),
  ])
  const names = keys.map(({ metadata }) => metadata.name).sort()
  const made = timeAt(noted, 'data', 'made')
  if (made === undefined) return { keys: names }
  return { keys: names, bundle: { made, keys: (mapAt(noted, 'data').keys ?? '').split(',') } }
}

export const keyBundle: Check = {
  id: 'cluster.key-bundle',
  title: 'Key bundle',
  look({ sealing, now, site }) {
    if ('unknown' in sealing) return unknown(`which sealing keys there are: ${sealing.unknown}`)
    const { keys, bundle } = sealing.value
    if (site.sandbox || !keys.length) return well(keys.length ? 'a rehearsal needs none' : 'no sealing key yet')
    const fix = 'make backup-keys, and a copy off this computer'
    if (!bundle)
      return warning({
        what: 'there is no bundle of the lab’s keys',
        why: 'if the cluster is lost, nobody opens the sealed files in Git again',
        fix,
      })
    const missing = keys.filter(key => !bundle.keys.includes(key))
    if (missing.length)
      return warning({
        what: `the bundle is older than the sealing key ${missing.join(', ')}`,
        why: 'what is sealed now would not open with it',
        fix,
      })
    const days = Math.floor((now - bundle.made) / day)
    if (days > fresh)
      return warning({ what: `the bundle is ${days} days old`, why: 'passwords and .env may have changed since', fix })
    return well(`${days} days old, all ${keys.length} keys`)
  },
}
