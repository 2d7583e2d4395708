// Plays local-path-provisioner, while its pod is Ready: a volume for each claim that the scheduler has placed.
import type { Api, KubeObject } from './api.ts'
import { provisionerName } from './local-programs.ts'
import { isReady, type Pod, splitImage } from './pod.ts'

export interface Claim extends KubeObject {
  spec: {
    storageClassName?: string
    volumeName?: string
    accessModes?: string[]
    volumeMode?: string
    resources?: { requests?: { storage?: string } }
  }
  status?: { phase?: string }
}

export interface Volume extends KubeObject {
  spec: { persistentVolumeReclaimPolicy?: string; claimRef?: { uid?: string } }
  status?: { phase?: string }
}

const driver = 'rancher.io/local-path'

interface StorageClass extends KubeObject {
  provisioner: string
  reclaimPolicy?: string
}

/** The provisioner's own pod, when it is there and Ready. */
export function provisionerPod(pods: Iterable<Pod>): Pod | undefined {
  for (const pod of pods)
    if (isReady(pod) && pod.spec.containers.some(({ image }) => splitImage(image).name.endsWith(`/${provisionerName}`)))
      return pod
  return undefined
}

/** The volume that the provisioner would make for a claim. @param base folder on the node, e.g. `/opt/local-path-provisioner` */
export function volumeFor(claim: Claim, storageClass: StorageClass, node: string, base: string): object {
  const { name, namespace, uid, resourceVersion } = claim.metadata
  const volume = `pvc-${uid}`
  const path = `${base}/${volume}_${namespace}_${name}`
  const local =
    storageClass.metadata.annotations?.defaultVolumeType === 'local' ||
    claim.metadata.annotations?.volumeType === 'local'
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: volume, annotations: { 'pv.kubernetes.io/provisioned-by': driver } },
    spec: {
      accessModes: claim.spec.accessModes ?? ['ReadWriteOnce'],
      capacity: { storage: claim.spec.resources?.requests?.storage ?? '1Gi' },
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy ?? 'Delete',
      storageClassName: claim.spec.storageClassName,
      volumeMode: claim.spec.volumeMode ?? 'Filesystem',
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', name, namespace, uid, resourceVersion },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [
            { matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: [node] }] },
          ],
        },
      },
      ...(local ? { local: { path } } : { hostPath: { path, type: 'DirectoryOrCreate' } }),
    },
  }
}

export class Provisioner {
  readonly #api: Api
  readonly #log: (text: string) => void
  readonly #busy = new Set<string>()

  constructor(api: Api, log: (text: string) => void) {
    this.#api = api
    this.#log = log
  }

  /** Make the volumes that are due, and remove those whose claim is gone. Acts as the provisioner's ServiceAccount. */
  reconcile(
    pod: Pod | undefined,
    claims: Iterable<Claim>,
    volumes: Iterable<Volume>,
    removed: (volume: Volume) => void,
  ): void {
    if (!pod) return // nobody is there to do it: claims stay Pending, as they would on a cluster
    const as = `system:serviceaccount:${pod.metadata.namespace}:${pod.spec.serviceAccountName ?? 'default'}`
    for (const claim of claims) {
      const notes = claim.metadata.annotations ?? {}
      const node = notes['volume.kubernetes.io/selected-node']
      if (
        claim.spec.volumeName ||
        claim.metadata.deletionTimestamp ||
        !node ||
        notes['volume.kubernetes.io/storage-provisioner'] !== driver
      )
        continue
      void this.#once(`provision ${claim.metadata.namespace}/${claim.metadata.name}`, () =>
        this.#provision(claim, node, as, pod),
      )
    }
    for (const volume of volumes) {
      const ours = volume.metadata.annotations?.['pv.kubernetes.io/provisioned-by'] === driver
      if (
        !ours ||
        volume.status?.phase !== 'Released' ||
        volume.spec.persistentVolumeReclaimPolicy !== 'Delete' ||
        volume.metadata.deletionTimestamp
      )
        continue
      void this.#once(`delete ${volume.metadata.name}`, async () => {
        await this.#api.request('DELETE', `/api/v1/persistentvolumes/${volume.metadata.name}`, undefined, undefined, as)
        removed(volume)
      })
    }
  }

  async #provision(claim: Claim, node: string, as: string, pod: Pod): Promise<void> {
    const found = await this.#api.request<StorageClass>(
      'GET',
      `/apis/storage.k8s.io/v1/storageclasses/${claim.spec.storageClassName}`,
    )
    if (found.status !== 200) throw new Error(`no StorageClass ${claim.spec.storageClassName}`)
    const config = await this.#api.request<{ data?: Record<string, string> }>(
      'GET',
      `/api/v1/namespaces/${pod.metadata.namespace}/configmaps/local-path-config`,
    )
    const parsed = JSON.parse(config.body.data?.['config.json'] ?? '{}') as {
      nodePathMap?: { node: string; paths: string[] }[]
    }
    const paths =
      parsed.nodePathMap?.find(entry => entry.node === node) ??
      parsed.nodePathMap?.find(entry => entry.node === 'DEFAULT_PATH_FOR_NON_LISTED_NODES')
    const base = paths?.paths[0]
    if (!base) throw new Error(`ConfigMap local-path-config names no path for ${node}`)
    const { status, body } = await this.#api.request<{ message?: string }>(
      'POST',
      '/api/v1/persistentvolumes',
      volumeFor(claim, found.body, node, base),
      undefined,
      as,
    )
    if (status !== 201 && status !== 409) throw new Error(`${status} ${body.message}`)
    this.#log(
      `${provisionerName}: pvc-${claim.metadata.uid} for ${claim.metadata.namespace}/${claim.metadata.name} on ${node}`,
    )
  }

  /** One attempt at a time for each thing; a failed one is made again after a second. */
  async #once(what: string, work: () => Promise<void>): Promise<void> {
    if (this.#busy.has(what)) return
    this.#busy.add(what)
    await work().catch(error => this.#log(`${provisionerName}: ${what}: ${(error as Error).message}`))
    setTimeout(() => this.#busy.delete(what), 1000)
  }
}
