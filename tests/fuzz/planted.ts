// Three mistakes that somebody could make in a reading function. The fuzzer must find each, or its silence means nothing.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Place, Target } from './targets.ts'

export const planted = {
  /** Reads up to the first NUL, as C does, and takes for granted that there is something before it. */
  throws: (text: string) => {
    if (text.includes('\0')) (/^[^\0]{9}(\w)/.exec(text.slice(text.indexOf('\0'))) as RegExpExecArray)[1]?.trim()
  },
  /** Goes on until a quote is closed. */
  hangs: (text: string) => {
    const open = text.split('\n').find(line => /[:=] ?(["'`])(?!.*\1)/.test(line))
    const quote = /[:=] ?(["'`])/.exec(open ?? '')?.[1] ?? ''
    for (let at = open?.lastIndexOf(quote) ?? 0; open !== undefined; at = (at + 1) % 5_000)
      if (open[at + 1] === quote) break
  },
  /** Keeps a copy of what it could not read. */
  writes: (text: string, place: Place) => {
    if (text.includes('\t')) writeFileSync(join(place.lab.root, 'rejected.txt'), text)
  },
} as const

export type Planted = keyof typeof planted

/** The target with the mistake in front of it. */
export function plant(target: Target, mistake: Planted, place: Place): Target {
  return {
    ...target,
    async read(content) {
      const problems = await target.read(content)
      planted[mistake](content.toString('utf8'), place)
      return problems
    },
  }
}
