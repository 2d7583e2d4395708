// Which files of the repository an Application is made of, and whether they are the same on both sides. Pure.
import { posix } from 'node:path'
import { sourceHere, sourcesOf } from '../gitops/application.ts'
import { at, type K8sObject, listAt, textAt } from '../k8s.ts'
import type { Side } from './sides.ts'

/** Sources that are this repository at the revision that its environment follows: they are read from the commit. */
export function ownSources(applications: readonly K8sObject[]): Set<string> {
  return new Set(
    applications.flatMap(one => {
      const here = sourceHere(one)
      return here ? [`${here.repository} ${here.revision}`] : []
    }),
  )
}

/**
 * What the Application reads of this repository: files and folders, `.` for all of it where that cannot be told.
 * @param own as `ownSources` says
 */
export function readsOf({ spec }: K8sObject, own: ReadonlySet<string>): string[] {
  const sources = sourcesOf({ spec })
  const ours = sources.filter(one => own.has(`${one.repository} ${one.revision}`))
  const refs = new Set(ours.flatMap(({ ref }) => (ref === undefined ? [] : [`$${ref}`])))
  const folders = ours.flatMap(({ path }) => (path === undefined ? [] : [posix.normalize(path)]))
  const files = sources.flatMap(({ pointer, path = '.' }) => {
    const source = at({ spec }, ...pointer.slice(1).split('/'))
    const named = [
      ...listAt(source, 'helm', 'valueFiles'),
      ...listAt(source, 'helm', 'fileParameters').map(one => textAt(one, 'path')),
    ].map(String)
    return named.flatMap(file => {
      const [first = '', ...rest] = file.split('/')
      if (refs.has(first)) return [plain(rest.join('/'))]
      if (file.includes('://') || !ours.some(one => one.pointer === pointer)) return []
      return [plain(file.startsWith('/') ? file.slice(1) : posix.join(path, file))]
    })
  })
  return [...folders, ...files]
}

/** A path up to its first wildcard or variable. */
function plain(path: string): string {
  const parts = path.split('/')
  const end = parts.findIndex(part => /[*?[{$]/.test(part))
  return (end < 0 ? parts : parts.slice(0, end)).join('/') || '.'
}

/** Every file below the paths with its hash, and below those that their kustomizations and charts name. */
export function fingerprint({ files, outward }: Side, paths: readonly string[]): string {
  const open = [...paths]
  const done = new Set<string>()
  const lines: string[] = []
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (done.has(path)) continue
    done.add(path)
    const below = (one: string) => path === '.' || one === path || one.startsWith(`${path}/`)
    for (const [file, about] of files) {
      if (!below(file)) continue
      lines.push(`${file} ${about}`)
      if (about.startsWith('120000')) open.push('.') // a link: it may lead anywhere
    }
    for (const [folder, targets] of outward) if (below(folder)) open.push(...targets)
  }
  return lines.sort().join('\n')
}
