// Faults of nodes, capacity and versions.
import { bare, type Fault, node, object, pod, withNodes } from '../support.ts'

const notReady = [{ type: 'Ready', status: 'Unknown', message: 'Kubelet stopped posting node status.' }]
const control = { key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }
const tainted = (...taints: unknown[]) => ['n1', 'n2', 'n3'].map(name => node(name, { taints }))

const quota = (namespace: string, used: Record<string, string>) =>
  object('ResourceQuota', `${namespace}/homelab`, { status: { used } })

export const faults: readonly Fault[] = [
  {
    check: 'nodes.quotas',
    fault: 'more nodes than the quota has room for',
    change: { objects: withNodes(...Array.from({ length: 24 }, (_, i) => node(`n${i}`))) },
    says: [
      /^problem: the quota of metallb-system allows pods 20, and 25 are asked for .*raise pods in .*base\/metallb-system\.yaml$/,
      /^problem: the quota of metallb-system allows requests\.cpu 500m, and 625m CPU are asked for/,
      /^problem: the quota of metallb-system allows requests\.memory 1280Mi, and 1\.6Gi are asked for/,
    ],
  },
  {
    check: 'nodes.quotas',
    fault: 'no quota yet, and more in the namespace than ours would allow',
    change: {
      objects: bare(
        pod('loki/loki-0', 'n1', { cpu: '2', memory: '128Mi' }),
        pod('loki/old', 'n1', { memory: '9Gi' }, { status: { phase: 'Succeeded' } }),
        object('Service', 'loki/syslog', { spec: { type: 'LoadBalancer' } }),
        pod('mine/large', 'n1', { cpu: '3' }),
      ),
    },
    says: [
      /^problem: the quota of loki allows requests\.cpu 500m, and 2 CPU are in use/,
      /^problem: the quota of loki allows services\.loadbalancers 0, and 1 are in use/,
    ],
  },
  {
    check: 'nodes.quotas',
    fault: 'a quota that was lowered below what is in use',
    change: { objects: bare(quota('loki', { 'requests.storage': '200Gi', pods: '1' }), quota('mine', { pods: '99' })) },
    says: [
      /^problem: the quota of loki allows requests\.storage 50Gi, and 200Gi are in use \| .*no room \| raise requests\.storage in infrastructure\/security\/resource-quotas\/base\/loki\.yaml$/,
    ],
  },
  { check: 'nodes.ready', fault: 'no node', change: { objects: [] }, says: [/^problem: the cluster has no nodes/] },
  {
    check: 'nodes.ready',
    fault: 'none ready',
    change: { objects: withNodes(node('n1', { conditions: notReady })) },
    says: [/^problem: no node is Ready/],
  },
  {
    check: 'nodes.ready',
    fault: 'one not ready',
    change: { objects: withNodes(node('n1'), node('n2', { conditions: notReady })) },
    says: [/^problem: node n2 does not answer \| .*speaker on every node.* \| .*delete node n2/],
  },
  {
    check: 'nodes.ready',
    fault: 'one not ready, and MetalLB is not chosen',
    change: { steps: ['07-argocd'], objects: withNodes(node('n1'), node('n2', { conditions: notReady })) },
    says: [/^warning: node n2/],
  },
  {
    check: 'nodes.pressure',
    fault: 'a full disk, and a cordon',
    change: {
      objects: withNodes(
        node('n1', {
          conditions: [
            { type: 'Ready', status: 'True' },
            { type: 'DiskPressure', status: 'True' },
          ],
          spec: { unschedulable: true },
        }),
      ),
    },
    says: [/^warning: node n1 reports DiskPressure/, /^warning: node n1 is cordoned.*uncordon n1/],
  },
  {
    check: 'nodes.taints',
    fault: 'only control planes that keep others away',
    change: { objects: withNodes(...tainted(control)) },
    says: [
      /^problem: no node takes cert-manager\/cert-manager,.*control-plane:NoSchedule \| kubectl taint nodes --all node-role\.kubernetes\.io\/control-plane:NoSchedule-/,
    ],
  },
  {
    check: 'nodes.taints',
    fault: 'a taint of their own',
    change: { objects: withNodes(...tainted({ key: 'gpu', effect: 'NoExecute' })) },
    says: [/^problem: no node takes local-path-storage\/local-path-provisioner.*gpu:NoExecute/],
  },
  {
    check: 'nodes.taints',
    fault: 'all cordoned',
    change: { objects: withNodes(node('n1', { spec: { unschedulable: true } })) },
    says: [/^problem: no node takes .*every node is cordoned.*uncordon/],
  },
  {
    check: 'nodes.kind',
    fault: 'a 32-bit node',
    change: { objects: withNodes(node('n1'), node('n2', { info: { architecture: 'arm' } })) },
    says: [/^warning: n2: arm.*cordon n2/],
  },
  {
    check: 'nodes.kind',
    fault: 'nothing else',
    change: { objects: withNodes(node('n1', { info: { architecture: 'riscv64' } })) },
    says: [/^problem: n1: riscv64/],
  },
  {
    check: 'nodes.distinct',
    fault: 'cloned',
    change: { objects: withNodes(node('n1', { info: { machineID: 'x' } }), node('n2', { info: { machineID: 'x' } })) },
    says: [/^warning: n1, n2 have the same machine-id/],
  },
  {
    check: 'nodes.capacity',
    fault: 'too little in all',
    change: { objects: withNodes(node('n1', { allocatable: { cpu: '4', memory: '2Gi', pods: '110' } })) },
    says: [
      /^problem: the platform does not fit: 1\.1\d CPU and 2\.5Gi are asked for, 4 CPU and 2Gi of 1 node are free \| .* fits on no node: /,
    ],
  },
  {
    check: 'nodes.capacity',
    fault: 'too little in a rehearsal, where the scheduler says so itself',
    change: {
      site: { sandbox: { programs: { kubectl: '', helm: '' }, env: {}, charts: {}, routesFile: '' } },
      objects: withNodes(node('n1', { allocatable: { cpu: '500m', memory: '1950Mi', pods: '110' } })),
    },
    says: [/^warning: the platform does not fit: .*500m CPU and 1\.9Gi of 1 node are free/],
  },
  {
    check: 'nodes.capacity',
    fault: 'room, but none large enough for Rancher',
    change: {
      objects: withNodes(
        ...['n1', 'n2', 'n3', 'n4', 'n5'].map(name =>
          node(name, { allocatable: { cpu: '4', memory: '1000Mi', pods: '110' } }),
        ),
      ),
    },
    says: [/^problem: cattle-system\/rancher fits on no node: it asks for 250m CPU and 1Gi/],
  },
  {
    check: 'nodes.capacity',
    fault: 'what runs already has taken it',
    change: {
      objects: bare(...['n1', 'n2', 'n3'].map(name => pod(`kube-system/big-${name}`, name, { memory: '7900Mi' }))),
    },
    says: [/^problem: the platform does not fit: .* \| cattle-system\/rancher fits on no node/],
  },
  {
    check: 'nodes.capacity',
    fault: 'no number left for a pod',
    change: { objects: withNodes(node('n1', { allocatable: { cpu: '64', memory: '64Gi', pods: '3' } })) },
    says: [/^problem: .* fits on no node/],
  },
  {
    check: 'nodes.capacity',
    fault: 'a speaker finds no room on one node',
    change: {
      steps: ['02-metallb'],
      objects: withNodes(node('n1'), node('n2', { allocatable: { cpu: '10m', memory: '8Gi', pods: '9' } })),
    },
    says: [/^problem: metallb-system\/metallb-speaker does not fit on node n2/],
  },

  {
    check: 'versions.charts',
    fault: 'a Kubernetes that is too new',
    change: {
      kubernetes: 'v1.37.0',
      charts: [{ value: { step: '06-rancher', name: 'Rancher', version: '2.15.0', constraint: '<1.37.0-0' } }],
    },
    says: [/^problem: Rancher 2\.15\.0 does not run on Kubernetes v1\.37\.0.*RANCHER=false/],
  },
  {
    check: 'versions.charts',
    fault: 'a constraint that nobody understands',
    change: { charts: [{ value: { step: '02-metallb', name: 'MetalLB', version: '1', constraint: '~1.36' } }] },
    says: [/^unknown: .*"~1\.36"/],
  },
  {
    check: 'versions.charts',
    fault: 'no chart at hand, beside one',
    change: {
      charts: [
        { unknown: 'its chart is not on this machine yet' },
        { value: { step: '02-metallb', name: 'MetalLB', version: '1', constraint: undefined } },
      ],
    },
    says: [/^unknown: its chart is not/, /^well: .*MetalLB/],
  },
  {
    check: 'versions.kubelets',
    fault: 'four behind, and one ahead',
    change: { objects: withNodes(node('n1', { version: 'v1.32.0' }), node('n2', { version: 'v1.37.0' }), node('n3')) },
    says: [/^warning: the kubelet of n1 is v1\.32\.0/, /^warning: the kubelet of n2/],
  },
]
