// make remove-app, its part in Git: the files of an application go, and the lines about it.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { exit, HomelabError } from '../errors.ts'
import { root } from '../root.ts'
import { environments } from '../site/examine.ts'
import { parseManifest } from '../yaml/manifest.ts'
import { places } from './add-application.ts'
import { buildWith, type Files, readText } from './change.ts'
import { withoutEntry } from './lists.ts'
import { hostEntry, hostKey } from './new-application.ts'
import { siteFile } from './site-file.ts'

/**
 * What a checkout without the application would be; undefined when it has none of that name any more.
 * @throws HomelabError (exit 2) when it shares its file with others
 */
export async function withoutApplication(name: string, top = root): Promise<Files | undefined> {
  const file = fileOf(name, top)
  if (file === undefined) return undefined
  const files = new Map<string, string | undefined>([[file, undefined]])
  files.set(
    places.list,
    withoutEntry(readText(places.list, top), 'resources', file.slice('gitops/applications/'.length)),
  )
  const folder = `gitops/apps/${name}`
  if (existsSync(join(top, folder))) files.set(folder, undefined)
  const component = readText(places.component, top)
  // Both or none: an entry whose key is not there is an error of Kustomize's.
  if (component.includes(hostEntry(name))) {
    files.set(places.component, component.replace(hostEntry(name), ''))
    for (const environment of environments) {
      const site = siteFile(environment)
      files.set(site, readText(site, top).replace(new RegExp(`^  ${hostKey(name)}: .*\n`, 'm'), ''))
    }
  }
  await buildWith(
    files,
    environments.map(one => `gitops/environments/${one}`),
    top,
  )
  return files
}

/** The file in gitops/applications that has it. */
function fileOf(name: string, top: string): string | undefined {
  const folder = 'gitops/applications'
  for (const file of readdirSync(join(top, folder)).filter(
    one => one.endsWith('.yaml') && one !== 'kustomization.yaml',
  )) {
    const names = parseManifest(readText(`${folder}/${file}`, top)).map(({ metadata }) => metadata.name)
    if (!names.includes(name)) continue
    if (names.length === 1) return `${folder}/${file}`
    throw new HomelabError({
      what: `${folder}/${file} has ${names.join(', ')}`,
      why: 'they belong together, and which parts of the file are whose nobody but you knows',
      fix: `take ${name} out of it by hand, commit and push, then the same command again`,
      code: exit.usage,
    })
  }
  return undefined
}
