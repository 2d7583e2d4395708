// The applications keep the rules by which the parent, the project and a rebuild stay safe, in each environment.
import assert from 'node:assert/strict'
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { sourceHere } from '../../scripts/lib/gitops/application.ts'
import { readSite, siteChanges, siteFile, withSiteChanges } from '../../scripts/lib/gitops/site-file.ts'
import { at, type K8sObject, listAt, textAt } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import { parseManifest } from '../../scripts/lib/yaml/manifest.ts'
import { temporaryFolder } from '../temporary.ts'
import { flawsOf, secretsIn, valueFileFlaws } from './applications.ts'
import { changed } from './changed.ts'
import { applicationManifests, kustomized, kustomizedText, withEverything } from './rendered.ts'

const environments = ['dev', 'staging', 'prod']
const [parent] = applicationManifests()
/** Those that an environment does without while it lists `../without/…`. */
const optional = ['falco', 'gatekeeper', 'policies']
const names = (all: readonly K8sObject[]) => all.map(({ metadata }) => metadata.name).sort()

/** The repository as it is once its owner has run `make configure` for each environment. */
const fork = temporaryFolder('gitops')
cpSync(join(root, 'gitops'), join(fork, 'gitops'), { recursive: true })
const own = { repository: 'https://git.example.net/me/lab.git', revision: '1.0', domain: 'my.home.arpa' }
for (const environment of environments) {
  const file = join(fork, siteFile(environment))
  const text = readFileSync(file, 'utf8')
  const changes = siteChanges(readSite(text, file), { environment, ...own })
  writeFileSync(file, withSiteChanges(text, file, changes))
}

const texts = new Map(environments.map(one => [one, kustomizedText(`gitops/environments/${one}`, fork)]))
const applications = environments.flatMap(environment =>
  parseManifest(texts.get(environment) ?? '').map(application => ({ environment, application })),
)

test('the parent neither prunes nor takes its children along when it is deleted', () => {
  assert.equal(parent?.metadata.finalizers, undefined)
  assert.equal(at(parent?.spec, 'syncPolicy', 'automated', 'prune'), false)
  assert.equal(at(parent?.spec, 'syncPolicy', 'automated', 'allowEmpty'), false)
})

test('every application keeps the rules, in every environment', () => {
  assert.deepEqual(
    applications.flatMap(({ environment, application }) =>
      [...flawsOf(application), ...valueFileFlaws(application)].map(
        flaw => `${environment}: ${application.metadata.name}: ${flaw}`,
      ),
    ),
    [],
  )
})

test('those that an environment does without keep them too', () => {
  const found = kustomized('gitops/applications').filter(({ metadata }) => optional.includes(metadata.name))
  assert.deepEqual(names(found), optional)
  // The address is the example's; the environment fills in the one that the project allows.
  const example = 'the project does not allow https://github.com/OWNER/homelab.git'
  const flaws = found.flatMap(one => [...flawsOf(one), ...valueFileFlaws(one)]).filter(flaw => flaw !== example)
  assert.deepEqual(flaws, [])
})

test('each environment has every application of gitops/applications but those that it does without', () => {
  const files = readdirSync(join(root, 'gitops/applications')).filter(file => file !== 'kustomization.yaml')
  const listed = parse(readFileSync(join(root, 'gitops/applications/kustomization.yaml'), 'utf8')).resources
  assert.deepEqual([...listed].sort(), files.sort())
  const all = names(kustomized('gitops/applications'))
  for (const environment of environments) {
    const built = applications.filter(one => one.environment === environment).map(({ application }) => application)
    assert.deepEqual([...new Set(built.map(({ kind }) => kind))], ['Application'])
    assert.deepEqual([...names(built), ...optional].sort(), all, environment)
    assert.deepEqual(names(withEverything(environment)), all, `${environment}, once its lines are taken away`)
  }
})

test('an environment rendered twice is the same bytes', () => {
  for (const [environment, text] of texts)
    assert.equal(kustomizedText(`gitops/environments/${environment}`, fork), text)
})

test('what the site file says arrives: repository and branch, everywhere, and nothing of the example stays', () => {
  for (const { environment, application } of applications) {
    const here = sourceHere(application)
    if (here) assert.deepEqual([here.repository, here.revision], [own.repository, own.revision], environment)
  }
  for (const [environment, text] of texts) assert.doesNotMatch(text, /OWNER|[. ]lab\.home\.arpa/, environment)
})

// Kustomize is silent about a replacement that finds nothing.
test('each key of a site file is used, and each entry of the component reaches a field', () => {
  const component = parse(readFileSync(join(fork, 'gitops/environments/site/kustomization.yaml'), 'utf8'))
  const replaced = listAt(component, 'replacements').map(one =>
    textAt(one, 'source', 'fieldPath')?.slice('data.'.length),
  )
  // Each host has `domain` in it already.
  const known = new Set([...replaced, 'domain'])
  for (const environment of environments) {
    const file = siteFile(environment)
    const keys = [...readSite(readFileSync(join(root, file), 'utf8'), file).keys()]
    assert.deepEqual(
      keys.filter(key => !known.has(key)),
      [],
      `${file}: used by nothing`,
    )
    assert.deepEqual(
      replaced.filter(key => !keys.includes(key ?? '')),
      [],
      `${file}: not said`,
    )
  }
})

test('a fact that is changed in a site file is changed in each field that has it', () => {
  const component = parse(readFileSync(join(fork, 'gitops/environments/site/kustomization.yaml'), 'utf8'))
  const file = siteFile('dev')
  const text = readFileSync(join(fork, file), 'utf8')
  const keys = [...readSite(text, file).keys()].filter(key => key !== 'domain')
  const changes = keys.map(key => ({ key, to: `other-${key}`.toLowerCase() }))
  writeFileSync(join(fork, file), withSiteChanges(text, file, changes))
  const rendered = kustomizedText('gitops/environments/dev', fork)
  writeFileSync(join(fork, file), text)
  const fields = (key: string) =>
    listAt(component, 'replacements')
      .filter(one => textAt(one, 'source', 'fieldPath') === `data.${key}`)
      .flatMap(one => listAt(one, 'targets').flatMap(target => listAt(target, 'fieldPaths')))
  const few = keys.filter(
    key => rendered.split(new RegExp(`\\bother-${key.toLowerCase()}\\b`)).length - 1 < Math.max(1, fields(key).length),
  )
  assert.deepEqual(few, [])
})

for (const [path, value, expected] of [
  [['spec', 'project'], 'default', 'it is not in the project homelab'],
  [['spec', 'destination', 'namespace'], 'kube-system', 'the project does not allow the namespace kube-system'],
  [['spec', 'syncPolicy', 'syncOptions'], ['CreateNamespace=true'], 'it would own its namespace, and delete it'],
  [['metadata', 'labels'], {}, `the project does not allow ${own.repository}`],
  [['spec', 'source'], { repoURL: 'x', chart: 'loki', targetRevision: '*' }, 'the chart loki is not pinned: *'],
  [
    ['spec', 'source'],
    { helm: { valuesObject: { adminPassword: 'admin' } } },
    'source.helm.valuesObject.adminPassword looks like a secret',
  ],
  [['metadata', 'name'], 'x', undefined],
] as const)
  test(`the check says: ${expected ?? 'nothing about a good one'}`, () => {
    const welcome = applications.find(({ application }) => application.metadata.name === 'welcome')?.application
    const flaws = flawsOf(changed(welcome as K8sObject, path, value))
    if (expected) assert.ok(flaws.includes(expected), flaws.join('\n'))
    else assert.deepEqual(flaws, [])
  })

test('a reference to a secret is no secret', () => {
  assert.deepEqual(secretsIn({ admin: { existingSecret: 'grafana', passwordKey: 'password', userKey: 'user' } }), [])
})
