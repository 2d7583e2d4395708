// The rules of NetworkPolicy, one case each: what a policy opens, and what it leaves shut.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { K8sObject } from '../../../scripts/lib/k8s.ts'
import { closedBy } from '../../../scripts/lib/policies/connect.ts'
import type { Outside, Peer, Pod } from '../../../scripts/lib/policies/world.ts'

const pod = (name: string, port = 8080): Pod => ({
  name,
  namespace: name.split('/')[0] ?? '',
  labels: { app: name.split('/')[1] ?? '' },
  ports: [{ name: 'http', number: port, protocol: 'TCP' }],
  spec: {},
})
const [web, other, far] = [pod('a/web'), pod('a/other'), pod('b/far')]
const device: Outside = { outside: 'a device', address: '192.168.1.20' }
const world = {
  namespaces: new Map([
    ['a', { name: 'a' }],
    ['b', { name: 'b', team: 'x' }],
  ]),
}

/** A policy of the namespace a, for the pod web. */
const policy = (spec: object, namespace = 'a'): K8sObject => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name: 'p', namespace },
  spec: { podSelector: { matchLabels: { app: 'web' } }, ...spec },
})
const into = (...rules: object[]) => [policy({ ingress: rules })]
const out = (...rules: object[]) => [policy({ policyTypes: ['Egress'], egress: rules })]

const cases: [name: string, policies: K8sObject[], from: Peer, to: Peer, closed: string[], port?: number | 'ping'][] = [
  ['no policy, no limit', [], far, web, []],
  ['a policy without rules shuts', into(), other, web, ['ingress']],
  ['it holds only the pods that it selects', into(), far, other, []],
  ['and only those of its namespace', [policy({ ingress: [] }, 'b')], other, web, []],
  ['without types, egress stays open', into(), web, far, []],
  ['without types, egress rules shut the rest', [policy({ egress: [] })], web, far, ['egress']],
  ['an empty rule opens all', into({}), far, web, []],
  ['pods of the same namespace', into({ from: [{ podSelector: {} }] }), other, web, []],
  ['are not those of another', into({ from: [{ podSelector: {} }] }), far, web, ['ingress']],
  ['a namespace by its labels', into({ from: [{ namespaceSelector: { matchLabels: { team: 'x' } } }] }), far, web, []],
  [
    'both selectors in one peer must fit',
    into({ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: 'near' } } }] }),
    ...([far, web, ['ingress']] as [Peer, Peer, string[]]),
  ],
  [
    'of two peers one is enough',
    into({ from: [{ namespaceSelector: {} }, { podSelector: { matchLabels: { app: 'near' } } }] }),
    ...([far, web, []] as [Peer, Peer, string[]]),
  ],
  ['selectors let in no device', into({ from: [{ namespaceSelector: {} }] }), device, web, ['ingress']],
  ['a rule without peers does', into({ ports: [{ port: 8080 }] }), device, web, []],
  ['a block has its addresses', into({ from: [{ ipBlock: { cidr: '192.168.1.0/24' } }] }), device, web, []],
  ['and no others', into({ from: [{ ipBlock: { cidr: '10.0.0.0/8' } }] }), device, web, ['ingress']],
  [
    'but for its exceptions',
    into({ from: [{ ipBlock: { cidr: '0.0.0.0/0', except: ['192.168.1.0/24'] } }] }),
    ...([device, web, ['ingress']] as [Peer, Peer, string[]]),
  ],
  ['a port', into({ ports: [{ port: 8080 }] }), far, web, []],
  ['and no other', into({ ports: [{ port: 8081 }] }), far, web, ['ingress']],
  ['a port by the name that the pod has for it', into({ ports: [{ port: 'http' }] }), far, web, []],
  ['which on the way out is a name of the other pod', out({ ports: [{ port: 'http' }] }), web, pod('b/x', 81), [], 81],
  ['a range', into({ ports: [{ port: 8000, endPort: 8090 }] }), far, web, []],
  ['which ends', into({ ports: [{ port: 8000, endPort: 8079 }] }), far, web, ['ingress']],
  ['another protocol', into({ ports: [{ protocol: 'UDP', port: 8080 }] }), far, web, ['ingress']],
  ['all ports of a protocol', out({ ports: [{ protocol: 'TCP' }] }), web, device, []],
  ['are no ping', out({ ports: [{ protocol: 'TCP' }] }), web, device, ['egress'], 'ping'],
  ['a rule without ports is', out({}), web, device, [], 'ping'],
  ['both ends count', [...out(), policy({ podSelector: {}, ingress: [] }, 'b')], web, far, ['egress', 'ingress']],
  ['of two policies one is enough', [...into(), ...into({})], far, web, []],
]

for (const [name, policies, from, to, closed, port = 8080] of cases)
  test(name, () => {
    const connection = port === 'ping' ? { from, to } : { from, to, port, protocol: 'TCP' as const }
    assert.deepEqual(closedBy(connection, policies, world), closed)
  })
