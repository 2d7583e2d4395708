// What can be made again: charts, programs, sandboxes. Everything under one folder that an owner may delete.
import { mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** A folder below `$XDG_CACHE_HOME/homelab` (`~/.cache/homelab`), made if need be. */
export function cacheFolder(name: string): string {
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'homelab', name)
  mkdirSync(folder, { recursive: true })
  return folder
}
