// YAML files as they lie on the disk, read whole, with problems that name file and line.
import { isUtf8 } from 'node:buffer'
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Problem } from '../errors.ts'
import { limits, parseYaml, shownPath, type YamlDocument, type YamlFlaw } from './parse.ts'

/** A file that was pasted twice has one mistake, not four hundred. */
const most = 10

/** `infrastructure/charts.yaml:3 metallb.version: problem`, and the fix, for the first ten flaws of a file. */
export function problemsOf(file: string, flaws: readonly YamlFlaw[]): Problem[] {
  const more = flaws.length - most
  const problems = flaws.slice(0, most).map(({ line, path = [], problem, fix }) => {
    const place = short(shownPath(path))
    return { what: `${file}${line ? `:${line}` : ''}${place ? ` ${place}` : ''}: ${short(problem)}`, fix }
  })
  return more > 0 ? [...problems, { what: `${file}: and ${more} more`, fix: 'correct the first ones' }] : problems
}

/** What somebody pasted can be longer than what is wrong with it. */
const short = (text: string): string => (text.length > 300 ? `${text.slice(0, 300)}…` : text)

/**
 * The documents of a file.
 * @param file path in the repository `top`, as messages show it
 */
export function readYamlFile(file: string, top: string): { documents: YamlDocument[]; flaws: YamlFlaw[] } {
  const path = resolve(top, file)
  const text = readText(path, file)
  if (typeof text !== 'string') return { documents: [], flaws: [text] }
  const known = parsed.get(path)
  if (known?.text === text) return known
  const read = { text, ...parseYaml(text) }
  parsed.set(path, read)
  return read
}

// A run looks at every file before it begins, and its steps read them again: parsing is what costs time.
const parsed = new Map<string, { text: string; documents: YamlDocument[]; flaws: YamlFlaw[] }>()

function readText(path: string, file: string): string | YamlFlaw {
  const restore = `restore it: git checkout -- ${file}`
  try {
    const stats = statSync(path)
    if (stats.isDirectory()) return { line: 0, problem: 'is a folder', fix: restore }
    if (!stats.isFile()) return { line: 0, problem: 'is no ordinary file', fix: restore }
    if (stats.size > limits.bytes) return { line: 0, problem: `longer than ${limits.bytes} bytes`, fix: 'split it' }
    const bytes = readFileSync(path)
    if (!isUtf8(bytes)) return { line: 0, problem: 'not UTF-8', fix: 'save the file as UTF-8' }
    return bytes.toString('utf8')
  } catch (cause) {
    const absent = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    return { line: 0, problem: absent ? 'not found' : `cannot be read (${(cause as Error).message})`, fix: restore }
  }
}
