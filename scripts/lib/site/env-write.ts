// Writes single values into a .env file and leaves every other byte of it alone.
import { existsSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { parse } from 'dotenv'
import { about, type Key, keys, secretKeys } from './schema.ts'

/**
 * A value as it must be written after `KEY=` to be read back byte for byte, or undefined when dotenv has no way to
 * (all three kinds of quotes and a #).
 */
export function quoteValue(value: string): string | undefined {
  const ways = [value, `'${value}'`, `"${value.replaceAll('\n', '\\n')}"`, `\`${value}\``]
  const [bare = '', single, double, back] = ways
  const candidates = [
    /^[\w@%+=:,./-]*$/.test(value) && bare,
    !value.includes("'") && single,
    !/["\\]/.test(value) && double,
    value.includes("'") && /["\\]/.test(value) && !value.includes('`') && back,
    !/^[\s'"`]|[#\n]|\s$/.test(value) && bare,
  ]
  return candidates.find(
    (text): text is string => text !== false && text !== undefined && parse(`K=${text}`).K === value,
  )
}

/**
 * The text with keys set in place: on the key's line, whose comment stays; else on its commented line where that is the
 * example's, and below it where an owner wrote it; else on a new line at the end.
 * @throws RangeError for a value that no quoting can carry
 */
export function withValues(before: string, values: Readonly<Record<string, string>>): string {
  const end = before.includes('\r\n') ? '\r\n' : '\n'
  const lines = before.split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  for (const [key, value] of Object.entries(values)) {
    const text = quoteValue(value)
    if (text === undefined) throw new RangeError(`${key} cannot be written with any quotes`)
    const own = lines.findIndex(line => new RegExp(`^\\s*(export\\s+)?${key}\\s*=`).test(line))
    const example = lines.findIndex(line => new RegExp(`^\\s*#\\s*${key}=`).test(line))
    if (own >= 0) lines[own] = `${key}=${text}${commentOf(lines[own] ?? '', key)}`
    else if (example < 0) lines.push(`${key}=${text}`)
    else
      lines.splice(
        example + (isExample(lines[example] ?? '', key) ? 0 : 1),
        isExample(lines[example] ?? '', key) ? 1 : 0,
        `${key}=${text}`,
      )
  }
  return lines.join(end) + end
}

/** What an owner wrote behind a value, with the space before it. After a secret a # may be part of it. */
function commentOf(line: string, key: string): string {
  if (secretKeys.has(key)) return ''
  const [, comment = ''] = /=\s*(?:'[^']*'|"[^"]*"|`[^`]*`|[^\s'"`#][^#]*?|)(\s+#.*)$/.exec(line) ?? []
  return comment
}

/** Whether a commented line is the one of .env.example, which an owner does not miss. */
function isExample(line: string, key: string): boolean {
  const value = line.slice(line.indexOf('=') + 1).trim()
  if (!(keys as readonly string[]).includes(key)) return value === ''
  const { example, default: preset } = about(key as Key)
  return value === '' || value === example || value === preset
}

/**
 * Sets keys in a file. It keeps its mode, and is replaced in one go.
 * @param path absolute; through a symbolic link its target is written
 */
export function setInEnvFile(path: string, values: Readonly<Record<string, string>>): void {
  replaceFile(path, withValues(readFileSync(path, 'utf8'), values), statSync(path).mode & 0o777)
}

/**
 * A file's content and mode in one go: an interruption leaves the old file or the new one, and never a half one.
 * @param path absolute; through a symbolic link its target is written
 */
export function replaceFile(path: string, text: string, mode: number): void {
  const file = existsSync(path) ? realpathSync(path) : path
  const temporary = `${file}.${process.pid}.new`
  try {
    writeFileSync(temporary, text, { mode, flag: 'wx' }) // wx: what lies there under that name is not ours to follow
    renameSync(temporary, file)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}
