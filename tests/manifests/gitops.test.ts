// The applications keep the rules by which the parent, the project and a rebuild stay safe.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { at, type K8sObject, listAt, mapAt, textAt } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import { changed } from './changed.ts'
import { applicationManifests, kustomized, platformManifests } from './rendered.ts'

const platform = platformManifests()
const project = platform.find(({ kind }) => kind === 'AppProject') as K8sObject
const namespaces = platform.filter(({ kind }) => kind === 'Namespace').map(({ metadata }) => metadata.name)
const [parent, ...rest] = applicationManifests()
const children = rest.filter(({ kind }) => kind === 'Application')

/** What would go wrong with a child of the parent. */
function childFlaws(child: K8sObject): string[] {
  const flaws: string[] = []
  const namespace = textAt(child.spec, 'destination', 'namespace') ?? ''
  if (textAt(child.spec, 'project') !== 'homelab') flaws.push('it is not in the project homelab')
  const allowed = listAt(project.spec, 'destinations').map(one => textAt(one, 'namespace'))
  if (!allowed.includes(namespace)) flaws.push(`the project does not allow the namespace ${namespace}`)
  if (!namespaces.includes(namespace)) flaws.push(`nobody makes the namespace ${namespace}`)
  const own = mapAt(child.metadata, 'labels')['homelab/source'] === 'this-repository'
  const repository = textAt(child.spec, 'source', 'repoURL')
  if (!own && !listAt(project.spec, 'sourceRepos').includes(repository))
    flaws.push(`the project does not allow ${repository}`)
  const options = listAt(child.spec, 'syncPolicy', 'syncOptions')
  if (!options.includes('ServerSideApply=true')) flaws.push('it does not apply on the server')
  if (options.includes('CreateNamespace=true')) flaws.push('it would own its namespace, and delete it')
  if (at(child.spec, 'syncPolicy', 'automated', 'prune') !== true) flaws.push('it does not prune')
  if (at(child.spec, 'syncPolicy', 'automated', 'selfHeal') !== true) flaws.push('it does not heal itself')
  if (at(child.spec, 'syncPolicy', 'retry') === undefined) flaws.push('it gives up at the first failure')
  if (!child.metadata.annotations?.['argocd.argoproj.io/sync-wave']) flaws.push('it has no sync wave')
  return flaws
}

test('the parent neither prunes nor takes its children along when it is deleted', () => {
  assert.equal(parent?.metadata.finalizers, undefined)
  assert.equal(at(parent?.spec, 'syncPolicy', 'automated', 'prune'), false)
  assert.equal(at(parent?.spec, 'syncPolicy', 'automated', 'allowEmpty'), false)
})

test('every child keeps the rules', () => {
  assert.ok(children.length > 0)
  assert.deepEqual(
    children.flatMap(child => childFlaws(child).map(flaw => `${child.metadata.name}: ${flaw}`)),
    [],
  )
})

for (const [path, value, expected] of [
  [['spec', 'project'], 'default', 'it is not in the project homelab'],
  [['spec', 'destination', 'namespace'], 'kube-system', 'the project does not allow the namespace kube-system'],
  [['spec', 'syncPolicy', 'syncOptions'], ['CreateNamespace=true'], 'it would own its namespace, and delete it'],
  [['metadata', 'labels'], {}, 'the project does not allow https://github.com/OWNER/homelab.git'],
] as const)
  test(`the check says: ${expected}`, () => {
    assert.ok(childFlaws(changed(children[0] as K8sObject, path, value)).includes(expected))
  })

test('each environment builds, and has every file of gitops/applications', () => {
  const files = readdirSync(join(root, 'gitops/applications')).filter(file => file !== 'kustomization.yaml')
  for (const environment of ['dev', 'staging', 'prod']) {
    const built = kustomized(`gitops/environments/${environment}`)
    assert.ok(
      built.every(({ kind }) => kind === 'Application'),
      'the parent holds applications only',
    )
    assert.ok(built.length >= files.length, `${environment} has ${built.length} applications of ${files.length} files`)
  }
})

test("the parent's patches reach the children that live in this repository, and only those", () => {
  const [patch] = listAt(parent?.spec, 'source', 'kustomize', 'patches')
  const [label, value] = (textAt(patch, 'target', 'labelSelector') ?? '').split('=')
  const reached = children.filter(child => mapAt(child.metadata, 'labels')[label ?? ''] === value)
  assert.deepEqual(
    reached.map(child => child.metadata.name),
    children.filter(child => textAt(child.spec, 'source', 'path')).map(child => child.metadata.name),
  )
})
