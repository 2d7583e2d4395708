// The nodes: there, fit, and of a kind that the platform's images are made for.
import { judge } from '../health/judge.ts'
import { at, condition, type K8sObject, listAt, textAt } from '../k8s.ts'
import { parseAddress } from '../site/network.ts'
import { lastingTaints, usableBy } from './capacity.ts'
import { type Check, few, orWell, problem, type Result, unknown, warning, well } from './check.ts'
import { minorOf } from './kube-version.ts'

export const isReady = (node: K8sObject): boolean => condition(node, 'Ready')?.status === 'True'

const info = (node: K8sObject, field: string): string => textAt(node.status, 'nodeInfo', field) ?? ''

const names = (nodes: readonly K8sObject[]): string => few(nodes.map(node => node.metadata.name))

export const nodes: readonly Check[] = [
  {
    id: 'nodes.ready',
    title: 'Ready',
    reads: ['Node'],
    look({ objects, steps }) {
      const all = objects.of('Node')
      if (all.length === 0)
        return problem({ what: 'the cluster has no nodes', fix: 'join a node first: https://docs.k3s.io/quick-start' })
      const down = all.filter(node => !isReady(node))
      if (down.length === all.length)
        return problem({ what: 'no node is Ready', why: names(all), fix: 'kubectl describe nodes' })
      return orWell(
        down.map(node => {
          const found = {
            what: judge(node, objects).cause ?? `node ${node.metadata.name} is not ready`,
            fix: `start it, or take it out: kubectl delete node ${node.metadata.name}`,
          }
          if (!steps.includes('02-metallb')) return warning(found)
          return problem({
            ...found,
            why: 'step 02 waits for a MetalLB speaker on every node, and the rest for step 02',
          })
        }),
        `${all.length} of ${all.length}`,
      )
    },
  },
  {
    id: 'nodes.pressure',
    title: 'Pressure',
    reads: ['Node'],
    look({ objects }) {
      const found = objects.of('Node').flatMap((node): Result[] => {
        const { name } = node.metadata
        const short = ['MemoryPressure', 'DiskPressure', 'PIDPressure'].filter(
          type => condition(node, type)?.status === 'True',
        )
        return [
          ...short.map(type =>
            warning({
              what: `node ${name} reports ${type}`,
              why: 'it takes no new pods and puts out running ones until that ends',
              fix: `kubectl describe node ${name}`,
            }),
          ),
          ...(at(node.spec, 'unschedulable') === true
            ? [warning({ what: `node ${name} is cordoned: it takes no new pods`, fix: `kubectl uncordon ${name}` })]
            : []),
        ]
      })
      return orWell(found, 'none; none is cordoned')
    },
  },
  {
    id: 'nodes.taints',
    title: 'Taints',
    reads: ['Node', 'Pod'],
    look({ objects, pods }) {
      const ready = objects.of('Node').filter(isReady)
      const homeless = pods.filter(pod => !pod.eachNode && !ready.some(node => usableBy(pod, node)))
      if (homeless.length === 0 || ready.length === 0) return well('there is a node for every pod')
      const taints = [
        ...new Set(ready.flatMap(lastingTaints).map(taint => `${textAt(taint, 'key')}:${textAt(taint, 'effect')}`)),
      ]
      return problem({
        what: `no node takes ${few([...new Set(homeless.map(pod => pod.workload))], 3)}`,
        why: taints.length ? `each has a taint that they do not tolerate: ${few(taints)}` : 'every node is cordoned',
        fix: taints[0] ? `kubectl taint nodes --all ${taints[0]}-` : 'kubectl uncordon NODE',
        link: 'infrastructure/docs/PREPARE.md',
      })
    },
  },
  {
    id: 'nodes.kind',
    title: 'Architecture',
    reads: ['Node'],
    look({ objects }) {
      const all = objects.of('Node')
      const kinds = [...new Set(all.map(node => `${info(node, 'operatingSystem')}/${info(node, 'architecture')}`))]
      const others = all.filter(
        node => info(node, 'operatingSystem') === 'linux' && !['amd64', 'arm64'].includes(info(node, 'architecture')),
      )
      const runtimes = [...new Set(all.map(node => info(node, 'containerRuntimeVersion')))]
      if (others.length === 0) return well(`${kinds.join(', ')}; ${few(runtimes)}`)
      const found = {
        what: `${names(others)}: ${few([...new Set(others.map(node => info(node, 'architecture')))])}`,
        why: 'the images are made for amd64 and arm64, and the scheduler does not know that',
        fix: `keep them free of pods: kubectl cordon ${others.map(node => node.metadata.name).join(' ')}`,
      }
      return others.length === all.length ? problem(found) : warning(found)
    },
  },
  {
    id: 'nodes.distinct',
    title: 'Machine ids',
    reads: ['Node'],
    look({ objects }) {
      const all = objects.of('Node')
      const same = (what: string, of: (node: K8sObject) => string): Result[] => {
        const groups = new Map<string, K8sObject[]>()
        for (const node of all) if (of(node)) groups.set(of(node), [...(groups.get(of(node)) ?? []), node])
        return [...groups]
          .filter(([, nodes]) => nodes.length > 1)
          .map(([value, nodes]) =>
            warning({
              what: `${names(nodes)} have the same ${what} (${value})`,
              why: 'cloned machines: DHCP gives them the same address, and one drops off the network',
              fix: 'on all but one: rm /etc/machine-id; systemd-machine-id-setup; reboot',
            }),
          )
      }
      return orWell(
        [...same('machine-id', node => info(node, 'machineID')), ...same('address', internalAddress)],
        'no two have the same machine-id or address',
      )
    },
  },
  {
    id: 'nodes.inside',
    title: 'Inside the nodes',
    look: ({ site }) => [
      unknown(`free disk under ${site.storagePath}: on each node, df -h ${site.storagePath}`),
      unknown('their name servers (AdGuard Home must not be the only one): on each node, cat /etc/resolv.conf'),
      unknown("a firewall between them (MetalLB's speakers use port 7946, TCP and UDP)"),
    ],
  },
]

const internalAddress = (node: K8sObject): string =>
  listAt(node.status, 'addresses')
    .filter(one => textAt(one, 'type') === 'InternalIP')
    .map(one => textAt(one, 'address') ?? '')
    .find(text => parseAddress(text) !== undefined) ?? ''

/** Kubelets may be up to three minor versions older than the API server, and never newer. */
export const kubelets: Check = {
  id: 'versions.kubelets',
  title: 'Kubelets',
  reads: ['Node'],
  look({ objects, kubernetes }) {
    const server = minorOf(kubernetes)
    const found = objects.of('Node').flatMap(node => {
      const version = info(node, 'kubeletVersion')
      const behind = (server ?? 0) - (minorOf(version) ?? server ?? 0)
      if (behind >= 0 && behind <= 3) return []
      return [
        warning({
          what: `the kubelet of ${node.metadata.name} is ${version}, the API server ${kubernetes}`,
          why: 'a kubelet may be up to three minor versions older, and not newer',
          fix: 'bring the nodes to the version of the server, servers first',
          link: 'https://kubernetes.io/releases/version-skew-policy/#kubelet',
        }),
      ]
    })
    return orWell(found, few([...new Set(objects.of('Node').map(node => info(node, 'kubeletVersion')))].sort()))
  },
}
