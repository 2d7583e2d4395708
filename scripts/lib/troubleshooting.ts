// From a message to what the troubleshooting page says about it. The page's own headings are the list: there is no other.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Problem } from './errors.ts'
import { root } from './root.ts'

export const troubleshooting = 'infrastructure/docs/TROUBLESHOOTING.md'

/** A heading of the page: a message in which `…` stands for whatever is different each time. */
export interface Entry {
  heading: string
  pattern: RegExp
}

/** The entries of a page, those that say most first: of several that fit, the first is the nearest. */
export function entriesOf(page: string): Entry[] {
  const headings = [...page.matchAll(/^### (.+)$/gm)].map(([, heading = '']) => heading)
  return headings
    .map(heading => ({ heading, pattern: new RegExp(heading.split('…').map(literally).join('.+?'), 's') }))
    .sort((a, b) => b.heading.length - a.heading.length)
}

const literally = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** The anchor that GitHub and others give a heading. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-')
}

/** The problem with the way to its entry, if it has no way of its own. The cause counts before what it led to. */
export function withPage<P extends Problem>(problem: P): P & Problem {
  if (problem.link !== undefined) return problem
  const entries = entriesOf(read())
  const found = [problem.why, problem.what]
    .map(text => entries.find(({ pattern }) => text !== undefined && pattern.test(text)))
    .find(entry => entry !== undefined)
  return found ? { ...problem, link: `${troubleshooting}#${anchorOf(found.heading)}` } : problem
}

let page: string | undefined

function read(): string {
  try {
    page ??= readFileSync(join(root, troubleshooting), 'utf8')
  } catch {
    page = '' // an error of its own would hide the one that is to be told
  }
  return page
}
