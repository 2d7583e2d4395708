// Three mistakes that somebody could make in a reading function. The fuzzer must find each, or its silence means nothing.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Place, Target } from './targets.ts'

export const planted = {
  /** Takes for granted that every line with a colon has something behind it. */
  throws: (text: string) => {
    for (const line of text.split('\n'))
      if (/^\s*[\w.-]+:/.test(line)) (/^\s*[\w.-]+:\s*(\S*)/.exec(line)?.[1]?.at(-1) ?? 'x').trim()
    const [, tagged] = /!(\w+)/.exec(text) ?? [undefined, 'none']
    if (text.includes('!!')) (tagged as unknown as { name: { length: number } }).name.length.toFixed()
  },
  /** Goes on until a quote is closed. */
  hangs: (text: string) => {
    const open = text.split('\n').find(line => /[:=] ?`[^`]*$/.test(line))
    for (let at = open?.length ?? 0; open !== undefined && open[at] !== '`'; ) at = (at + 1) % 1_000
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
