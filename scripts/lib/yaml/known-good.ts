// Which states of the owner's YAML were found to be good: the same files need not be read again for the same verdict.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from '../cache.ts'
import type { Vars } from '../fill.ts'
import { root } from '../root.ts'

/** So many states are remembered: an owner goes back and forth between a few branches. */
const most = 50

/**
 * All that a verdict depends on, in one digest: what the YAML files hold, which files there are, the names that a site gives,
 * and the code that judges. Nothing when one of them is no ordinary file.
 * @param top the repository
 */
export function stateOf(top: string, vars: Vars): string | undefined {
  const names = Object.keys(vars).filter(name => vars[name] !== undefined)
  const hash = createHash('sha256').update(JSON.stringify(names.sort()))
  try {
    for (const file of ['package-lock.json', ...listed(root, 'scripts/lib')]) {
      const { size, mtimeMs } = statSync(join(root, file))
      hash.update(JSON.stringify([file, size, mtimeMs]))
    }
    for (const file of ['infrastructure', 'gitops'].flatMap(folder => listed(top, folder))) {
      hash.update(JSON.stringify(file))
      if (!/\.ya?ml$/.test(file)) continue
      if (!statSync(join(top, file)).isFile()) return undefined
      const text = readFileSync(join(top, file))
      hash.update(`${text.length} `).update(text)
    }
  } catch {
    return undefined // one that cannot be read: whoever judges says so
  }
  return hash.digest('hex')
}

const listed = (top: string, folder: string): string[] =>
  readdirSync(join(top, folder), { recursive: true, encoding: 'utf8' })
    .sort()
    .map(name => `${folder}/${name}`)

const path = (): string => join(cacheFolder('checked'), 'yaml')

const remembered = (): string[] => {
  try {
    return readFileSync(path(), 'utf8').split('\n').filter(Boolean)
  } catch {
    return [] // there is none yet
  }
}

export const isKnownGood = (state: string): boolean => remembered().includes(state)

/** Where nothing can be kept, the next run looks again. */
export function rememberGood(state: string): void {
  try {
    const own = `${path()}.${process.pid}`
    writeFileSync(own, [state, ...remembered()].slice(0, most).join('\n'))
    renameSync(own, path())
  } catch {}
}
