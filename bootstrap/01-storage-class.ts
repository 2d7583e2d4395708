#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/../scripts/lib/launch" "$0" "$@"'
// 01 · Storage: one default StorageClass that makes volumes on the nodes' own disks.
import { step } from '../scripts/lib/step.ts'

const about = {
  title: 'Storage class',
  about: 'local-path-provisioner and its class local-path, the one default',
  ready: 'storageclass/local-path',
}

export default step(import.meta, about, async ({ namespace, apply, wait, cluster, did }) => {
  // k3s brings the same provisioner and puts it back at every restart: then its class is adopted, never doubled.
  const bundled = await cluster.find('deployment/kube-system/local-path-provisioner')
  if (!bundled) {
    await namespace('local-path-storage', { podSecurity: 'privileged' }) // its helper pods mount the node's directory
    await apply('infrastructure/platform/local-path/provisioner.yaml')
  } else did("nothing installed: k3s's own local-path-provisioner is used")
  await apply('infrastructure/platform/local-path/storage-class.yaml')
  await wait(
    'storageclass/local-path',
    bundled ? 'deployment/kube-system/local-path-provisioner' : 'workloads/local-path-storage',
  )
})
