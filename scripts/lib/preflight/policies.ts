// Whether the lab's network policies fit this cluster: they must leave its DNS, its API server and Argo CD alone.

import { policiesFolder as folder, readPolicies } from '../guardrails.ts'
import { at, type K8sObject, listAt, textAt } from '../k8s.ts'
import { lockedOut } from '../policies/vital.ts'
import { platform } from '../status/platform.ts'
import { type Check, few, problem, well } from './check.ts'

/** The port by which pods reach the API server: after its Service has been translated. */
export function apiPortOf(slices: readonly K8sObject[]): number | undefined {
  const own = slices.find(({ metadata }) => metadata.namespace === 'default' && metadata.name === 'kubernetes')
  return Number(at(listAt(own, 'ports')[0], 'port')) || undefined
}

/** Fake nodes run no pod, enforce no policy, and their API server has whichever port was free. */
export const areFake = (nodes: readonly K8sObject[]): boolean =>
  nodes.length > 0 &&
  nodes.every(({ status }) => /^kwok:/.test(textAt(status, 'nodeInfo', 'containerRuntimeVersion') ?? ''))

/** A cache of the cluster's DNS on each node, at an address of the node (https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/). */
export const hasCache = (daemonSets: readonly K8sObject[]): boolean =>
  daemonSets.some(({ metadata }) => metadata.namespace === 'kube-system' && /node-?local-?dns/.test(metadata.name))

export const networkPolicies: Check = {
  id: 'network.policies',
  title: 'Network policies',
  reads: ['Node', 'EndpointSlice', 'DaemonSet'],
  look({ site, objects }) {
    if (!site.networkPolicies) return well('off (NETWORK_POLICIES=false)')
    if (areFake(objects.of('Node'))) return well('applied; fake nodes enforce none')
    const port = apiPortOf(objects.of('EndpointSlice')) ?? 6443
    const cache = hasCache(objects.of('DaemonSet'))
    const policies = platform.flatMap(({ namespace }) => readPolicies(namespace))
    const out = lockedOut(policies, port, cache)
    if (!out.length) return well(`the API server by port ${port}, DNS and Argo CD stay open`)
    return problem({
      what: `the network policies would lock out ${few(out, 2)}`,
      why: cache
        ? 'pods ask NodeLocal DNSCache, which is no pod of kube-system but the node itself'
        : port === 6443
          ? `${folder} has been changed`
          : `the API server listens on port ${port}, and the policies say 6443`,
      fix: cache
        ? `take the lines \`to:\` and \`namespaceSelector:\` out of each to-dns in ${folder}, or NETWORK_POLICIES=false in ${site.file}`
        : port === 6443
          ? `git diff ${folder}; or NETWORK_POLICIES=false in ${site.file}`
          : `sed -i.before 's/port: 6443/port: ${port}/' ${folder}/*/*.yaml, commit and push; or NETWORK_POLICIES=false in ${site.file}`,
      link: 'infrastructure/docs/components/network-policies.md',
    })
  },
}
