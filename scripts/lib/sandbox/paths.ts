// Where the sandbox keeps things on this machine.
import { createHash } from 'node:crypto'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout's infrastructure/sandbox folder. */
export const sources = fileURLToPath(new URL('../../../infrastructure/sandbox/', import.meta.url))

const cache = () => join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'homelab')

/** Built programs, one folder for each state of the sources. */
export const programsRoot = () => join(cache(), 'programs')

/** Running sandboxes, one folder each. `HOMELAB_SANDBOX_DIR` moves them. */
export const sandboxesRoot = () => resolve(process.env.HOMELAB_SANDBOX_DIR || join(cache(), 'sandboxes'))

/** kwokctl's folder of a sandbox: kwok.yaml, pki, logs of the control plane. */
export const clusterFolder = (dir: string, name: string) => join(dir, 'kwok', 'clusters', name)

/** A Unix socket of a sandbox: in its folder, unless that makes it longer than the system allows (104 bytes). */
export function socketPath(dir: string, name: string): string {
  const path = join(dir, `${name}.sock`)
  if (Buffer.byteLength(path) < 100) return path
  return `/tmp/homelab-${createHash('sha256').update(path).digest('hex').slice(0, 16)}.sock`
}

/** A folder of a sandbox for sockets whose names somebody else chooses (up to 20 bytes): as short as that needs. */
export function socketFolder(dir: string, name: string): string {
  const path = join(dir, name)
  if (Buffer.byteLength(path) < 80) return path
  return `/tmp/homelab-${createHash('sha256').update(path).digest('hex').slice(0, 16)}`
}

/** The egress proxy's. */
export const egressSocket = (dir: string) => socketPath(dir, 'egress')
