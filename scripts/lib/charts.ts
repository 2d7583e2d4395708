// Where a chart comes from: a pinned version, pulled once, kept in a cache, held to its recorded digest.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parse, stringify } from 'yaml'
import { cacheFolder } from './cache.ts'
import { exit, HomelabError } from './errors.ts'
import { root } from './root.ts'
import { run } from './shell.ts'
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
export type ChartSource = 'real' | 'stand-in' | 'auto'

/** Where pins, digests and archives are kept. */
export interface ChartFiles {
  pins: string
  lock: string
  cache: string
}

const ourFiles = (): ChartFiles => ({
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

/**
 * The pinned chart as a file on this machine.
 * @param helm path of the helm program
 * @throws HomelabError when it cannot be had, or is not the one that was recorded
 */
export async function findChart(
  name: string,
  options: { helm: string; source: ChartSource; packaged?: Packaged; files?: ChartFiles },
): Promise<Chart> {
  const files = options.files ?? ourFiles()
  const pin = pins(files.pins)[name]
  if (!pin)
    throw new HomelabError({
      what: `no chart is called ${name}`,
      fix: 'add it to infrastructure/charts.yaml',
      code: exit.usage,
    })
  const file = join(files.cache, `${name}-${pin.version}.tgz`)
  if (options.source === 'stand-in') return withoutNetwork(name, pin, options.packaged)
  if (!existsSync(file)) {
    const problem = await pull(name, pin, file, options.helm)
    if (problem && options.source === 'auto') return withoutNetwork(name, pin, options.packaged)
    if (problem) throw problem
  }
  return locked(name, pin, file, files.lock)
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

/** Pulls a chart into the cache; returns the problem instead of throwing it, since a rehearsal can go on without. */
async function pull(name: string, pin: Pin, file: string, helm: string): Promise<HomelabError | undefined> {
  const { host, origin } = new URL(pin.repository.replace(/^oci:/, 'https:'))
  if (!(await reachable(origin))) return unreachable(name, host, 'no connection within 3 s')
  const folder = await mkdtemp(join(dirname(file), '.pull-')) // moved into place whole, so a killed pull leaves nothing half
  try {
    const from = pin.repository.startsWith('oci:') ? [`${pin.repository}/${name}`] : [name, '--repo', pin.repository]
    const ran = await run(helm, ['pull', ...from, '--version', pin.version, '--destination', folder], { timeout: 120 })
    if (ran.code !== 0) return unreachable(name, host, ran.stderr.trim().split('\n').at(-1) ?? '')
    const [archive] = readdirSync(folder)
    if (!archive) return unreachable(name, host, 'helm pull left no file')
    renameSync(join(folder, archive), file)
    return undefined
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
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

function unreachable(name: string, host: string, why: string): HomelabError {
  return new HomelabError({
    what: `the chart ${name} could not be pulled from ${host}`,
    why,
    fix: 'check the network (or HTTPS_PROXY) and run the same command again: what is done already is kept',
  })
}

/** Compares with the digest recorded at the first pull, or records it. */
function locked(name: string, pin: Pin, file: string, lockFile: string): Chart {
  const digest = sha256(readFileSync(file))
  const lock = (existsSync(lockFile) ? parse(readFileSync(lockFile, 'utf8')) : null) as Record<string, string> | null
  const key = `${name}-${pin.version}`
  const recorded = lock?.[key]
  if (recorded === undefined) {
    const text = stringify({ ...lock, [key]: `sha256:${digest}` }, { sortMapEntries: true })
    writeFileSync(
      lockFile,
      `# sha256 of each chart as it was first pulled. Commit this file: a later pull that differs is refused.\n${text}`,
    )
  } else if (recorded !== `sha256:${digest}`) {
    throw new HomelabError({
      what: `the chart ${key} is not the one that was recorded`,
      why: `infrastructure/charts.lock.yaml has ${recorded}, ${file} has sha256:${digest}`,
      fix: `delete ${file} and run again; if it still differs, somebody republished the version: look at what changed before you edit the lock`,
      code: exit.refused,
    })
  }
  return { name, version: pin.version, path: file, digest, standIn: false, imitated: false }
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}
