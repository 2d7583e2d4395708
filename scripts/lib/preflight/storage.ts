// The default StorageClass: none before step 01 is normal, exactly one after, and of several Kubernetes takes the newest.
import { isDefaultClass } from '../health/storage.ts'
import { type K8sObject, textAt } from '../k8s.ts'
import { type Check, orWell, problem, type Result, well } from './check.ts'

const link = 'infrastructure/platform/local-path/README.md'
const annotation = 'storageclass.kubernetes.io/is-default-class'
const older = 'storageclass.beta.kubernetes.io/is-default-class' // still honoured

const isDefault = (one: K8sObject): boolean => isDefaultClass(one) || one.metadata.annotations?.[older] === 'true'

export const storage: readonly Check[] = [
  {
    id: 'storage.default',
    title: 'Default class',
    reads: ['StorageClass'],
    look({ objects, steps }) {
      const defaults = objects.of('StorageClass').filter(isDefault)
      const names = defaults.map(one => one.metadata.name)
      const others = names.filter(name => name !== 'local-path')
      const coming = steps.includes('01-storage-class')
      if (names.length === 0)
        return coming ? well('none yet: step 01 makes local-path') : well('none; step 01 is not chosen')
      if (names.length === 1 && (others.length === 0 || !coming)) return well(names.join())
      const off = others.length ? others : names.slice(1)
      return problem({
        what:
          names.length > 1
            ? `${names.length} StorageClasses are the default: ${names.join(', ')}`
            : `the StorageClass ${names[0]} is the default, and step 01 makes local-path another`,
        why: 'a claim that names no class silently gets the newest of them',
        fix: `kubectl annotate storageclass ${off.join(' ')} ${annotation}- ${older}-${coming && names.length === 1 ? '; or keep it and leave step 01 out: --skip 01' : ''}`,
        link,
      })
    },
  },
  {
    id: 'storage.class',
    title: 'local-path',
    reads: ['StorageClass'],
    look({ objects, steps }) {
      const found = objects.find('StorageClass', undefined, 'local-path')
      if (!found || !steps.includes('01-storage-class')) return well(found ? 'there' : 'not there yet')
      // None of these can be changed on a class that exists.
      const wanted = {
        provisioner: 'rancher.io/local-path',
        volumeBindingMode: 'WaitForFirstConsumer',
        reclaimPolicy: 'Delete',
      }
      const results = Object.entries(wanted).flatMap(([field, value]): Result[] => {
        const has = textAt(found, field)
        if (has === value) return []
        return [
          problem({
            what: `the StorageClass local-path has ${field} ${has ?? 'unset'}, ours has ${value}`,
            why: 'Kubernetes does not let a class be changed, so step 01 would fail',
            fix: 'kubectl delete storageclass local-path (volumes and claims stay), then run this again',
            link,
          }),
        ]
      })
      return orWell(results, 'of the shape that step 01 gives it')
    },
  },
]
