// Go modules that are read and not built (infrastructure/sandbox/upstream): where upstream's own files lie, verified by go.sum.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { checkNetwork, findGo, runGo } from './go.ts'
import { moduleVersion } from './modules.ts'
import { sources } from './paths.ts'
import type { Report } from './report.ts'

const module = join(sources, 'upstream')

export interface Upstream {
  dir: string
  /** `v0.93.1` */
  version: string
}

const known = new Map<string, Promise<Upstream>>()

/**
 * A module's folder in Go's cache; the first time it is downloaded (a few megabytes).
 * @throws HomelabError without Go, or without network while it is not there
 */
export function upstream(name: string, report: Report): Promise<Upstream> {
  const found = known.get(name) ?? fetchModule(name, report)
  known.set(name, found)
  return found
}

async function fetchModule(name: string, report: Report): Promise<Upstream> {
  const go = await findGo()
  const version = moduleVersion(await readFile(join(module, 'go.mod'), 'utf8'), name)
  const download = (proxy: Record<string, string>) =>
    runGo(go, module, ['mod', 'download', '-json', name], () => {}, { GOFLAGS: '-mod=mod', ...proxy })
  const text = await download({ GOPROXY: 'off' }).catch(async () => {
    await checkNetwork(go)
    report(`programs: downloading ${name} ${version}, once`)
    return download({})
  })
  return { dir: (JSON.parse(text) as { Dir: string }).Dir, version }
}
