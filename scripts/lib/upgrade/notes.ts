// What upgrade-notes.yaml says of a component, and the commit to which the way back leads.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { Pin } from '../charts.ts'
import { root } from '../root.ts'
import { git } from '../site/git.ts'
import type { Versions } from './versions.ts'

export interface Note {
  /** Addresses of the publisher's own notes. */
  notes: string[]
  minors?: 'one'
  /** What going back does not bring back. */
  back: string
}

/** By step: `04-traefik`. */
export const readNotes = (): Record<string, Note> =>
  parse(readFileSync(join(root, 'infrastructure/upgrade-notes.yaml'), 'utf8')) as Record<string, Note>

// A lab's history is short; whoever goes back further knows the commit.
const looked = 50

/**
 * The commands that bring a component back to what runs now. `helm rollback` is none of them: it brings back neither
 * CRDs nor our own objects, and the next run would go forward again.
 * @param files the folder of its values and manifests
 * @param chart its name in charts.yaml, where that is the pin which moves; else it is an image in `files`
 */
export async function wayBack(step: string, files: string, chart: string | undefined, from: Versions): Promise<string> {
  const pinsFile = 'infrastructure/charts.yaml'
  const has = (text: string): boolean => {
    if (chart === undefined) return from.program !== undefined && new RegExp(`[: ]${from.program}\\s`).test(text)
    return (parse(text) as Record<string, Pin> | null)?.[chart]?.version === from.chart
  }
  const watched = chart === undefined ? files : pinsFile
  const commits = (await git(root, 'log', '--format=%h', `-${looked}`, '--', watched))?.split('\n') ?? []
  let found: string | undefined
  for (const commit of commits) {
    const names =
      chart === undefined ? ((await git(root, 'ls-tree', '--name-only', commit, `${files}/`)) ?? '') : watched
    const texts = await Promise.all(names.split('\n').map(name => git(root, 'show', `${commit}:${name}`)))
    if (!texts.some(text => text !== undefined && has(text))) continue
    found = commit
    break
  }
  const paths = chart === undefined ? files : `${pinsFile} ${files}`
  const commit = found ?? `COMMIT-WITH-${chart === undefined ? from.program : from.chart}`
  return `git checkout ${commit} -- ${paths} && make install STEP=${step.slice(0, 2)}`
}
