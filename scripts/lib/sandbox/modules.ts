// Go modules as a build takes them: which version, where it lies, and copies with the few lines that we change.
import { chmod, cp, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HomelabError } from '../errors.ts'
import type { Go } from './go.ts'

export interface Patch {
  module: string
  file: string
  /** With the flags g and m. */
  from: RegExp
  to: string
}

/** The version that go.mod requires of a module. */
export function moduleVersion(goMod: string, module: string): string {
  const line = goMod.split('\n').find(text => text.trim().startsWith(`${module} v`))
  const version = line?.trim().split(/\s+/)[1]
  if (version) return version
  throw new HomelabError({
    what: `go.mod does not require ${module}`,
    why: 'the sandbox takes versions from there',
    fix: 'restore it: git checkout infrastructure/sandbox',
  })
}

/**
 * Copies the modules that are patched to `work`/modules and patches them.
 * @returns the `replace` lines that lead Go to the copies
 * @throws HomelabError when a patch does not fit
 */
export async function patchModules(go: Go, goMod: string, work: string, patches: readonly Patch[]): Promise<string> {
  const replaces: string[] = []
  for (const module of new Set(patches.map(patch => patch.module))) {
    const copy = join(work, 'modules', module)
    await cp(moduleDir(go, goMod, module), copy, { recursive: true, filter: path => !/_test\.go$|\/docs$/.test(path) })
    await makeWritable(copy) // the module cache is read-only
    for (const patch of patches.filter(patch => patch.module === module)) {
      const file = join(copy, patch.file)
      await writeFile(file, patched(await readFile(file, 'utf8'), patch))
    }
    replaces.push(`\nreplace ${module} => ${JSON.stringify(copy)}\n`)
  }
  return replaces.join('')
}

/** The text with the one line changed. @throws HomelabError unless there is exactly one */
export function patched(text: string, { module, file, from, to }: Patch): string {
  const found = text.match(from)?.length ?? 0
  if (found === 1) return text.replace(from, to)
  throw new HomelabError({
    what: `the patch of ${module} does not fit: ${file} has ${found} lines like ${from}, not one`,
    why: 'the module was updated and its source changed',
    fix: 'read that file and correct the patch in scripts/lib/sandbox',
  })
}

async function makeWritable(path: string): Promise<void> {
  const info = await stat(path)
  await chmod(path, info.mode | 0o200)
  if (info.isDirectory()) for (const name of await readdir(path)) await makeWritable(join(path, name))
}

/** A module's folder in Go's cache, where an upper-case letter is written as `!` and the lower-case one. */
export function moduleDir(go: Go, goMod: string, module: string): string {
  const escaped = module.replace(/[A-Z]/g, letter => `!${letter.toLowerCase()}`)
  return join(go.modCache, `${escaped}@${moduleVersion(goMod, module)}`)
}
