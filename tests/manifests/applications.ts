// What would go wrong with an Application that the parent makes.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { sourceHere, sourcesOf } from '../../scripts/lib/gitops/application.ts'
import { at, type K8sObject, listAt, textAt } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import { platformManifests } from './rendered.ts'

const platform = platformManifests()
const projects = new Map(
  platform.flatMap(one => (one.kind === 'AppProject' ? [[one.metadata.name, one] as const] : [])),
)
const namespaces = platform.filter(({ kind }) => kind === 'Namespace').map(({ metadata }) => metadata.name)
const projectOf = ({ spec }: K8sObject) => projects.get(textAt(spec, 'project') ?? '')
/** The limits are set by one application, in a project of its own. */
const wanted = ({ metadata }: K8sObject) => (metadata.name === 'resource-quotas' ? 'security' : 'homelab')

/** Everything that is wrong with it; empty when nothing is. */
export function flawsOf(child: K8sObject): string[] {
  const flaws: string[] = []
  const namespace = textAt(child.spec, 'destination', 'namespace') ?? ''
  if (child.metadata.namespace !== 'argocd') flaws.push('Argo CD looks only into its own namespace')
  if (textAt(child.spec, 'project') !== wanted(child)) flaws.push(`it is not in the project ${wanted(child)}`)
  const allowed = listAt(projectOf(child)?.spec, 'destinations').map(one => textAt(one, 'namespace'))
  if (!allowed.includes(namespace) && !allowed.includes('*'))
    flaws.push(`the project does not allow the namespace ${namespace}`)
  if (!namespaces.includes(namespace)) flaws.push(`nobody makes the namespace ${namespace}`)
  if (child.metadata.finalizers?.length) flaws.push('a finalizer: it would take everything along when it is deleted')
  const options = listAt(child.spec, 'syncPolicy', 'syncOptions')
  if (!options.includes('ServerSideApply=true')) flaws.push('it does not apply on the server')
  if (options.includes('CreateNamespace=true')) flaws.push('it would own its namespace, and delete it')
  // With a kind all objects of it would go.
  const kinds = child.metadata.name.endsWith('-crds')
  if (at(child.spec, 'syncPolicy', 'automated', 'prune') !== !kinds)
    flaws.push(kinds ? 'it prunes kinds' : 'it does not prune')
  if (at(child.spec, 'syncPolicy', 'automated', 'selfHeal') !== true) flaws.push('it does not heal itself')
  if (at(child.spec, 'syncPolicy', 'retry') === undefined) flaws.push('it gives up at the first failure')
  if (!child.metadata.annotations?.['argocd.argoproj.io/sync-wave']) flaws.push('it has no sync wave')
  return [...flaws, ...sourceFlaws(child), ...secretsIn(child.spec)]
}

function sourceFlaws(child: K8sObject): string[] {
  const here = sourceHere(child)
  const repositories = listAt(projectOf(child)?.spec, 'sourceRepos')
  return sourcesOf(child).flatMap(source => {
    const flaws: string[] = []
    const ours = source.pointer === here?.pointer
    if (!ours && !repositories.includes(source.repository))
      flaws.push(`the project does not allow ${source.repository}`)
    if (source.chart && !/^v?\d+\.\d+\.\d+$/.test(source.revision))
      flaws.push(`the chart ${source.chart} is not pinned: ${source.revision || 'no version'}`)
    if (!source.chart && !ours) flaws.push(`${source.repository} is followed, and nobody pins it`)
    if (source.path && !existsSync(join(root, source.path))) flaws.push(`there is no ${source.path}`)
    return flaws
  })
}

/** The files of values that it names with `$values/`; each is looked into as if it stood in the Application. */
export function valueFiles({ spec }: K8sObject): string[] {
  return listAt(spec, 'sources').flatMap(source =>
    listAt(source, 'helm', 'valueFiles').map(file => String(file).replace(/^\$values\//, '')),
  )
}

/** Flaws of the files of values. */
export function valueFileFlaws(child: K8sObject): string[] {
  return valueFiles(child).flatMap(file => {
    const path = join(root, file)
    if (!existsSync(path)) return [`there is no ${file}`]
    return secretsIn(parse(readFileSync(path, 'utf8'))).map(flaw => `${file}: ${flaw}`)
  })
}

const secretKey = /(password|passwd|token|secret|secret-?key|api-?key|access-?key|private-?key|credential)s?$/i
const reference = /existing|name|ref|enabled|mount|automount|^configSecret$/i
const secretText = /-----BEGIN [A-Z ]*PRIVATE KEY|AGE-SECRET-KEY-1|\bgh[pousr]_[A-Za-z0-9]{20}|\bAKIA[A-Z0-9]{12}/

/** Texts that look like a secret: Git and Argo CD's pages show them to everybody. */
export function secretsIn(value: unknown, path: readonly string[] = []): string[] {
  const key = path.at(-1) ?? ''
  if (typeof value === 'string') {
    const named = secretKey.test(key) && !reference.test(key) && !/^(\$\w+)?$/.test(value) // $TOKEN: out of the environment
    return named || secretText.test(value) ? [`${path.join('.')} looks like a secret`] : []
  }
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, one]) => secretsIn(one, [...path, name]))
}
