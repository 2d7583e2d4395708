// Argo CD's programs for the sandbox, built from a Go module of their own, on request: most rehearsals do without.
import { existsSync, rmSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { removeDead } from '../build.ts'
import { builtName, compile, download } from '../compile.ts'
import { withFileLock } from '../filelock.ts'
import { findGo, type Go } from '../go.ts'
import { moduleVersion, type Patch, patchModules } from '../modules.ts'
import { programsRoot, sources } from '../paths.ts'
import { fingerprint } from '../programs.ts'
import { sandboxRecords } from '../record.ts'
import { elapsed, type Report } from '../report.ts'

const argo = 'github.com/argoproj/argo-cd/v3'

/** Package → our name for the program. */
const packages = {
  [`${argo}/cmd`]: 'argocd', // all of its programs; the name under which it is started says which
  'sigs.k8s.io/kustomize/kustomize/v5': 'kustomize',
  './redis': 'argocd-redis',
} as const

/** The one line that no flag reaches: metrics on every interface. */
const loopback: Patch = {
  module: argo,
  file: 'controller/appcontroller.go',
  from: /^(\tmetricsAddr := fmt\.Sprintf\()"0\.0\.0\.0:%d"(, metricsPort\))$/gm,
  to: '$1"127.0.0.1:%d"$2',
}

// Argo CD looks for it on its PATH; its images bring one. It asks about every commit, and an unsigned one is no failure.
const verifyWrapper = '#!/bin/sh\ngit verify-commit "$1" 2>&1\nexit 0\n'

export interface ArgocdPrograms {
  /** Holds argocd, kustomize, argocd-redis and git-verify-wrapper.sh: for the repository server's PATH. */
  dir: string
  /** `v3.6.1` */
  version: string
}

const recipe = JSON.stringify([packages, [String(loopback.from), loopback.to], verifyWrapper])
const module = join(sources, 'argocd')

/**
 * Argo CD's programs, built now if they are not there yet: about five minutes on two cores, then never again until the
 * module changes. A second caller waits for the first.
 * @throws HomelabError without Go, network, or disk space
 */
export async function ensureArgocd(report: Report): Promise<ArgocdPrograms> {
  const go = await newerGo()
  const found = await describe(go)
  const waiting = (pid: number) => report(`programs: another process (${pid}) is building Argo CD; waiting`)
  if (!existsSync(found.dir))
    await withFileLock(`${found.dir}.lock`, waiting, async () => {
      if (!existsSync(found.dir)) await build(go, found, report)
    })
  return found
}

/** It asks for a newer Go than the other programs do: Go brings that one itself, as a module that it verifies. */
async function newerGo(): Promise<Go> {
  const go = await findGo()
  return { ...go, env: { ...go.env, GOTOOLCHAIN: 'auto' } }
}

async function describe(go: Go): Promise<ArgocdPrograms> {
  const goMod = await readFile(join(module, 'go.mod'), 'utf8')
  const dir = join(programsRoot(), `argocd-${await fingerprint(module, go, recipe)}`)
  return { dir, version: moduleVersion(goMod, argo) }
}

async function build(go: Go, { dir, version }: ArgocdPrograms, report: Report): Promise<void> {
  const begin = Date.now()
  await removeDead(programsRoot())
  const work = `${dir}.part-${process.pid}`
  const out = join(work, 'out')
  process.once('exit', () => rmSync(work, { recursive: true, force: true })) // also when it fails
  await mkdir(out, { recursive: true })
  report(`programs: building Argo CD ${version} from Go modules, once · minutes, then never again`)
  const compilation = { go, module, packages: Object.keys(packages), report, begin }
  await download(compilation)

  const goMod = await readFile(join(module, 'go.mod'), 'utf8')
  const modfile = join(work, 'go.mod')
  await writeFile(modfile, goMod + (await patchModules(go, goMod, work, [loopback])))
  await cp(join(module, 'go.sum'), join(work, 'go.sum'))
  await compile(compilation, out, ['-modfile', modfile], `-X ${argo}/common.version=${version.slice(1)}`)

  for (const [path, name] of Object.entries(packages)) await rename(join(out, builtName(path)), join(work, name))
  await writeFile(join(work, 'git-verify-wrapper.sh'), verifyWrapper, { mode: 0o755 })
  for (const used of ['out', 'go.mod', 'go.sum', 'modules'])
    await rm(join(work, used), { recursive: true, force: true })
  await rename(work, dir)
  await removeEarlier(dir)
  report(`programs: Argo CD ${version} built in ${elapsed(begin)}`)
}

/** What earlier states of the module were built into, unless a sandbox runs from it. */
async function removeEarlier(dir: string): Promise<void> {
  const used = new Set((await sandboxRecords()).map(({ argocd }) => argocd?.dir))
  const folders = (await readdir(programsRoot())).filter(name => /^argocd-[0-9a-f]{16}$/.test(name))
  for (const path of folders.map(name => join(programsRoot(), name)))
    if (path !== dir && !used.has(path)) await rm(path, { recursive: true, force: true })
}
