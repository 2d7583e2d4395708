// A .env file as it lies on the disk: kind, size, mode, encoding and place; its lines are judged in env-lines.ts.
import { isUtf8 } from 'node:buffer'
import { lstatSync, readFileSync, realpathSync, type Stats, statSync } from 'node:fs'
import { relative } from 'node:path'
import { type EnvFile, limits, parseEnv } from './env-lines.ts'

/**
 * Reads and lints a file of KEY=VALUE lines.
 * @param path absolute path
 * @param root the repository: paths in messages are relative to it, and a link out of it is announced
 * @param secrets keys whose presence makes a readable file a problem
 */
export function readEnvFile(path: string, { root, secrets }: { root: string; secrets: ReadonlySet<string> }): EnvFile {
  const name = relative(root, path)
  const whole = (problem: string, fix: string): EnvFile => ({
    values: new Map(),
    problems: [{ line: 0, problem, fix }],
    notices: [],
  })
  const stats = look(path)
  if (!stats) {
    const dangling = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()
    return whole(
      dangling ? `${path} is a symbolic link that leads nowhere` : `${name} not found at ${path}`,
      `make configure${environmentOf(name)}, or by hand: install -m 600 .env.example ${name} and fill in its first lines`,
    )
  }
  if (stats.isDirectory())
    return whole(`${path} is a directory`, `move it away, then: make configure${environmentOf(name)}`)
  if (!stats.isFile())
    return whole(`${path} is not an ordinary file`, 'use a file: a pipe or device can be read only once')
  if (stats.size > limits.bytes)
    return whole(
      `${name} is longer than ${limits.bytes} bytes`,
      'keep only KEY=VALUE lines; certificates and keys have files of their own',
    )
  const bytes = readBytes(path)
  if (!bytes) return whole(`${path} cannot be read`, `look at its owner and mode: ls -l ${path}`)
  const encoding = wrongEncoding(bytes)
  if (encoding) return whole(`${name} is ${encoding}`, 'save the file as UTF-8')
  const file = parseEnv(bytes.toString('utf8'), secrets)
  if (bytes.subarray(0, 3).equals(byteOrderMark))
    file.notices.push(`${name} begins with a UTF-8 byte order mark, which is left out`)
  const target = realpathSync(path)
  if (relative(realpathSync(root), target).startsWith('..'))
    file.notices.push(`${name} lies outside the repository, at ${target}`)
  const open = openToOthers(stats)
  if (open && [...secrets].some(key => file.values.get(key)?.value))
    file.problems.push({
      line: 0,
      problem: `${name} is readable by others (mode ${open}) while it holds secrets`,
      fix: `chmod 600 ${name}`,
    })
  return file
}

/** For a command line: ` ENV=staging` when the file is `.env.staging`. */
function environmentOf(name: string): string {
  const [, environment] = /^\.env\.([a-z]+)$/.exec(name) ?? []
  return environment ? ` ENV=${environment}` : ''
}

/** The mode as `0644` when others than the owner can read a file; Windows has no such modes. */
export function openToOthers(stats: Stats): string | undefined {
  if (process.platform === 'win32' || (stats.mode & 0o044) === 0) return undefined
  return `0${(stats.mode & 0o777).toString(8)}`
}

/** What lies at a path, or undefined when nothing does that we could open (absent, a loop of links, a closed folder). */
export function look(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch {
    return undefined // whatever the reason, the owner is told the path
  }
}

/** The content of a file that exists, or undefined when it may not be read. */
export function readBytes(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch {
    return undefined // as above
  }
}

const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf])

function wrongEncoding(bytes: Buffer): string | undefined {
  const mark = bytes.subarray(0, 2).toString('hex')
  if (mark === 'fffe' || mark === 'feff') return 'UTF-16, not UTF-8 at byte 0'
  if (
    bytes.length >= 8 &&
    (bytes[1] === 0 || bytes[0] === 0) &&
    bytes.filter(byte => byte === 0).length * 3 > bytes.length
  )
    return 'UTF-16, not UTF-8 at byte 0'
  if (isUtf8(bytes)) return undefined
  const again = Buffer.from(bytes.toString('utf8')) // differs from the first byte that could not be read
  return `not UTF-8 at byte ${bytes.findIndex((byte, i) => byte !== again[i])}`
}
