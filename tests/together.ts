// All test files of a folder in one process. One for each would cost more than most of the tests in it, and what many of them
// look at (charts rendered, folders built by Kustomize) is made once. A single file runs by itself as well.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { root } from '../scripts/lib/root.ts'

/** Files whose tests wait most of the time, for another program or for an answer that does not come: a process beside the others. */
export const waits = (file: string): boolean => file.endsWith('.waits.test.ts')

/** @param belongs which files of the folder */
export async function together(folder: string, belongs: (file: string) => boolean): Promise<void> {
  const top = join(root, 'tests', folder)
  const files = readdirSync(top, { recursive: true, encoding: 'utf8' }).filter(
    file => file.endsWith('.test.ts') && belongs(file),
  )
  // Where nothing is pending while a file loads, Node's runner takes that for the end of all tests.
  const loading = setInterval(() => {}, 1000)
  for (const file of files.sort())
    await import(pathToFileURL(join(top, file)).href).catch((error: unknown) => {
      test(`${folder}/${file} loads`, () => {
        throw error
      })
    })
  clearInterval(loading)
}
