// Every right that reaches beyond a namespace, and every namespace that allows more than `restricted`, is listed with its
// reason, and nothing is listed that is not there.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readExceptions, type Wide } from '../../scripts/lib/exceptions.ts'
import { podSecurity } from '../../scripts/lib/guardrails.ts'
import { type K8sObject, listAt, textAt } from '../../scripts/lib/k8s.ts'
import { components } from '../../scripts/lib/preflight/ours.ts'
import { root } from '../../scripts/lib/root.ts'
import { changed } from './changed.ts'
import { labObjects } from './lab-objects.ts'
import { platformManifests, programs, recorded } from './rendered.ts'

const { podSecurity: levels, clusterRights } = readExceptions()
const listed = new Map(clusterRights.flatMap(one => one.names.map(name => [name, new Set(one.wide)] as const)))
const objects = labObjects('prod')
const rights = objects.filter(({ kind }) => kind === 'ClusterRole' || kind === 'ClusterRoleBinding')

const texts = (value: unknown, ...path: string[]) => listAt(value, ...path).map(String)

/** What of these rules deserves a second look. */
function wideIn(rules: readonly unknown[]): Wide[] {
  const found = new Set<Wide>()
  for (const rule of rules) {
    const [groups, kinds, verbs] = [texts(rule, 'apiGroups'), texts(rule, 'resources'), texts(rule, 'verbs')]
    const all = [groups, kinds, verbs].map(list => list.includes('*'))
    if (all.every(Boolean)) found.add('everything')
    else if (all.some(Boolean)) found.add('wildcards')
    const core = groups.includes('') || groups.includes('*')
    if (!core || !(kinds.includes('secrets') || kinds.includes('*'))) continue
    if (verbs.some(verb => ['get', 'list', 'watch', '*'].includes(verb))) found.add('reads Secrets')
    if (verbs.some(verb => ['create', 'update', 'patch', 'delete', '*'].includes(verb))) found.add('writes Secrets')
  }
  return found.has('everything') ? ['everything'] : [...found]
}

function flaws(object: K8sObject): string[] {
  const { kind, metadata } = object
  const wide = listed.get(metadata.name)
  if (!wide) return [`${kind} ${metadata.name} is not listed in infrastructure/security/exceptions.yaml`]
  const all = textAt(object, 'roleRef', 'name') === 'cluster-admin'
  const found = all ? (['everything'] as const) : wideIn(listAt(object, 'rules'))
  return found
    .filter(one => !wide.has(one))
    .map(one => `${kind} ${metadata.name}: ${one}, and its entry does not say so`)
}

test('every cluster-wide right is listed with what is wide of it', () => {
  assert.ok(rights.length > 40, `only ${rights.length}`)
  assert.deepEqual(rights.flatMap(flaws), [])
})

test('the real charts have no other cluster-wide right', () => {
  const charts = readdirSync(join(root, 'tests/fixtures/inventories')).map(file => file.replace('.yaml', ''))
  const names = charts.flatMap(chart =>
    recorded(chart)
      .objects.filter(one => one.kind.startsWith('ClusterRole'))
      .map(one => one.name),
  )
  assert.deepEqual(
    names.filter(name => !listed.has(name)),
    [],
  )
  const there = new Set([...names, ...rights.map(({ metadata }) => metadata.name)])
  assert.deepEqual(
    [...listed.keys()].filter(name => !there.has(name)),
    [],
  )
})

const role = rights.find(({ metadata }) => metadata.name === 'argocd-server') as K8sObject
const alloy = rights.find(({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === 'alloy') as K8sObject
const rule = (apiGroups: string[], resources: string[], verbs: string[]) => [{ apiGroups, resources, verbs }]
for (const [object, path, value, expected] of [
  [role, ['metadata', 'name'], 'mine', 'ClusterRole mine is not listed in infrastructure/security/exceptions.yaml'],
  [role, ['rules'], rule(['*'], ['*'], ['*']), 'ClusterRole argocd-server: everything, and its entry does not say so'],
  [alloy, ['rules'], rule(['apps'], ['*'], ['get']), 'ClusterRole alloy: wildcards, and its entry does not say so'],
  [
    alloy,
    ['rules'],
    rule([''], ['secrets'], ['list']),
    'ClusterRole alloy: reads Secrets, and its entry does not say so',
  ],
] as const)
  test(`the check says: ${expected}`, () => {
    assert.deepEqual(flaws(changed(object, path, value)), [expected])
  })

/** The level of each namespace, by the scripts of the steps and by the file with those of the applications. */
function levelsOf(): Map<string, unknown> {
  const found = new Map<string, unknown>()
  for (const { metadata } of platformManifests().filter(({ kind }) => kind === 'Namespace')) {
    const level = metadata.labels?.['pod-security.kubernetes.io/enforce'] as 'restricted'
    for (const [label, wanted] of Object.entries(podSecurity(level)))
      assert.equal(metadata.labels?.[label], wanted, `namespace ${metadata.name}: ${label}`)
    found.set(metadata.name, level)
  }
  for (const { step } of components) {
    const text = readFileSync(join(root, 'bootstrap', `${step}.ts`), 'utf8')
    const [, name = '', level] = /namespace\('([\w-]+)', \{ podSecurity: '(\w+)' \}/.exec(text) ?? []
    found.set(name, level)
  }
  return found
}

test('every namespace is restricted, or listed with its level and a reason', () => {
  const found = levelsOf()
  for (const { namespace } of components) assert.ok(found.has(namespace), namespace)
  const other = [...found].filter(([, level]) => level !== 'restricted')
  assert.deepEqual(
    Object.fromEntries(other),
    Object.fromEntries(levels.map(({ namespace, level }) => [namespace, level])),
  )
})

test('the level that is enforced is that of the Kubernetes on which it is tested', () => {
  const [, minor] = /^v1\.(\d+)/.exec(programs.kubernetesVersion) ?? []
  assert.equal(podSecurity('restricted')['pod-security.kubernetes.io/enforce-version'], `v1.${minor}`)
})
