import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deafOf, policyOf, rulesOf } from '../../../scripts/lib/gatekeeper/read.ts'
import type { K8sObject } from '../../../scripts/lib/k8s.ts'

const constraint = (more: object): K8sObject =>
  ({
    apiVersion: 'constraints.gatekeeper.sh/v1beta1',
    kind: 'CisBenchmark',
    metadata: { name: 'cis-5-2-6', annotations: { 'homelab/says': 'no escalation' } },
    spec: { enforcementAction: 'dryrun', parameters: { check: '5.2.6' } },
    ...more,
  }) as K8sObject

test('a policy that was never audited has no count, and one that was has its own', () => {
  assert.deepEqual(policyOf(constraint({})), {
    ...{ name: 'cis-5-2-6', says: 'no escalation', action: 'dryrun', check: '5.2.6', found: [] },
  })
  const violations = [
    { kind: 'Pod', namespace: 'notes', name: 'web', message: '5.2.6: web' },
    { kind: 'Namespace', name: 'a' },
  ]
  const status = { auditTimestamp: '2026-11-25T10:00:00Z', totalViolations: 7, violations }
  const { violations: count, found } = policyOf(constraint({ status }))
  assert.equal(count, 7, 'all of them, not only those that are kept')
  assert.deepEqual(found, [
    { object: 'Pod notes/web', message: '5.2.6: web' },
    { object: 'Namespace a', message: '' },
  ])
})

test('a policy without an action refuses, as Gatekeeper takes it', () => {
  assert.equal(policyOf(constraint({ kind: 'Names', spec: {} })).action, 'deny')
})

test("of Falco's files the rules count; lists, macros and changes to rules of others do not", () => {
  const text = `
- { list: shells, items: [sh] }
- { macro: normal, condition: never_true, override: { condition: replace } }
- { rule: Terminal shell in container, condition: and not normal, override: { condition: append } }
- { rule: Ours, condition: spawned_process, output: x, priority: WARNING, tags: [homelab, T1528] }
`
  const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'falco-rules' }, data: { 'a.yaml': text } }
  assert.deepEqual(rulesOf(map as K8sObject), [{ rule: 'Ours', priority: 'WARNING', tags: ['homelab', 'T1528'] }])
})

test('a kernel that is too old for Falco is told, one that nobody knows is not', () => {
  const deaf = (kernelVersion: string) =>
    deafOf({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'n' },
      status: { nodeInfo: { kernelVersion } },
    } as K8sObject)
  for (const old of ['5.4.203-1-pve', '4.19.0-25-amd64', '5.7.1']) assert.equal(deaf(old)[0]?.kernel, old)
  for (const fine of ['5.8.0', '5.15.158-2-pve', '6.8.12-4-pve', '']) assert.deepEqual(deaf(fine), [], fine)
})
