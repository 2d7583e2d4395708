// Kinds that exist and that nobody serves.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from './cluster.ts'
import type { K8sObject } from './k8s.ts'

// A new kind is served within a second. What is asked while the API server comes up may be lost on it. Milliseconds.
const askEvery = 3000
// Longer than an API server needs to come back. One whose names another kind has is never served: then the cause is
// shown by what needs it.
const patience = 30_000

const mark = 'homelab/look-again'

/**
 * Waits until the API server serves every kind among the objects that were written. One that is killed between accepting
 * a kind's names and serving it leaves it so: after its restart it looks only at kinds that change, and otherwise every
 * five minutes (`updateCustomResourceDefinition` in k8s.io/apiextensions-apiserver). Controllers that need the kind stand
 * still for as long. A change that means nothing has it look at once. Goes on after half a minute in any case.
 * @param waiting told when one is not served as soon as it usually is
 */
export async function servedKinds(
  cluster: Cluster,
  objects: readonly K8sObject[],
  waiting: (what: string) => void,
): Promise<void> {
  const kinds = objects.filter(({ kind }) => kind === 'CustomResourceDefinition')
  const unserved = async () => {
    const found = await Promise.all(kinds.map(({ metadata: { name } }) => cluster.api.resourceNamed(name)))
    return kinds.filter((_, index) => !found[index])
  }
  const until = Date.now() + patience
  let due = Date.now() + askEvery
  for (let left = await unserved(); left.length && Date.now() < until; left = await unserved()) {
    if (Date.now() > due) {
      waiting(`the API server does not serve ${left[0]?.metadata.name}: it is asked to look again`)
      for (const kind of left)
        for (const value of ['now', null]) await cluster.patch(kind, { metadata: { annotations: { [mark]: value } } })
      due = Date.now() + askEvery
    }
    await sleep(100)
  }
}
