// Building an optional program: minutes, once, then never again until its module, our recipe or Go changes.
import { existsSync, rmSync } from 'node:fs'
import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { earlierBuilds, keepTwo, removeDead } from './build.ts'
import { builtName, compile, download } from './compile.ts'
import { type Extra, type ExtraName, extras } from './extras.ts'
import { withFileLock } from './filelock.ts'
import { findGo, type Go } from './go.ts'
import { moduleVersion, patchModules } from './modules.ts'
import { programsRoot, sources } from './paths.ts'
import { fingerprint } from './programs.ts'
import { sandboxRecords } from './record.ts'
import { elapsed, type Report } from './report.ts'

export interface ExtraPrograms {
  /** The folder that holds them. */
  dir: string
  /** `v3.6.1` */
  version: string
}

/**
 * The programs of an optional group, built now if they are not there yet. A second caller waits for the first.
 * @throws HomelabError without Go, network, or disk space
 */
export async function ensureExtra(name: ExtraName, report: Report): Promise<ExtraPrograms> {
  const { go, found } = await describe(name)
  const { title } = extras[name]
  const waiting = (pid: number) => report(`programs: another process (${pid}) is building ${title}; waiting`)
  if (!existsSync(found.dir))
    await withFileLock(`${found.dir}.lock`, waiting, async () => {
      if (!existsSync(found.dir)) await build(name, go, found, report)
    })
  return found
}

/** The same without building: what a test asks that would rather skip than build for minutes. */
export async function builtExtra(name: ExtraName): Promise<ExtraPrograms | undefined> {
  const { found } = await describe(name)
  return existsSync(found.dir) ? found : undefined
}

/** Why a test of an optional program is skipped; `false` when the program is there. */
export async function notBuilt(name: ExtraName): Promise<string | false> {
  return (await builtExtra(name)) ? false : `${extras[name].title} is not built here: make programs (minutes, once)`
}

async function describe(name: ExtraName): Promise<{ go: Go; found: ExtraPrograms }> {
  const extra: Extra = extras[name]
  const plain = await findGo()
  const go = { ...plain, env: { ...plain.env, ...extra.env } }
  const goMod = await readFile(join(module(name), 'go.mod'), 'utf8')
  const recipe = JSON.stringify(extra, (_, value) => (value instanceof RegExp ? String(value) : value))
  const dir = join(programsRoot(), `${name}-${await fingerprint(module(name), go, recipe, othersOf(name))}`)
  return { go, found: { dir, version: moduleVersion(goMod, extra.versionOf) } }
}

const folderOf = (name: ExtraName): string => (extras[name] as Extra).module ?? name
const module = (name: ExtraName) => join(sources, folderOf(name))

/** Folders of the module that only another group is built from. */
const othersOf = (name: ExtraName): string[] =>
  (Object.keys(extras) as ExtraName[])
    .filter(one => one !== name && folderOf(one) === folderOf(name))
    .flatMap(one => Object.keys(extras[one].packages).filter(path => path.startsWith('./')))
    .map(path => path.slice(2))

async function build(name: ExtraName, go: Go, { dir, version }: ExtraPrograms, report: Report): Promise<void> {
  const extra: Extra = extras[name]
  const begin = Date.now()
  await removeDead(programsRoot())
  const work = `${dir}.part-${process.pid}`
  const out = join(work, 'out')
  process.once('exit', () => rmSync(work, { recursive: true, force: true })) // also when it fails
  await mkdir(out, { recursive: true })
  report(`programs: building ${extra.title} ${version} from Go modules, once · minutes, then never again`)
  const packages = Object.keys(extra.packages)
  const compilation = { go, module: module(name), packages, flags: extra.flags ?? [], report, begin }
  await download(compilation)

  const goMod = await readFile(join(module(name), 'go.mod'), 'utf8')
  const modfile = join(work, 'go.mod')
  await writeFile(modfile, goMod + (await patchModules(go, goMod, work, extra.patches ?? [])))
  await cp(join(module(name), 'go.sum'), join(work, 'go.sum'))
  const stamps = (extra.stamps ?? []).map(variable => `-X ${variable}=${version.slice(1)}`)
  await compile(compilation, out, ['-modfile', modfile, ...(extra.flags ?? [])], stamps.join(' '))

  for (const [path, program] of Object.entries(extra.packages))
    await rename(join(out, builtName(path)), join(work, program))
  for (const [script, text] of Object.entries(extra.scripts ?? {}))
    await writeFile(join(work, script), text, { mode: 0o755 })
  for (const used of ['out', 'go.mod', 'go.sum', 'modules'])
    await rm(join(work, used), { recursive: true, force: true })
  await rename(work, dir)
  const used = new Set((await sandboxRecords()).flatMap(({ extras: { [name]: one } = {} }) => one?.dir ?? []))
  await keepTwo(await earlierBuilds(programsRoot(), new RegExp(`^${name}-[0-9a-f]{16}$`)), used)
  report(`programs: ${extra.title} ${version} built in ${elapsed(begin)}`)
}
