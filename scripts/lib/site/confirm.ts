// Is this the cluster that is meant? The same words and the same question wherever it is asked.
import type { K8sObject } from '../k8s.ts'

/** `context homelab, 3 nodes (a, b, c), UID …` */
export function describeCluster(
  context: string,
  nodes: readonly (K8sObject | { name: string })[],
  uid: string,
): string {
  const names = nodes.map(node => ('metadata' in node ? node.metadata.name : node.name)).join(', ')
  return `context ${context}, ${nodes.length} node${nodes.length === 1 ? '' : 's'} (${names}), UID ${uid}`
}

export const clusterQuestion = 'Is that the cluster you mean? [y/N] '

export const isYes = (answer: string | undefined): boolean => /^y(es)?$/i.test(answer?.trim() ?? '')
