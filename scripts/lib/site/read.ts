// From the lines of .env, and the environment over them, to one value a key; and every problem in the owner's words.

import type { Problem } from '../errors.ts'
import { hide } from '../redact.ts'
import type { EnvFile } from './env-lines.ts'
import { isFlaw } from './network.ts'
import type { Draft } from './rules.ts'
import { about, isRequired, type Key, keys, readKey, secretKeys, type Values } from './schema.ts'
import { placeholders } from './values.ts'

/** What somebody wrote for a key, and where: `line` is 0 for the environment. */
export interface Source {
  text: string
  line: number
}

export type Sources = ReadonlyMap<string, Source>

/** A problem before it is put into words. Without `line` it stands where its key stands. */
export interface Found {
  key?: string
  line?: number
  problem: string
  fix: string
}

/**
 * The text of each key: the environment's where it has one, else the file's. Of the environment only keys of the
 * schema are looked at, and secrets are hidden from all output from here on.
 * @returns also a notice for each key that the environment decides, but not for KUBECONFIG, which usually lives there
 */
export function collect(
  file: EnvFile,
  name: string,
  outer: Readonly<Record<string, string | undefined>>,
): { sources: Sources; notices: string[] } {
  const sources = new Map<string, Source>(
    [...file.values].map(([key, { value, line }]) => [key, { text: value, line }]),
  )
  const notices: string[] = []
  for (const key of keys) {
    const own = sources.get(key)
    const over = outer[key]
    if (over && over !== own?.text) {
      sources.set(key, { text: over, line: 0 })
      if (own) notices.push(`${key} from environment overrides ${name}`)
      else if (key !== 'KUBECONFIG') notices.push(`${key} comes from the environment`)
    }
    if (secretKeys.has(key)) for (const text of [own?.text, over]) if (text) hide(text)
  }
  // A password inside an address is refused later; until then it must not be printed either.
  const password = /^[a-z]+:\/\/[^/@]*?([^/:@]+)@/i.exec(sources.get('GIT_REPOSITORY')?.text ?? '')?.[1]
  if (password) hide(password)
  return { sources, notices }
}

/** The value of each key that could be read, and the problems of the others. An empty text means absent. */
export function readValues(file: EnvFile, sources: Sources): { draft: Draft; problems: Found[] } {
  const problems: Found[] = []
  const broken = new Set(file.problems.flatMap(({ key }) => key?.toUpperCase() ?? []))
  for (const key of sources.keys()) {
    if ((keys as readonly string[]).includes(key)) continue
    const near = nearest(key, keys)
    problems.push({
      key,
      problem: 'unknown key',
      fix: near ? `${near} is one` : 'remove the line; infrastructure/docs/CONFIGURATION.md lists the keys',
    })
    if (near && !sources.has(near)) broken.add(near) // meant, so nothing more is said about it
  }
  const values: Partial<Record<Key, unknown>> = {}
  for (const key of keys) {
    if (broken.has(key)) continue
    const read = readOne(key, sources.get(key)?.text)
    if (isFlaw(read)) {
      broken.add(key)
      problems.push({ key, ...read })
    } else values[key] = read.value
  }
  return { draft: { values: values as Partial<Values>, given: new Set(sources.keys()), broken }, problems }
}

function readOne(key: Key, text: string | undefined): ReturnType<typeof readKey> {
  if (!text && isRequired(key))
    return { problem: text === '' ? 'empty' : 'not set', fix: `${key}=${about(key).example}` }
  if (text && text === placeholders.get(key))
    return {
      problem: 'still the placeholder of .env.example',
      fix: `write your own, such as ${key}=${about(key).example}`,
    }
  return readKey(key, text || undefined)
}

/** Problems as the owner reads them, in the order of the file: `.env:LINE KEY: problem. Fix: …`. Secrets show their length. */
export function describeProblems(name: string, sources: Sources, found: readonly Found[]): Problem[] {
  return found
    .map(({ key, line, problem, fix }) => {
      const source = key === undefined ? undefined : sources.get(key)
      const at = line ?? source?.line
      const text = key !== undefined && secretKeys.has(key) && source?.text
      const length = text ? `(${text.length} characters) ` : ''
      const where = at ? `${name}:${at}` : source ? 'environment' : name
      const what =
        at === 0 && key === undefined ? problem : `${where}${key === undefined ? '' : ` ${key}`}: ${length}${problem}`
      return { at: at ?? Number.MAX_SAFE_INTEGER, what: `${what}. Fix: ${fix}` }
    })
    .sort((a, b) => a.at - b.at)
    .map(({ what }) => ({ what }))
}

/** The known word nearest to a mistyped one (edit distance of a third of its length at most). */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const [best] = known.map(one => [distance(word, one), one] as const).sort(([a], [b]) => a - b)
  return best && best[0] <= Math.max(2, word.length / 3) ? best[1] : undefined
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (const [i, one] of [...a].entries()) {
    const next = [i + 1]
    for (const [j, other] of [...b].entries())
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (one === other ? 0 : 1)))
    row = next
  }
  return row[b.length] ?? 0
}
