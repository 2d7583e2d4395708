// The digests of the charts as they were first pulled: infrastructure/charts.lock.yaml.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { parse, stringify } from 'yaml'
import { exit, HomelabError } from './errors.ts'

/**
 * Compares with the digest recorded at the first pull, or records it.
 * @param said where the file came from, and what an owner may try first
 * @returns the digest, sha256 in hexadecimal
 * @throws HomelabError (exit 3) when it is another one
 */
export function holdToLock(
  name: string,
  version: string,
  file: string,
  lockFile: string,
  said: { from: string; fix: string },
): string {
  const digest = sha256(readFileSync(file))
  const key = `${name}-${version}`
  const lock = readLock(lockFile)
  const recorded = lock[key]
  if (recorded === undefined) {
    const text = stringify({ ...lock, [key]: `sha256:${digest}` }, { sortMapEntries: true })
    writeFileSync(
      `${lockFile}.new`,
      `# sha256 of each chart as it was first pulled. Commit this file: a later pull that differs is refused.\n${text}`,
    )
    renameSync(`${lockFile}.new`, lockFile)
  } else if (recorded !== `sha256:${digest}`) {
    throw new HomelabError({
      what: `the chart ${key} is not the one that was recorded`,
      why: `infrastructure/charts.lock.yaml has ${recorded}, ${said.from} has sha256:${digest}`,
      fix: `${said.fix}; if it still differs, somebody republished the version: look at what changed before you edit the lock`,
      code: exit.refused,
    })
  }
  return digest
}

/** `NAME-VERSION` → `sha256:…`; empty before the first pull. */
export function readLock(file: string): Record<string, string> {
  return (existsSync(file) ? (parse(readFileSync(file, 'utf8')) as Record<string, string> | null) : null) ?? {}
}

export function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}
