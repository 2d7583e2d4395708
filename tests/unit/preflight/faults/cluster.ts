// Faults of tools, API server, identity and rights.
import { bare, type Fault, lease } from '../support.ts'

/** As nodes whose clocks go with the API server's. */
const allLeases = (secondsAgo: number) =>
  bare().map(one => (one.kind === 'Lease' ? lease(one.metadata.name, secondsAgo) : one))

export const faults: readonly Fault[] = [
  {
    check: 'tools.kubectl',
    fault: 'two minor versions apart',
    change: { kubectl: { value: 'v1.34.0' } },
    says: [/^warning: kubectl is v1\.34\.0, the cluster v1\.36\.3.*1\.36/],
  },
  {
    check: 'tools.kubectl',
    fault: 'it does not say',
    change: { kubectl: { unknown: 'no JSON' } },
    says: [/^unknown: .*no JSON/],
  },
  {
    check: 'tools.helm',
    fault: 'Helm 3',
    change: { helm: { value: 'v3.18.4+gd80839c' } },
    says: [/^problem: helm on PATH is v3\.18\.4.*need Helm 4/],
  },
  {
    check: 'tools.helm',
    fault: 'no helm',
    change: { helm: { unknown: 'helm is not installed' } },
    says: [/^problem: helm does not run.*not installed/],
  },

  {
    check: 'cluster.api',
    fault: 'etcd is ill',
    change: { readyz: 'etcd, poststarthook/x' },
    says: [/^problem: .*not ready: etcd, poststarthook\/x/],
  },
  {
    check: 'cluster.api',
    fault: 'TLS not checked',
    change: { access: { server: 'https://192.168.1.10:6443', ends: { unknown: '' }, insecure: true } },
    says: [/^warning: .*not checked/],
  },
  {
    check: 'cluster.identity',
    fault: 'it may not be read',
    change: { uid: { unknown: 'namespaces is forbidden' } },
    says: [/^unknown: which cluster this is: namespaces is forbidden/],
  },
  {
    check: 'cluster.key-bundle',
    fault: 'none was ever made',
    change: { sealing: { value: { keys: ['sealed-secrets-key'] } } },
    says: [/^warning: there is no bundle.*make backup-keys/],
  },
  {
    check: 'cluster.key-bundle',
    fault: 'older than the newest key',
    change: { sealing: { value: { keys: ['a', 'b'], bundle: { made: Date.parse('2026-04-30'), keys: ['a'] } } } },
    says: [/^warning: the bundle is older than the sealing key b/],
  },
  {
    check: 'cluster.key-bundle',
    fault: 'of last year',
    change: { sealing: { value: { keys: ['a'], bundle: { made: Date.parse('2025-05-01'), keys: ['a'] } } } },
    says: [/^warning: the bundle is 365 days old/],
  },
  {
    check: 'cluster.key-bundle',
    fault: 'it may not be read',
    change: { sealing: { unknown: 'secrets is forbidden' } },
    says: [/^unknown: which sealing keys there are: secrets is forbidden/],
  },
  {
    check: 'cluster.credentials',
    fault: 'ended',
    change: { access: { server: '', ends: { value: Date.parse('2026-04-30') }, insecure: false } },
    says: [/^problem: .*ended on 2026-04-30.*k3s/],
  },
  {
    check: 'cluster.credentials',
    fault: 'ends in ten days',
    change: { access: { server: '', ends: { value: Date.parse('2026-05-11T12:00:00Z') }, insecure: false } },
    says: [/^warning: .*ends in 10 days, on 2026-05-11/],
  },
  {
    check: 'cluster.credentials',
    fault: 'a token',
    change: { access: { server: '', ends: { unknown: 'the kubeconfig has a token' }, insecure: false } },
    says: [/^unknown: .*token/],
  },
  {
    check: 'cluster.rights',
    fault: 'no administrator',
    change: { rights: { value: ['create, patch customresourcedefinitions.apiextensions.k8s.io'] } },
    says: [/^problem: .*create, patch customresourcedefinitions.*cluster-admin/],
  },
  {
    check: 'cluster.rights',
    fault: 'no answer',
    change: { rights: { unknown: 'HTTP 500' } },
    says: [/^unknown: HTTP 500/],
  },
  {
    check: 'cluster.admission',
    fault: 'a policy',
    change: { admission: new Map([['metallb-system', 'admission webhook "psa.example.org" denied the request: no']]) },
    says: [/^problem: .*metallb-system.*refused: admission webhook.*MetalLB needs/],
  },
  {
    check: 'cluster.admission',
    fault: 'no answer',
    change: { admission: new Map([['metallb-system', 'no answer within 1.5 s']]) },
    says: [/^unknown: .*metallb-system.*no answer/],
  },
  {
    check: 'cluster.admission',
    fault: 'a dead webhook, said once',
    change: {
      admission: new Map(
        ['metallb-system', 'cattle-system'].map(name => [name, 'failed calling webhook "old.example.org": Post …']),
      ),
    },
    says: [
      /^unknown: whether metallb-system, cattle-system are let in: the webhook old\.example\.org does not answer$/,
    ],
  },
  {
    check: 'cluster.clock',
    fault: 'this machine, a minute',
    change: { ahead: { value: -60_000 }, objects: allLeases(63) },
    says: [/^warning: the clock of the API server.* 60 s behind/],
  },
  {
    check: 'cluster.clock',
    fault: 'this machine, an hour',
    change: { ahead: { value: 3_600_000 }, objects: allLeases(-3595) },
    says: [/^problem: .*60 min ahead.*ntp/],
  },
  {
    check: 'cluster.clock',
    fault: 'a node in the future',
    change: {
      objects: bare(lease('a-node-that-is-gone', -400)).map(one =>
        one.kind === 'Lease' && one.metadata.name === 'n2' ? lease('n2', -400) : one,
      ),
    },
    says: [/^problem: the clock of the node n2, .* 6 min ahead/],
  },
  {
    check: 'cluster.clock',
    fault: 'a node in the past',
    change: {
      objects: bare().map(one => (one.kind === 'Lease' && one.metadata.name === 'n2' ? lease('n2', 120) : one)),
    },
    says: [/^warning: the clock of the node n2 is 80 s behind/],
  },
  {
    check: 'cluster.clock',
    fault: 'leases unread',
    change: { unread: new Map([['Lease', 'leases could not be read: forbidden']]) },
    says: [/^unknown: leases could not be read/],
  },
]
