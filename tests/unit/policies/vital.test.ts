// Whoever changes a policy is told before the house has no DNS, or Argo CD no way to mend it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readPolicies } from '../../../scripts/lib/guardrails.ts'
import type { K8sObject } from '../../../scripts/lib/k8s.ts'
import { lockedOut } from '../../../scripts/lib/policies/vital.ts'
import { networkPolicies } from '../../../scripts/lib/preflight/policies.ts'
import { platform } from '../../../scripts/lib/status/platform.ts'
import { facts } from '../preflight/support.ts'

const policies = platform.flatMap(({ namespace }) => readPolicies(namespace))
const without = (namespace: string, name: string): K8sObject[] => {
  const rest = policies.filter(({ metadata }) => metadata.namespace !== namespace || metadata.name !== name)
  assert.equal(rest.length, policies.length - 1, `${namespace}/${name} is there`)
  return rest
}

test('the policies as they are lock nobody out', () => {
  assert.deepEqual(lockedOut(policies, 6443), [])
})

for (const [namespace, name, first] of [
  ['argocd', 'to-dns', 'argocd/argocd-server → kube-system/coredns 53/TCP: Argo CD finds nothing without it'],
  ['argocd', 'to-api-server', 'argocd/argocd-server → the API server 6443/TCP: it works by the API server'],
  [
    'argocd',
    'to-repositories',
    'argocd/argocd-repo-server → argocd/argocd-redis 6379/TCP: Argo CD stands still without it',
  ],
  ['adguard', 'from-house', 'outside the cluster → adguard/adguard 5353/TCP: the house has no DNS without it'],
  ['traefik', 'from-house', 'outside the cluster → traefik/traefik 8443/TCP: every page comes through it'],
  [
    'cert-manager',
    'from-api-server',
    'the API server → cert-manager/webhook 10250/TCP: nothing is admitted without it',
  ],
] as const)
  test(`without ${namespace}/${name} it is said who is locked out`, () => {
    assert.equal(lockedOut(without(namespace, name), 6443)[0], first)
  })

test('an API server on another port is out of reach', () => {
  assert.match(lockedOut(policies, 16443)[0] ?? '', /argocd-server → the API server 16443/)
})

test('so is a DNS cache on the nodes: it is no pod of kube-system', () => {
  assert.match(lockedOut(policies, 6443, true)[0] ?? '', /argocd-server → outside the cluster 53/)
})

test('switched off, nothing of it counts', () => {
  assert.deepEqual(
    [networkPolicies.look(facts({ site: { networkPolicies: false } }))].flat().map(({ state }) => state),
    ['well'],
  )
})
