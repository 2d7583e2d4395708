// Before the first write: is this the cluster that is meant, and can it take what is coming? All problems in one report.
import { createInterface } from 'node:readline/promises'
import type { Values } from './command.ts'
import { exit, HomelabError, type Problem, throwProblems } from './errors.ts'
import { type K8sObject, listAt, textAt } from './k8s.ts'
import { print } from './output.ts'
import type { Run } from './run.ts'
import { refuseOther } from './site/choose.ts'
import { clusterQuestion, describeCluster, isYes } from './site/confirm.ts'
import { contains, isFlaw, parseAddress, parseRange } from './site/network.ts'
import { keepInEnv } from './site/site.ts'

/**
 * Looks at the cluster once and refuses what would go wrong.
 * @returns notices: what is worth knowing and no problem
 * @throws HomelabError exit 2 with all problems, exit 3 when it is another cluster than before
 */
export async function preflight(run: Run, values: Values): Promise<string[]> {
  const { cluster, site } = run
  const { patience } = cluster
  cluster.patience = 3 // a cluster that is down is said at once; later, a run outlasts its hiccups
  const [helm, version, nodes, system, bundled] = await Promise.all([
    site.sandbox ? 'v4' : run.helm.version(),
    cluster.raw('/version'),
    cluster.list('nodes'),
    cluster.find('namespace/kube-system'),
    cluster.list('daemonsets.apps,deployments.apps', { namespace: 'kube-system' }),
  ])
  cluster.patience = patience
  run.kubernetes = textAt(JSON.parse(version), 'gitVersion') ?? 'unknown'
  const uid = system?.metadata.uid ?? ''
  refuseOther(site, uid)
  throwProblems([
    ...checkHelm(helm),
    ...checkNodes(nodes),
    ...checkPool(nodes, site.metallbPool),
    ...checkBundled(bundled),
  ])
  return confirmCluster(run, values, uid, nodes)
}

/** Asks once whether this is the cluster that is meant, and keeps the answer in .env. */
async function confirmCluster(run: Run, values: Values, uid: string, nodes: readonly K8sObject[]): Promise<string[]> {
  const { site } = run
  if (site.sandbox || site.clusterUid) return []
  const described = describeCluster(site.context, nodes, uid)
  if (run.plan) return [`The cluster: ${described}`]
  if (!values.yes) {
    if (!process.stdin.isTTY || values.json)
      throw new HomelabError({
        what: 'the cluster is not confirmed yet',
        why: described,
        fix: `if this is the one: the same command with --yes, or CLUSTER_UID=${uid} in ${site.file}`,
        code: exit.usage,
      })
    print(`This will work on: ${described}`)
    const terminal = createInterface({ input: process.stdin, output: process.stdout })
    const answer = await terminal.question(clusterQuestion)
    terminal.close()
    if (!isYes(answer))
      throw new HomelabError({
        what: 'not confirmed, nothing was written',
        fix: `set KUBE_CONTEXT in ${site.file}`,
        code: exit.usage,
      })
  }
  keepInEnv(site, { KUBE_CONTEXT: site.context, CLUSTER_UID: uid })
  return [`Kept in ${site.file}: KUBE_CONTEXT and CLUSTER_UID. Another cluster will be refused.`]
}

/** Helm 3 has other flags, keeps other records, and would only fail later. */
function checkHelm(version: string): Problem[] {
  if (version.startsWith('v4')) return []
  return [
    {
      what: `helm on PATH is ${version || 'of no known version'}`,
      why: 'the scripts need Helm 4',
      fix: 'https://helm.sh/docs/intro/install/',
    },
  ]
}

function checkNodes(nodes: readonly K8sObject[]): Problem[] {
  if (nodes.length === 0)
    return [{ what: 'the cluster has no nodes', fix: 'join a node first: https://docs.k3s.io/quick-start' }]
  const ready = nodes.filter(node =>
    listAt(node.status, 'conditions').some(one => textAt(one, 'type') === 'Ready' && textAt(one, 'status') === 'True'),
  )
  if (ready.length) return []
  return [
    { what: 'no node is Ready', why: nodes.map(node => node.metadata.name).join(', '), fix: 'kubectl describe nodes' },
  ]
}

/** A pool that contains a node's own address takes the node off the network (metallb#364). */
function checkPool(nodes: readonly K8sObject[], pool: string): Problem[] {
  const range = parseRange(pool)
  if (isFlaw(range)) return [] // the site's own check has spoken
  return nodes.flatMap(node =>
    listAt(node.status, 'addresses')
      .map(entry => textAt(entry, 'address') ?? '')
      .filter(address => contains(range, parseAddress(address) ?? -1))
      .map(address => ({
        what: `the address pool ${pool} contains the node ${node.metadata.name} (${address})`,
        why: "MetalLB would answer ARP for the node's own address and the node drops off the network",
        fix: 'choose a free range for METALLB_POOL in .env, outside DHCP',
      })),
  )
}

/** What k3s and RKE2 bring along and would fight with ours. */
function checkBundled(found: readonly K8sObject[]): Problem[] {
  const problems: Problem[] = []
  const named = (pattern: RegExp) =>
    found.filter(object => pattern.test(object.metadata.name)).map(object => object.metadata.name)
  const servicelb = named(/^svclb-/)
  if (servicelb.length)
    problems.push({
      what: `k3s's own load balancer is on (${servicelb.join(', ')})`,
      why: 'it and MetalLB would both write the same addresses',
      fix: 'put "disable: [servicelb]" into /etc/rancher/k3s/config.yaml on each server and restart k3s',
    })
  const ingress = named(/^(traefik|rke2-traefik|rke2-ingress-nginx-controller)$/)
  if (ingress.length)
    problems.push({
      what: `the distribution's own ingress controller is on (${ingress.join(', ')})`,
      why: 'it holds ports 80 and 443, which are for the Traefik of step 04',
      fix: 'k3s: "disable: [traefik]" in /etc/rancher/k3s/config.yaml; RKE2: "ingress-controller: none" in /etc/rancher/rke2/config.yaml; then restart',
    })
  return problems
}
