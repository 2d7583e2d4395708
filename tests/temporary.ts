// Folders of the tests' own.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const made: string[] = []
process.on('exit', () => {
  for (const folder of made) rmSync(folder, { recursive: true, force: true })
})

/** A new, empty folder, which goes when this process ends: no hook of a test, several of which share a process. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `homelab-${name}-`))
  made.push(folder)
  return folder
}
