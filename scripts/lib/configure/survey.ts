// What the clusters say of themselves: which answer, which are k3s or RKE2, and of the chosen one its nodes and UID. Only reads.
import { Cluster } from '../cluster.ts'
import { HomelabError } from '../errors.ts'
import { listAt, quantity, textAt } from '../k8s.ts'
import type { Context, Kubeconfig } from '../site/kubeconfig.ts'
import { parseAddress } from '../site/network.ts'

/** Seconds: on a home network an answer takes milliseconds. */
const patience = 4

export type Answer = { version: string } | { silent: string }

/** What each context's API server answers, asked at the same time. */
export async function askContexts({ path, contexts }: Kubeconfig): Promise<Map<string, Answer>> {
  const answers = contexts.slice(0, 8).map(async context => [context.name, await askContext(path, context)] as const)
  return new Map(await Promise.all(answers))
}

async function askContext(path: string, { name, runsProgram }: Context): Promise<Answer> {
  if (runsProgram) return { silent: 'not asked, its login starts a program' }
  return askVersion(new Cluster({ kubeconfig: path, context: name }))
}

async function askVersion(cluster: Cluster): Promise<Answer> {
  try {
    const ran = await cluster.kubectl(['get', '--raw', '/version'], { timeout: patience })
    if (ran.code === 0) return { version: textAt(JSON.parse(ran.stdout), 'gitVersion') ?? 'unknown' }
    return { silent: reason(ran.stderr) }
  } catch (error) {
    return { silent: error instanceof HomelabError ? error.what : 'no answer that could be read' }
  }
}

/** kubectl's last line, without the address of what was asked. */
function reason(stderr: string): string {
  const words = stderr.trim().split('\n').at(-1) ?? ''
  if (/refused/.test(words)) return 'connection refused'
  if (/timeout|timed out|deadline|no answer within/i.test(words)) return `no answer within ${patience} s`
  if (/no such host/.test(words)) return 'its name is unknown'
  if (/Unauthorized|must be logged in/i.test(words)) return 'it does not accept the credentials'
  return words.replace(/^(error|Error from server)[^:]*: /i, '').slice(0, 120)
}

export interface NodeFacts {
  name: string
  /** Its InternalIP, if that is IPv4. */
  address?: number
  cpu: number
  /** Bytes that pods may have. */
  memory: number
}

export interface ClusterFacts {
  version: string
  /** UID of kube-system. */
  uid: string
  nodes: readonly NodeFacts[]
}

/** The chosen cluster, or why it cannot be looked at. */
export async function surveyCluster(kubeconfig: string, context: string): Promise<ClusterFacts | { silent: string }> {
  const cluster = new Cluster({ kubeconfig, context }, 0)
  try {
    const answer = await askVersion(cluster)
    if ('silent' in answer) return answer
    const [nodes, system] = await Promise.all([cluster.list('nodes'), cluster.find('namespace/kube-system')])
    return { ...answer, uid: system?.metadata.uid ?? '', nodes: nodes.map(nodeFacts) }
  } catch (error) {
    if (error instanceof HomelabError) return { silent: error.why ?? error.what }
    throw error
  } finally {
    await cluster.close()
  }
}

function nodeFacts(node: { metadata: { name: string }; status?: unknown }): NodeFacts {
  const internal = listAt(node.status, 'addresses').find(entry => textAt(entry, 'type') === 'InternalIP')
  const address = parseAddress(textAt(internal, 'address') ?? '')
  return {
    name: node.metadata.name,
    ...(address === undefined ? {} : { address }),
    cpu: quantity(textAt(node.status, 'allocatable', 'cpu') ?? '0'),
    memory: quantity(textAt(node.status, 'allocatable', 'memory') ?? '0'),
  }
}

/** `k3s`, `RKE2`, or nothing for another distribution. */
export function distribution(version: string): string {
  if (/\+k3s/.test(version)) return 'k3s'
  return /\+rke2/.test(version) ? 'RKE2' : ''
}
