// Where a chart comes from: a pinned version, pulled once, kept in a cache, held to its recorded digest.
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { parse } from 'yaml'
import { cacheFolder } from './cache.ts'
import { aboutChart, sameVersion } from './chart-file.ts'
import { holdToLock, sha256 } from './chart-lock.ts'
import { exit, HomelabError } from './errors.ts'
import { fromMirror, isAddress } from './mirror/source.ts'
import { root } from './root.ts'
import { run } from './shell.ts'
import type { Site } from './site/site.ts'
import { readPins } from './yaml/check.ts'

export interface Pin {
  version: string
  repository: string
}

export interface Chart {
  name: string
  version: string
  /** A `.tgz`, or the folder of a stand-in. */
  path: string
  /** sha256 of the archive or of the folder's files, hexadecimal. */
  digest: string
  standIn: boolean
  /** A stand-in whose program is imitated too: what runs proves nothing of it. */
  imitated: boolean
}

/** Charts that are at hand without a network, by name: the sandbox's programs bring two real ones. Asked only when needed. */
export type Packaged = () => Promise<Readonly<Record<string, string>>>

/** Where charts may come from: `real` (the pinned ones), `stand-in` (no network), `auto` (real if the network is there). */
const chartSources = ['real', 'stand-in', 'auto'] as const
export type ChartSource = (typeof chartSources)[number]

/**
 * The value of `CHARTS`.
 * @throws HomelabError (exit 2) when it is none of the three: a slip of the pen must not decide what is installed
 */
export function readChartSource(text: string | undefined, otherwise: ChartSource): ChartSource {
  if (!text) return otherwise
  const known = chartSources.find(one => one === text)
  if (known) return known
  throw new HomelabError({
    what: `CHARTS=${text}: there is no such source of charts`,
    fix: `CHARTS=${chartSources.join(', CHARTS=')}, or leave it out`,
    code: exit.usage,
  })
}

/** Where pins, digests and archives are kept. */
export interface ChartFiles {
  pins: string
  lock: string
  cache: string
}

export const ourFiles = (): ChartFiles => ({
  pins: join(root, 'infrastructure/charts.yaml'),
  lock: join(root, 'infrastructure/charts.lock.yaml'),
  cache: cacheFolder('charts'),
})

/**
 * The pinned charts by name, from infrastructure/charts.yaml.
 * @throws HomelabError (exit 2) with file and line of what is wrong in it
 */
export function pins(file = ourFiles().pins): Record<string, Pin> {
  return readPins(file) as Record<string, Pin>
}

/** `CHARTS_MIRROR` of the site; a rehearsal has no such key and takes it from the environment, as it takes `CHARTS`. */
export function chartsMirror(site: Pick<Site, 'chartsMirror' | 'sandbox'>): { mirror?: string } {
  const own = site.sandbox ? process.env.CHARTS_MIRROR : site.chartsMirror
  if (!own) return {}
  return { mirror: isAddress(own) ? own : resolve(own) }
}

export interface FindOptions {
  /** Path of the helm program. */
  helm: string
  source: ChartSource
  /** A folder or an address that `make mirror` has filled: asked before the chart's own repository. */
  mirror?: string
  packaged?: Packaged
  files?: ChartFiles
  /** Seconds for a pull from the repository. */
  patience?: number
}

export const archiveName = (name: string, { version }: Pin): string => `${name}-${version}.tgz`

/**
 * The pinned chart as a file on this machine.
 * @throws HomelabError when it cannot be had, or (exit 3) is not the one that was recorded
 */
export async function findChart(name: string, options: FindOptions): Promise<Chart> {
  const files = options.files ?? ourFiles()
  const pin = pins(files.pins)[name]
  if (!pin)
    throw new HomelabError({
      what: `no chart is called ${name}`,
      fix: 'add it to infrastructure/charts.yaml',
      code: exit.usage,
    })
  return findPinned(name, pin, options)
}

/**
 * A chart that is pinned elsewhere (in an Application) as a file on this machine.
 * @throws HomelabError when it cannot be had, or (exit 3) is not the one that was recorded
 */
export async function findPinned(name: string, pin: Pin, options: FindOptions): Promise<Chart> {
  const files = options.files ?? ourFiles()
  const file = join(files.cache, archiveName(name, pin))
  if (options.source === 'stand-in') return withoutNetwork(name, pin, options.packaged)
  if (!existsSync(file)) {
    const problem = await fetchChart(name, pin, file, files.lock, options)
    if (problem && options.source === 'auto') return withoutNetwork(name, pin, options.packaged)
    if (problem) throw problem
  }
  const fix = `delete ${file} and run again`
  const digest = holdToLock(name, pin.version, file, files.lock, { from: file, fix })
  return { name, version: pin.version, path: file, digest, standIn: false, imitated: false }
}

async function withoutNetwork(name: string, pin: Pin, packaged: Packaged | undefined): Promise<Chart> {
  const path = join(root, 'infrastructure/sandbox/charts', name)
  if (!existsSync(path)) {
    const real = (await packaged?.())?.[name]
    if (real)
      return {
        name,
        version: pin.version,
        path: real,
        digest: sha256(readFileSync(real)),
        standIn: false,
        imitated: false,
      }
    throw new HomelabError({
      what: `the chart ${name} has no stand-in`,
      fix: 'run again where its repository can be reached',
    })
  }
  const about = parse(readFileSync(join(path, 'Chart.yaml'), 'utf8')) as { annotations?: Record<string, string> }
  const files = readdirSync(path, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  const names = files.map(entry => join(entry.parentPath, entry.name)).sort()
  return {
    name,
    version: pin.version,
    path,
    digest: sha256(names.map(file => readFileSync(file, 'utf8')).join('\0')),
    standIn: true,
    imitated: about.annotations?.['homelab/stand-in'] === 'program',
  }
}

/**
 * Brings a chart into the cache, from the mirror or else from its repository. Nothing that is not the recorded chart gets there.
 * @returns what is in the way instead of throwing it, since a rehearsal can go on without
 * @throws HomelabError (exit 3) when what came is not the chart that was recorded: then nobody goes on
 */
async function fetchChart(
  name: string,
  pin: Pin,
  file: string,
  lock: string,
  { mirror, helm, patience = 120 }: FindOptions,
): Promise<HomelabError | undefined> {
  const folder = await mkdtemp(join(dirname(file), '.pull-')) // moved into place whole, so a killed pull leaves nothing half
  const keep = (got: string, from: string): undefined => {
    refuseOtherChart(name, pin, got, from)
    holdToLock(name, pin.version, got, lock, { from, fix: 'run again' })
    renameSync(got, file)
  }
  try {
    let missed: string | undefined
    if (mirror !== undefined) {
      const got = join(folder, archiveName(name, pin))
      missed = await fromMirror(mirror, archiveName(name, pin), got)
      if (missed === undefined) return keep(got, `the mirror ${mirror}`)
    }
    const pulled = await pull(name, pin, folder, helm, patience)
    if ('got' in pulled) return keep(pulled.got, pin.repository)
    const also = missed === undefined ? '' : `; the mirror ${mirror}: ${missed}`
    return new HomelabError({
      what: `the chart ${name} could not be pulled from ${pulled.host}`,
      why: `${pulled.why}${also}`,
      fix: 'check the network (or HTTPS_PROXY) and run the same command again: what is done already is kept',
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function pull(
  name: string,
  pin: Pin,
  folder: string,
  helm: string,
  patience: number,
): Promise<{ got: string } | { host: string; why: string }> {
  const { host, origin } = new URL(pin.repository.replace(/^oci:/, 'https:'))
  if (!(await reachable(origin))) return { host, why: 'no connection within 3 s' }
  const from = pin.repository.startsWith('oci:') ? [`${pin.repository}/${name}`] : [name, '--repo', pin.repository]
  const ran = await run(helm, ['pull', ...from, '--version', pin.version, '--destination', folder], {
    timeout: patience,
  })
  if (ran.code !== 0) return { host, why: ran.stderr.trim().split('\n').at(-1) ?? '' }
  const [archive] = readdirSync(folder)
  return archive ? { got: join(folder, archive) } : { host, why: 'helm pull left no file' }
}

const hosts = new Map<string, Promise<boolean>>()

/** One question a host and run: all charts start at once. */
function reachable(origin: string): Promise<boolean> {
  const known = hosts.get(origin)
  if (known) return known
  const asked = fetch(origin, { method: 'HEAD', signal: AbortSignal.timeout(3000) }).then(
    () => true,
    () => false,
  )
  hosts.set(origin, asked)
  return asked
}

/** What an archive is called says nothing: its own Chart.yaml does. */
function refuseOtherChart(name: string, pin: Pin, got: string, from: string): void {
  let found: string
  try {
    const about = aboutChart(got)
    if (about.name === name && sameVersion(about.version, pin.version)) return
    found = `its Chart.yaml says ${about.name} ${about.version}`
  } catch (error) {
    found = error instanceof Error ? error.message : String(error)
  }
  throw new HomelabError({
    what: `what ${from} gave as ${name} ${pin.version} is not that chart`,
    why: found,
    fix: 'nothing of it was kept; find out who put it there before you run again',
    code: exit.refused,
  })
}

/**
 * The newest release of a chart that its repository has.
 * @returns why it is not known where there is no network; this is a question, and never fails
 */
export async function newestChart(
  name: string,
  { repository }: Pin,
  helm: string,
): Promise<{ newest: string; appVersion?: string } | { unknown: string }> {
  const { host, origin } = new URL(repository.replace(/^oci:/, 'https:'))
  if (!(await reachable(origin))) return { unknown: `no connection to ${host} within 3 s` }
  const from = repository.startsWith('oci:') ? [`${repository}/${name}`] : [name, '--repo', repository]
  const ran = await run(helm, ['show', 'chart', ...from], { timeout: 20 })
  if (ran.code !== 0) return { unknown: ran.stderr.trim().split('\n').at(-1) ?? '' }
  const { version, appVersion } = parse(ran.stdout) as { version: string; appVersion?: string }
  return { newest: version, ...(appVersion ? { appVersion: String(appVersion) } : {}) }
}
