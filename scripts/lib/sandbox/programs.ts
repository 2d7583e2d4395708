// The programs of the sandbox: which there are, where they lie, and that they are built when they are missing.
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HomelabError } from '../errors.ts'
import { build, packages, recipe } from './build.ts'
import { withFileLock } from './filelock.ts'
import { diskFull, findGo, type Go } from './go.ts'
import { moduleVersion } from './modules.ts'
import { programsRoot, sources } from './paths.ts'
import type { Report } from './report.ts'

export type ProgramName = (typeof packages)[keyof typeof packages]

export interface Programs {
  /** The folder that holds them. */
  dir: string
  /** Full path of each program. */
  paths: Record<ProgramName, string>
  /** `v1.36.3`, for whoever renders a chart as this cluster would. */
  kubernetesVersion: string
  /** Their versions as go.mod says them, e.g. `v1.36.3`: what the API server calls itself. */
  versions: Record<'kubernetes' | 'helm' | 'metallb' | 'cert-manager' | 'adguard', string>
  /** Upstream's own charts, packaged from the module cache: real charts that need no internet. */
  charts: Record<'metallb' | 'cert-manager', string>
}

/**
 * Every program of the sandbox, built now if it is not there yet (minutes, then never again until go.mod, our Go
 * sources or the Go version change). A second caller waits for the first.
 * @throws HomelabError without Go, network, or disk space
 */
export async function ensurePrograms(report: Report): Promise<Programs> {
  const go = await findGo()
  const tools = join(sources, 'tools')
  const goMod = await readFile(join(tools, 'go.mod'), 'utf8')
  const dir = join(programsRoot(), await fingerprint(tools, go, recipe))
  const waiting = (pid: number) => report(`programs: another process (${pid}) is building them; waiting`)
  if (!existsSync(dir))
    await withFileLock(`${dir}.lock`, waiting, async () => {
      if (!existsSync(dir)) await build({ go, tools, goMod, dir, report })
    }).catch((error: NodeJS.ErrnoException) => {
      if (error instanceof HomelabError || !error.code) throw error
      if (/ENOSPC|EDQUOT/.test(error.code)) throw diskFull(error.message)
      throw new HomelabError({
        what: `the programs of the sandbox cannot be kept in ${programsRoot()}`,
        why: error.message,
        fix: 'make that folder writable, or choose another: XDG_CACHE_HOME',
      })
    })
  return describe(dir, goMod)
}

function describe(dir: string, goMod: string): Programs {
  const paths = Object.fromEntries(Object.values(packages).map(name => [name, join(dir, name)]))
  const versions = {
    kubernetes: moduleVersion(goMod, 'k8s.io/kubernetes'),
    helm: moduleVersion(goMod, 'helm.sh/helm/v4'),
    metallb: moduleVersion(goMod, 'go.universe.tf/metallb'),
    'cert-manager': moduleVersion(goMod, 'github.com/cert-manager/cert-manager'),
    adguard: moduleVersion(goMod, 'github.com/AdguardTeam/AdGuardHome'),
  }
  const charts = {
    metallb: join(dir, 'charts', `metallb-${versions.metallb.slice(1)}.tgz`), // its own Chart.yaml has no v
    'cert-manager': join(dir, 'charts', `cert-manager-${versions['cert-manager']}.tgz`),
  }
  return { dir, paths: paths as Programs['paths'], kubernetesVersion: versions.kubernetes, versions, charts }
}

/**
 * What decides whether built programs are still right: modules, our sources, the recipe, compiler, platform.
 * @param without folders of the module from which something else is built
 */
export async function fingerprint(
  tools: string,
  go: Go,
  how: string,
  without: readonly string[] = [],
): Promise<string> {
  const hash = createHash('sha256').update(`${go.version} ${go.platform} ${how}\n`)
  const files = (await readdir(tools, { recursive: true })).filter(name => /\.go$|go\.(mod|sum)$/.test(name)).sort()
  const ours = files.filter(name => !without.includes(name.split('/')[0] ?? ''))
  for (const name of ours) hash.update(`${name}\n`).update(await readFile(join(tools, name)))
  return hash.digest('hex').slice(0, 16)
}
