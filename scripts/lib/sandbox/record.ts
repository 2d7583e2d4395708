// What is written down about a sandbox (sandbox.json in its folder): all that the agent, `down` and `status` need.
import { readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExtraPrograms } from './extra-build.ts'
import type { ExtraName } from './extras.ts'
import type { NodeSize } from './nodes.ts'
import { sandboxesRoot } from './paths.ts'
import type { Programs } from './programs.ts'

/** Optional programs in a sandbox, and where they find each other on 127.0.0.1 (`extras.ts` names the ports). */
export interface RunningExtra extends ExtraPrograms {
  ports: Record<string, number>
}

export interface SandboxRecord {
  name: string
  dir: string
  /** `https://127.0.0.1:PORT` */
  server: string
  /** Folder with ca.crt, admin.crt and admin.key. */
  pki: string
  /** The port of KWOK's kubelet endpoint on 127.0.0.1. */
  kubeletPort: number
  programs: Programs['paths']
  versions: Programs['versions']
  charts: Programs['charts']
  /** The optional programs that this sandbox was asked to run. */
  extras?: Partial<Record<ExtraName, RunningExtra>>
  /** Where the chart repositories of a rehearsal answer: the port on 127.0.0.1. They lie in the folder `charts`. */
  chartServer: number
  nodes: NodeSize[]
  /** Milliseconds until a pod is Ready that does not say itself. */
  readyAfter: number
  /** Everything ends with this process; while `up` works, its own. */
  ownerPid?: number
  /** Whether `up` finished. */
  ready: boolean
  /** Where `kubectl port-forward` to a pod's port arrives. */
  forwards: { namespace: string; pod: string; port: number; local: number }[]
}

const file = (dir: string) => join(dir, 'sandbox.json')

export async function readRecord(dir: string): Promise<SandboxRecord | undefined> {
  const text = await readFile(file(dir), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : (JSON.parse(text) as SandboxRecord)
}

/** Of every sandbox on this machine, running or not. */
export async function sandboxRecords(): Promise<SandboxRecord[]> {
  const names = await readdir(sandboxesRoot()).catch(() => [])
  const records = await Promise.all(names.map(name => readRecord(join(sandboxesRoot(), name))))
  return records.filter(record => record !== undefined)
}

export async function writeRecord(record: SandboxRecord): Promise<void> {
  await writeJson(file(record.dir), record)
}

/** Written beside and renamed, so that a reader never sees half of it. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(`${path}.new`, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 })
  await rename(`${path}.new`, path)
}

/** What is switched off at the moment (`off.json`): names of stages and of local programs. */
export async function readOff(dir: string): Promise<string[]> {
  return JSON.parse(await readFile(join(dir, 'off.json'), 'utf8').catch(() => '[]')) as string[]
}

/** The real programs that run at the moment (`programs.json`, kept by the agent). */
export async function readPrograms(dir: string): Promise<string[]> {
  return JSON.parse(await readFile(join(dir, 'programs.json'), 'utf8').catch(() => '[]')) as string[]
}
