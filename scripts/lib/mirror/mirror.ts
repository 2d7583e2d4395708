// make mirror: a folder from which every pinned chart installs without internet. Repeatable; what is there is verified.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { aboutChart } from '../chart-file.ts'
import { holdToLock, readLock, sha256 } from '../chart-lock.ts'
import { archiveName, type Chart, type ChartFiles, findChart, ourFiles, type Pin, pins } from '../charts.ts'
import { exit, HomelabError, type Problem } from '../errors.ts'
import { type Archive, indexText, readmeText, readSums, sumsText } from './files.ts'

export interface Mirrored {
  dir: string
  charts: { name: string; version: string; state: 'there' | 'copied' | 'replaced' }[]
  /** Archives of versions that are not pinned any more: kept, or removed. */
  old: string[]
  pruned: string[]
  images: readonly string[]
  /** Files written or removed. */
  changes: number
}

export interface MirrorOptions {
  dir: string
  helm: string
  /** Where to look before the charts' repositories; never the folder itself. */
  mirror?: string
  prune: boolean
  /** The images that the charts need, asked when they are all there. */
  images: (chart: (name: string) => Promise<Chart>) => Promise<string[]>
  files?: ChartFiles
}

/**
 * Fills the folder, or finds it full.
 * @throws HomelabError with everything that could not be had; exit 3 when a chart is not the recorded one. What could is kept
 */
export async function fillMirror(options: MirrorOptions): Promise<Mirrored> {
  const { dir, prune } = options
  const files = options.files ?? ourFiles()
  const result: Mirrored = { dir, charts: [], old: [], pruned: [], images: [], changes: 0 }
  makeFolder(dir)
  const sums = readSums(textOf(join(dir, 'SHA256SUMS')))
  const pinned = pins(files.pins)
  const archives: Archive[] = []
  const problems: HomelabError[] = []
  await Promise.all(
    Object.entries(pinned).map(async ([name, pin]) => {
      try {
        const { archive, state } = await bring(name, pin, sums, files, options)
        archives.push(archive)
        result.charts.push({ name, version: pin.version, state })
        if (state !== 'there') result.changes++
      } catch (error) {
        if (!(error instanceof HomelabError)) throw error
        problems.push(error)
      }
    }),
  )
  throwAll(problems)
  const { old, doubtful } = others(dir, pinned, sums, files.lock)
  for (const archive of old) {
    if (prune) rmSync(join(dir, archive.file))
    else archives.push(archive)
    ;(prune ? result.pruned : result.old).push(archive.file)
    if (prune) result.changes++
  }
  result.images = await options.images(async name => {
    const pin = pinned[name]
    const archive = pin && archives.find(one => one.file === archiveName(name, pin))
    if (!archive) throw new Error(`a step installs ${name}, which is not pinned`)
    const path = join(dir, archive.file)
    return { name, version: pin.version, path, digest: archive.digest, standIn: false, imitated: false }
  })
  archives.sort((a, b) => a.file.localeCompare(b.file, 'en', { numeric: true }))
  const texts = { 'index.yaml': indexText(archives), 'images.txt': result.images.map(one => `${one}\n`).join('') }
  const digests = Object.fromEntries([
    ...archives.map(({ file, digest }) => [file, digest] as const),
    ...Object.entries(texts).map(([file, text]) => [file, sha256(text)] as const),
  ])
  for (const [file, text] of Object.entries({ ...texts, 'README.md': readmeText(dir), SHA256SUMS: sumsText(digests) }))
    if (put(join(dir, file), text)) result.changes++
  throwAll(doubtful)
  result.charts.sort((a, b) => a.name.localeCompare(b.name))
  return result
}

/** One pinned chart in the folder: as it was recorded, else fetched. */
async function bring(
  name: string,
  pin: Pin,
  sums: Readonly<Record<string, string>>,
  files: ChartFiles,
  { dir, helm, mirror }: MirrorOptions,
): Promise<{ archive: Archive; state: 'there' | 'copied' | 'replaced' }> {
  const file = archiveName(name, pin)
  const path = join(dir, file)
  const there = existsSync(path)
  if (there) {
    const digest = sha256(readFileSync(path))
    const recorded = readLock(files.lock)[`${name}-${pin.version}`] ?? (sums[file] ? `sha256:${sums[file]}` : undefined)
    if (recorded === `sha256:${digest}`) {
      holdToLock(name, pin.version, path, files.lock, { from: path, fix: 'run again' }) // recorded, if it was not yet
      return { archive: { file, digest, about: aboutChart(path) }, state: 'there' }
    }
  }
  const chart = await findChart(name, { helm, source: 'real', files, ...(mirror === undefined ? {} : { mirror }) })
  put(path, readFileSync(chart.path))
  return {
    archive: { file, digest: chart.digest, about: aboutChart(path) },
    state: there ? 'replaced' : 'copied',
  }
}

/** Archives of our charts in versions that are not pinned. What nobody has recorded, or has changed, is not handed on. */
function others(
  dir: string,
  pinned: Readonly<Record<string, Pin>>,
  sums: Readonly<Record<string, string>>,
  lockFile: string,
): { old: Archive[]; doubtful: HomelabError[] } {
  const lock = readLock(lockFile)
  const wanted = Object.entries(pinned).map(([name, pin]) => archiveName(name, pin))
  const old: Archive[] = []
  const doubtful: HomelabError[] = []
  for (const file of readdirSync(dir).sort()) {
    if (!file.endsWith('.tgz') || wanted.includes(file)) continue
    const digest = sha256(readFileSync(join(dir, file)))
    const recorded = lock[file.replace(/\.tgz$/, '')] ?? (sums[file] ? `sha256:${sums[file]}` : undefined)
    if (recorded === `sha256:${digest}`) old.push({ file, digest, about: aboutChart(join(dir, file)) })
    else
      doubtful.push(
        new HomelabError({
          what: `${join(dir, file)} is none of ours${recorded ? ' any more' : ''}, and not in the index`,
          why: recorded ? `recorded is ${recorded}, it has sha256:${digest}` : 'nothing records its digest',
          fix: `rm ${join(dir, file)}`,
        }),
      )
  }
  return { old, doubtful }
}

function makeFolder(dir: string): void {
  try {
    makeOneByOne(dir)
    // What a killed run has left.
    for (const file of readdirSync(dir)) if (/^\..+\.new$/.test(file)) rmSync(join(dir, file))
  } catch (cause) {
    throw unwritable(dir, cause)
  }
}

/** Node's own recursive mkdir never ends below /proc, where nothing can be made and nobody says so. */
function makeOneByOne(dir: string): void {
  if (existsSync(dir)) return
  makeOneByOne(dirname(dir))
  mkdirSync(dir)
}

/** Written beside and renamed, so that whoever reads never sees half of it. @returns whether it differed */
function put(path: string, content: string | Buffer): boolean {
  if (existsSync(path) && readFileSync(path).equals(Buffer.from(content))) return false
  const beside = path.replace(/([^/]+)$/, '.$1.new')
  try {
    writeFileSync(beside, content)
    renameSync(beside, path)
  } catch (cause) {
    throw unwritable(path, cause)
  }
  return true
}

function unwritable(path: string, cause: unknown): HomelabError {
  return new HomelabError({
    what: `${path} cannot be written`,
    why: cause instanceof Error ? cause.message : String(cause),
    fix: 'choose another folder: make mirror DIR=/path/to/folder',
    code: exit.usage,
  })
}

const textOf = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '')

function throwAll(problems: readonly HomelabError[]): void {
  const [first, ...rest] = problems
  if (!first) return
  const others: Problem[] = rest
  const code = problems.some(one => one.code === exit.refused) ? exit.refused : first.code
  throw new HomelabError({ ...first, others, code })
}
