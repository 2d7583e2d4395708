// What helm and kustomize print, as objects.
import { parse } from 'yaml'
import type { K8sObject } from '../k8s.ts'

/**
 * The objects of Helm's or Kustomize's output.
 * @param skip documents whose text matches are passed over unread: CRDs are a megabyte that few want to look into
 */
export function parseManifest(yaml: string, skip?: RegExp): K8sObject[] {
  return yaml.split(/^---$/m).flatMap(document => {
    if (skip?.test(document)) return []
    const object = parse(document) as K8sObject | null
    return typeof object?.kind === 'string' ? [object] : []
  })
}
