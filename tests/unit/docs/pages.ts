// The pages that people read, as the tests of the documentation see them.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { root } from '../../../scripts/lib/root.ts'
import { anchorOf } from '../../../scripts/lib/troubleshooting.ts'

/** Everything in Markdown that is or will be committed, by its path in the repository. */
export const pages: ReadonlyMap<string, string> = new Map(
  execFileSync('git', ['-C', root, 'ls-files', '--cached', '--others', '--exclude-standard', '-z', '*.md'], {
    encoding: 'utf8',
  })
    .split('\0')
    .filter(Boolean)
    .map(path => [path, readFileSync(join(root, path), 'utf8')]),
)

export interface Line {
  text: string
  /** From 1. */
  number: number
  /** The language of the fence that it is in; undefined outside of any. */
  fence?: string
}

/** The lines of a page, each with the fence that it is in; the fences themselves left out. */
export function linesOf(page: string): Line[] {
  let fence: string | undefined
  return page.split('\n').flatMap((text, i) => {
    const mark = /^\s*```(.*)$/.exec(text)
    if (mark) {
      fence = fence === undefined ? (mark[1] ?? '') : undefined
      return []
    }
    return [{ text, number: i + 1, ...(fence === undefined ? {} : { fence }) }]
  })
}

/** The anchors of a page's headings; a second one of the same name gets -1, as GitHub does it. */
export function anchorsOf(page: string): Set<string> {
  const seen = new Map<string, number>()
  return new Set(
    linesOf(page).flatMap(({ text, fence }) => {
      const heading = fence === undefined ? /^#{1,6} (.+)$/.exec(text)?.[1] : undefined
      if (heading === undefined) return []
      const anchor = anchorOf(heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1'))
      const before = seen.get(anchor) ?? 0
      seen.set(anchor, before + 1)
      return [before ? `${anchor}-${before}` : anchor]
    }),
  )
}

/** The applications that gitops/applications has, by name. */
export const applications: readonly string[] = readdirSync(join(root, 'gitops/applications'))
  .filter(file => file !== 'kustomization.yaml')
  .flatMap(file => parseAllDocuments(readFileSync(join(root, 'gitops/applications', file), 'utf8')))
  .map(document => document.toJS() as { kind: string; metadata: { name: string } })
  .filter(({ kind }) => kind === 'Application')
  .map(({ metadata }) => metadata.name)
