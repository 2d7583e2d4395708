// Takes one step off the cluster, in the order in which nothing is left without the one who would finish it.
import { HomelabError } from '../errors.ts'
import { at, condition, type K8sObject, nameOf, textAt } from '../k8s.ts'
import type { Run } from '../run.ts'
import { patienceFor } from '../wait.ts'
import { answerers, counted, orphans, type Removal } from './plan.ts'

// A namespace is gone within seconds unless a finalizer holds it. Seconds.
const patience = 120

/**
 * Can be killed at any moment and repeated: what is gone already counts as done.
 * @returns what is left to do once everything is deleted: to see it gone. The next step need not wait for that
 * @throws HomelabError naming what does not go, and why
 */
export async function remove(run: Run, removal: Removal): Promise<() => Promise<void>> {
  const { cluster, helm } = run
  const { step, notes } = removal.belongings
  const doing = (text: string) => {
    run.checkpoint()
    run.reporter.doing(step.id, text)
  }

  if (removal.objects.length) doing(`deleting ${counted(removal.objects)}`)
  for (const object of removal.objects) await cluster.delete(object) // one after the other: the last applied goes first
  for (const { namespace, name } of removal.releases) {
    doing(`uninstalling ${name}`)
    await helm.uninstall(namespace, name, Math.min(300, patienceFor(run.site)))
  }
  // While the provisioner still runs: it is the one that empties the disk.
  if (removal.volumes.length) {
    doing(`deleting ${counted(removal.volumes)}`)
    await Promise.all(removal.volumes.map(claim => cluster.delete(claim)))
    await gone(run, [...removal.volumes, ...removal.volumes.map(volumeOf)], doing)
  }
  // Their controller has gone, so a finalizer of theirs would never end.
  for (const object of removal.custom) if (object.metadata.finalizers?.length) await cluster.finalizers(object, [])
  for (const prefix of notes.finalizers) await dropFinalizers(run, prefix)
  const namespaces = removal.namespaces.map(namespaceNamed)
  const left = [
    ...orphans(await cluster.list(answerers), removal.belongings.namespaces),
    ...removal.crds,
    ...namespaces,
  ]
  if (left.length) doing(`deleting ${counted(left)}`)
  await Promise.all(left.map(object => cluster.delete(object)))
  return () => gone(run, left, doing)
}

async function dropFinalizers(run: Run, prefix: string): Promise<void> {
  for (const namespace of await run.cluster.list('namespaces')) {
    const { finalizers = [] } = namespace.metadata
    const others = finalizers.filter(one => !one.startsWith(prefix))
    if (others.length < finalizers.length) await run.cluster.finalizers(namespace, others)
  }
}

/** Until none of them is there any more; says what is left, and what holds it. */
async function gone(run: Run, objects: readonly K8sObject[], doing: (text: string) => void): Promise<void> {
  const deadline = Date.now() + Math.min(patience, patienceFor(run.site)) * 1000
  for (;;) {
    const found = (await Promise.all(objects.map(object => run.cluster.now(object)))).filter(
      object => object !== undefined,
    )
    // A volume that is kept on purpose stays when its claim is gone.
    const left = found.filter(object => textAt(object.spec, 'persistentVolumeReclaimPolicy') !== 'Retain')
    const [first] = left
    if (!first) return
    const why = holding(first) ?? (first.kind === 'Namespace' ? await endingPod(run, first.metadata.name) : undefined)
    doing(`waiting until ${counted(left)} ${left.length > 1 ? 'are' : 'is'} gone${why ? `: ${why}` : ''}`)
    if (Date.now() > deadline)
      throw new HomelabError({
        what: `${first.kind} ${nameOf(first)} does not go away`,
        why: why ?? 'the API server has taken the deletion and gives no reason',
        fix: `kubectl get ${first.kind.toLowerCase()} ${first.metadata.name}${first.metadata.namespace ? ` -n ${first.metadata.namespace}` : ''} -o yaml`,
      })
    await new Promise(resolve => setTimeout(resolve, 300))
  }
}

function holding(object: K8sObject): string | undefined {
  const { finalizers = [] } = object.metadata
  const said = ['NamespaceFinalizersRemaining', 'NamespaceContentRemaining', 'NamespaceDeletionDiscoveryFailure']
    .map(type => condition(object, type))
    .find(one => one?.status === 'True')?.message
  return said ?? (finalizers.length ? `finalizers ${finalizers.join(', ')}` : undefined)
}

/** The cluster says nothing of pods whose time to end is not over. */
async function endingPod({ cluster }: Run, namespace: string): Promise<string | undefined> {
  const pod = (await cluster.list('pods', { namespace, metadataOnly: true })).find(
    ({ metadata }) => metadata.deletionTimestamp,
  )
  const seconds = at(pod, 'metadata', 'deletionGracePeriodSeconds')
  return pod && `pod ${pod.metadata.name} is ending, it has ${seconds} s for that`
}

function namespaceNamed(name: string): K8sObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }
}

function volumeOf(claim: K8sObject): K8sObject {
  const { volumeName = '' } = (claim.spec ?? {}) as { volumeName?: string }
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: volumeName || `none-of-${claim.metadata.name}` },
  }
}
