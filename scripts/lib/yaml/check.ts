// Every YAML file that its owner edits, looked at before the first write: a typo in one is said at once, with its line,
// and not after half of the platform is there.
import { existsSync, readdirSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { type Problem, throwProblems } from '../errors.ts'
import { unknownNames, type Vars } from '../fill.ts'
import { ownNamespace } from '../gitops/new-application.ts'
import { misplaced, notAlways, policiesFolder } from '../guardrails.ts'
import { at, listAt, textAt } from '../k8s.ts'
import { platform } from '../status/platform.ts'
import { problemsOf, readYamlFile } from './files.ts'
import { isKnownGood, rememberGood, stateOf } from './known-good.ts'
import { wrongLeaves } from './leaves.ts'
import type { YamlDocument, YamlFlaw } from './parse.ts'
import { notMap, notObject, notPins } from './shape.ts'

/** Names that a step adds to those of the site, for one of its files. */
const stepNames = ['adguardSeed', 'privateCA', 'nameserver', 'tsigKeyName', 'tsigAlgorithm']

/** What the steps read. A folder of the owner's own beside these is looked at too, but not needed. */
export const needed = [
  'infrastructure/charts.yaml',
  ...['AdGuardHome', 'ingress', 'seed', 'services', 'statefulset'].map(
    name => `infrastructure/platform/adguard/${name}.yaml`,
  ),
  ...['namespaces', 'project', 'values'].map(name => `infrastructure/platform/argocd/${name}.yaml`),
  ...['acme-cloudflare', 'acme-digitalocean', 'acme-rfc2136', 'issuers', 'values', 'wildcard'].map(
    name => `infrastructure/platform/cert-manager/${name}.yaml`,
  ),
  ...['provisioner', 'storage-class'].map(name => `infrastructure/platform/local-path/${name}.yaml`),
  ...['pool', 'values'].map(name => `infrastructure/platform/metallb/${name}.yaml`),
  ...['certificate', 'values'].map(name => `infrastructure/platform/rancher/${name}.yaml`),
  ...['dashboard', 'values'].map(name => `infrastructure/platform/traefik/${name}.yaml`),
  ...platform.map(
    ({ namespace }) => `${policiesFolder}/${notAlways.includes(namespace) ? 'optional' : 'base'}/${namespace}.yaml`,
  ),
  'gitops/bootstrap/applications.yaml',
]
const charts = ['metallb', 'traefik', 'cert-manager', 'rancher', 'argo-cd']

const folders = ['infrastructure/platform', 'infrastructure/monitoring', 'infrastructure/security', 'gitops']

/**
 * Everything that is wrong with the owner's YAML, file by file.
 * @param top the repository
 * @param vars the names that the site gives
 * @param others further files to look at
 */
export function yamlProblems(top: string, vars: Vars, others: readonly string[] = []): Problem[] {
  const found = folders
    .filter(folder => existsSync(join(top, folder)))
    .flatMap(folder => readdirSync(join(top, folder), { recursive: true, withFileTypes: true }))
    .filter(entry => !entry.isDirectory() && /\.ya?ml$/.test(entry.name))
    .map(entry => relative(top, join(entry.parentPath ?? entry.path, entry.name)))
  const names = { ...vars, ...Object.fromEntries(stepNames.map(name => [name, ''])) }
  return [...new Set([...needed, ...found, ...others])].sort().flatMap(file => fileProblems(file, top, names))
}

/**
 * Refuses to begin while one of them is wrong.
 * @throws HomelabError (exit 2) with all of it
 */
export function refuseBadYaml(top: string, vars: Vars): void {
  // Half a second of every run, mostly for files that only Argo CD reads.
  const state = stateOf(top, vars)
  if (state && isKnownGood(state)) return
  throwProblems(yamlProblems(top, vars))
  if (state && state === stateOf(top, vars)) rememberGood(state) // and nobody has changed a file meanwhile
}

/**
 * The pinned charts by name.
 * @param path of the file, absolute
 * @throws HomelabError (exit 2) with everything that is wrong in it
 */
export function readPins(path: string): unknown {
  const { documents, flaws } = readYamlFile(path, '/')
  const shown = path.replace(/^.*\/(infrastructure\/)/, '$1')
  throwProblems(problemsOf(shown, flaws.length ? flaws : notPins(documents, [])))
  return documents[0]?.value
}

/** What is wrong with one file; it is read as what its place says that it is. */
export function fileProblems(file: string, top: string, vars: Vars): Problem[] {
  const { documents, flaws } = readYamlFile(file, top)
  const found = flaws.length ? flaws : contentFlaws(file, top, documents, vars)
  return problemsOf(
    file,
    found.map(flaw => ({ ...flaw, fix: flaw.fix.replace('FILE', file) })),
  )
}

function contentFlaws(file: string, top: string, documents: readonly YamlDocument[], vars: Vars): YamlFlaw[] {
  const platform = file.startsWith('infrastructure/platform/') || file.startsWith('gitops/bootstrap/')
  return [
    ...shapeFlaws(file, top, documents),
    ...(platform ? documents.flatMap(document => unknownNames(document, vars)) : []),
    ...documents.flatMap(wrongLeaves),
  ].sort((a, b) => a.line - b.line)
}

function shapeFlaws(file: string, top: string, documents: readonly YamlDocument[]): YamlFlaw[] {
  if (file === 'infrastructure/charts.yaml') return notPins(documents, charts)
  const name = basename(file)
  if (name === 'kustomization.yaml') return notKustomization(file, top, documents)
  if (/^(values|AdGuardHome|exceptions)\.yaml$/.test(name)) return notMap(documents)
  if (file.startsWith('infrastructure/security/falco/manifests/base/rules/')) return [] // a list, in a form of Falco's own
  const objects = /^(infrastructure\/(platform|security)|gitops\/(bootstrap|applications))\//.test(file)
  if (!objects) return [] // a patch: kustomize judges it
  const flaws = documents.flatMap(notObject)
  const empty = documents.every(({ value }) => value === undefined)
  if (!flaws.length && !empty) return misplaced(file, documents, namespaces(top))
  return empty ? [{ line: 0, problem: 'empty', fix: 'restore it: git checkout -- FILE' }] : flaws
}

/** The namespaces that steps make: those that every lab has, and the others. */
function namespaces(top: string): { always: string[]; sometimes: string[] } {
  const { documents } = readYamlFile('infrastructure/platform/argocd/namespaces.yaml', top)
  const all = [
    ...platform.map(one => one.namespace),
    ...documents.flatMap(one => textAt(one.value, 'metadata', 'name') ?? []),
  ]
  const added = documents.filter(one => at(one.value, 'metadata', 'labels', ownNamespace) !== undefined)
  const sometimes = [...notAlways, ...added.flatMap(one => textAt(one.value, 'metadata', 'name') ?? [])]
  return { always: all.filter(one => !sometimes.includes(one)), sometimes }
}

function notKustomization(file: string, top: string, documents: readonly YamlDocument[]): YamlFlaw[] {
  const flaws = notMap(documents)
  const [document] = documents
  if (flaws.length || !document) return flaws
  const named = ['resources', 'components'].flatMap(list =>
    listAt(document.value, list).map((name, i) => [list, i, name] as const),
  )
  for (const [list, i, resource] of named) {
    if (typeof resource !== 'string' || /^[a-z]+:\/\/|^[\w.-]+@|\?ref=/.test(resource)) continue
    if (existsSync(join(top, dirname(file), resource))) continue
    const line = document.entries.find(({ path }) => path[0] === list && path[1] === i)?.line ?? document.line
    flaws.push({
      line,
      path: [list, i],
      problem: `there is no ${resource}`,
      fix: 'correct the name, or add the file',
    })
  }
  const resources = at(document.value, 'resources')
  if (resources !== undefined && resources !== null && !Array.isArray(resources))
    flaws.push({
      line: document.line,
      path: ['resources'],
      problem: 'no list',
      fix: 'begin each line below it with "- "',
    })
  return flaws
}
