// Claims and storage classes: what waits for whom, and what is normal.

import { type K8sObject, textAt } from '../k8s.ts'
import { type Health, oneLine, progressing, ready, unwell } from './judged.ts'
import type { Snapshot } from './snapshot.ts'

const defaultClass = 'storageclass.kubernetes.io/is-default-class'

export const isDefaultClass = (object: K8sObject): boolean => object.metadata.annotations?.[defaultClass] === 'true'

export function judgeClaim(claim: K8sObject, snapshot: Snapshot): Health {
  const { namespace, name } = claim.metadata
  const phase = textAt(claim.status, 'phase')
  const describe = `kubectl -n ${namespace} describe pvc ${name}`
  if (claim.metadata.deletionTimestamp !== undefined)
    return progressing(`claim ${name} is being deleted as soon as no pod uses it`)
  if (phase === 'Bound') return ready()
  if (phase === 'Lost')
    return unwell(`claim ${name} has lost its volume ${textAt(claim.spec, 'volumeName') ?? ''}`, describe)

  const className = textAt(claim.spec, 'storageClassName')
  const classes = snapshot.of('StorageClass')
  if (className === '')
    return unwell(`claim ${name} takes only a ready-made volume (no StorageClass), and none fits`, 'kubectl get pv')
  if (className === undefined) {
    if (!snapshot.knows('StorageClass') || classes.some(isDefaultClass))
      return progressing(`claim ${name} waits for the default StorageClass`)
    return unwell(
      `claim ${name} names no StorageClass, and the cluster has no default one`,
      './bootstrap/01-storage-class.ts',
    )
  }
  const storageClass = snapshot.find('StorageClass', undefined, className)
  if (storageClass === undefined && snapshot.knows('StorageClass')) {
    const others = classes.map(other => other.metadata.name).join(', ')
    return unwell(
      `claim ${name} wants the StorageClass ${className}, which does not exist (${others === '' ? 'there is none' : `there is: ${others}`})`,
      classes.length === 0 ? './bootstrap/01-storage-class.ts' : 'kubectl get storageclass',
    )
  }
  const failed = snapshot.events(claim).find(event => event.reason === 'ProvisioningFailed')
  if (failed) return unwell(`claim ${name} got no volume: ${oneLine(failed.message)}`, describe)

  const lateBinding = storageClass && textAt(storageClass, 'volumeBindingMode') === 'WaitForFirstConsumer'
  if (lateBinding && claim.metadata.annotations?.['volume.kubernetes.io/selected-node'] === undefined) {
    const [pod] = snapshot.podsWithClaim(claim)
    return pod === undefined
      ? ready(`claim ${name} gets its volume when a pod first wants it`)
      : progressing(`claim ${name} waits until pod ${pod.metadata.name} has a node`)
  }
  const provisioner = storageClass ? textAt(storageClass, 'provisioner') : undefined
  return progressing(
    `claim ${name} waits for a volume from ${provisioner ?? `the StorageClass ${className}`}`,
    describe,
  )
}

/** One class by itself; among the defaults there must be exactly one, because of several Kubernetes silently takes the newest. */
export function judgeStorageClass(object: K8sObject, snapshot: Snapshot): Health {
  const defaults = snapshot.of('StorageClass').filter(isDefaultClass)
  if (defaults.length === 0)
    return unwell(
      'no StorageClass is the default: claims that name none wait for ever',
      './bootstrap/01-storage-class.ts',
    )
  if (defaults.length > 1 && isDefaultClass(object)) {
    const names = defaults.map(one => one.metadata.name)
    const keep = names.includes('local-path') ? 'local-path' : names[0]
    return unwell(
      `${names.length} StorageClasses are the default (${names.join(', ')}): Kubernetes silently takes the newest`,
      `kubectl annotate storageclass ${names.filter(name => name !== keep).join(' ')} ${defaultClass}-`,
    )
  }
  return ready()
}
