// All test files of a folder in one process. One for each would cost more than most of the tests in it, and what many of them
// look at (charts rendered, folders built by Kustomize) is made once. A single file runs by itself as well.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { root } from '../scripts/lib/root.ts'

export async function together(folder: string): Promise<void> {
  const top = join(root, 'tests', folder)
  const files = readdirSync(top, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.test.ts'))
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
