// The fake nodes: sizes as an owner writes them, and the Node objects that the real scheduler then works with.
import { exit, HomelabError } from '../errors.ts'

export interface NodeSize {
  /** Cores. */
  cpu: number
  /** Bytes. */
  memory: number
}

/** What a home cluster often is: three machines of 4 cores and 8 GiB. */
export const defaultNodes = '4x8Gi 4x8Gi 4x8Gi'

const units: Record<string, number> = { Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40 }

/**
 * Sizes as the owner writes them: `4x8Gi 4x8Gi 2x4Gi`, cores × memory, one word a node (`3*4x8Gi` for three alike).
 * @throws HomelabError (2) that names each word that is not a size
 */
export function parseNodes(text: string = defaultNodes): NodeSize[] {
  const wrong: string[] = []
  const nodes = text
    .split(/[\s,]+/)
    .filter(Boolean)
    .flatMap(word => {
      const [, count = '1', cpu = '', amount = '', unit = ''] =
        /^(?:(\d{1,3})\*)?(\d{1,3})x(\d{1,5}(?:\.\d+)?)(Mi|Gi|Ti)$/.exec(word) ?? []
      const memory = Number(amount) * (units[unit] ?? 0)
      if (Number(count) < 1 || Number(cpu) < 1 || memory < 2 ** 28) {
        wrong.push(word)
        return []
      }
      return Array.from({ length: Number(count) }, () => ({ cpu: Number(cpu), memory }))
    })
  if (wrong.length > 0 || nodes.length === 0 || nodes.length > 200)
    throw new HomelabError({
      what:
        wrong.length > 0 ? `not a node size: ${wrong.join(', ')}` : `${nodes.length} nodes are not between 1 and 200`,
      why: 'a size is cores x memory (at least 256Mi) in Mi, Gi or Ti',
      fix: `for example NODES="${defaultNodes}", or "100*4x8Gi"`,
      code: exit.usage,
    })
  return nodes
}

/**
 * The Node objects, as a kubelet would register them: `node-1` … with addresses 192.168.77.11 … of the sandbox's LAN.
 * @param kubelet its version, e.g. `v1.36.3`
 */
export function nodeObjects(sizes: readonly NodeSize[], kubelet: string): object[] {
  return sizes.map(({ cpu, memory }, index) => {
    const name = `node-${index + 1}`
    const capacity = { cpu: String(cpu), memory: `${memory / 1024}Ki`, 'ephemeral-storage': '100Gi', pods: '110' }
    return {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: {
        name,
        labels: {
          'kubernetes.io/hostname': name,
          'kubernetes.io/os': 'linux',
          'kubernetes.io/arch': 'amd64',
          ...(index === 0 ? { 'node-role.kubernetes.io/control-plane': 'true' } : {}),
        },
      },
      // Pod addresses: one /24 a node, and never those of the sandbox's LAN or Services.
      spec: { podCIDR: `10.42.${index}.0/24`, podCIDRs: [`10.42.${index}.0/24`] },
      status: {
        addresses: [
          { type: 'InternalIP', address: nodeAddress(index) },
          { type: 'Hostname', address: name },
        ],
        capacity,
        // A kubelet keeps 100Mi back before it evicts (its default memory.available threshold).
        allocatable: { ...capacity, memory: `${memory / 1024 - 100 * 1024}Ki` },
        nodeInfo: {
          kubeletVersion: kubelet,
          kubeProxyVersion: '',
          operatingSystem: 'linux',
          architecture: 'amd64',
          osImage: 'homelab sandbox (no machine)',
          kernelVersion: '',
          containerRuntimeVersion: 'kwok://',
          machineID: '',
          systemUUID: '',
          bootID: '',
        },
      },
    }
  })
}

/** 192.168.77.11 … .199 below the pool (.200–.220), then on from .221 in the next nets: a hundred nodes fit, and more. */
export function nodeAddress(index: number): string {
  return index < 189 ? `192.168.77.${index + 11}` : `192.168.78.${index - 188}`
}
