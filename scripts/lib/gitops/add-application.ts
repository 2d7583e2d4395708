// make add-app: every file that an application of the owner's own needs, and the lines in those that are there.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Values } from '../command.ts'
import { exit, HomelabError } from '../errors.ts'
import { clusterNamespaces, type K8sObject } from '../k8s.ts'
import { root } from '../root.ts'
import { environments } from '../site/examine.ts'
import { platform } from '../status/platform.ts'
import { parseManifest } from '../yaml/manifest.ts'
import { buildWith, type Files, readText } from './change.ts'
import { withEntry } from './lists.ts'
import {
  filesOf,
  hostEntry,
  hostKey,
  limitsFile,
  limitsOf,
  namespaceOf,
  ownNamespace,
  readWanted,
  type Wanted,
} from './new-application.ts'
import { readSite, siteFile, withSiteChanges } from './site-file.ts'

export const places = {
  list: 'gitops/applications/kustomization.yaml',
  component: 'gitops/environments/site/kustomization.yaml',
  namespaces: 'infrastructure/platform/argocd/namespaces.yaml',
  project: 'infrastructure/platform/argocd/project.yaml',
  limits: 'infrastructure/security/resource-quotas/kustomization.yaml',
}

/**
 * The change, built for every environment before anything of it is written.
 * @throws HomelabError (exit 2) with everything that is wrong with what was asked for
 */
export async function newApplication(values: Values, top = root): Promise<{ wanted: Wanted; files: Files }> {
  const namespaces = readText(places.namespaces, top)
  const made = parseManifest(namespaces)
  const wanted = readWanted(values, taken(values.name, made, top))
  const { name } = wanted
  const files = new Map<string, string>()
  for (const environment of environments) {
    const file = siteFile(environment)
    const text = readText(file, top)
    const host = `${name}.${readSite(text, file).get('domain') ?? 'lab.home.arpa'}`
    files.set(file, withSiteChanges(text, file, [{ key: hostKey(name), to: host }]))
  }
  const host = readSite(files.get(siteFile('prod')) ?? '', 'site.yaml').get(hostKey(name)) ?? ''
  for (const [file, text] of filesOf(wanted, host)) files.set(file, text)
  files.set(places.list, withEntry(readText(places.list, top), 'resources', `${name}.yaml`))
  const component = readText(places.component, top)
  if (!component.includes(`data.${hostKey(name)} `))
    files.set(places.component, `${component.trimEnd()}\n${hostEntry(name)}`)
  // Those of an application that has gone are still there, with its volume.
  if (!made.some(({ metadata }) => metadata.name === name))
    files.set(places.namespaces, `${namespaces.trimEnd()}\n${namespaceOf(wanted)}`)
  files.set(limitsFile(name), limitsOf(wanted))
  const limits = readText(places.limits, top)
  if (!limits.includes(`optional/${name}.yaml`))
    files.set(places.limits, withEntry(limits, 'resources', `optional/${name}.yaml`))
  const project = withDestination(readText(places.project, top), name)
  if (project !== undefined) files.set(places.project, project)
  const folders = [
    ...environments.map(one => `gitops/environments/${one}`),
    `gitops/apps/${name}`,
    'infrastructure/security/resource-quotas',
  ]
  const built = await buildWith(files, folders, top)
  built.slice(0, environments.length).forEach((text, i) => {
    const environment = environments[i] ?? 'prod'
    const arrived = parseManifest(text).some(({ metadata }) => metadata.name === name)
    if (!arrived || !text.includes(`homelab/host: ${name}.`))
      throw new Error(`${name} does not arrive in ${environment}`)
  })
  return { wanted, files }
}

/** Names that something has already, with what that is. */
function taken(name: unknown, made: readonly K8sObject[], top: string): Map<string, string> {
  const names = new Map<string, string>()
  for (const one of clusterNamespaces) names.set(one, 'a namespace of the cluster itself')
  for (const one of platform) names.set(one.namespace, `the namespace of ${one.name}`)
  names.set('homelab', 'the parent of the applications')
  if (typeof name !== 'string') return names
  const files = [`gitops/applications/${name}.yaml`, `gitops/apps/${name}`]
  const there = files.find(file => /^[\w-]+$/.test(name) && existsSync(join(top, file)))
  if (there) names.set(name, `there is ${there}`)
  else if (made.some(({ metadata }) => metadata.name === name && !metadata.labels?.[ownNamespace]))
    names.set(name, 'the namespace of another application')
  return names
}

/** The project with one more destination; undefined when it is there. */
function withDestination(text: string, namespace: string): string | undefined {
  const entry = (name: string) => `    - server: https://kubernetes.default.svc\n      namespace: ${name}\n`
  if (text.includes(entry(namespace))) return undefined
  const all = [...text.matchAll(/^ {4}- server: https:\/\/kubernetes\.default\.svc\n {6}namespace: \S+\n/gm)]
  const last = all.at(-1)
  if (!last)
    throw new HomelabError({
      what: `${places.project} has no destinations`,
      fix: `git checkout -- ${places.project}`,
      code: exit.usage,
    })
  const at = last.index + last[0].length
  return text.slice(0, at) + entry(namespace) + text.slice(at)
}
