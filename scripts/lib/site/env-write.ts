// Writes single values into a .env file and leaves every other byte of it alone.
import { readFileSync, realpathSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { parse } from 'dotenv'

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
 * Sets keys in place: the key's line, else its commented line, else a new line at the end. The file keeps its mode, and
 * is replaced in one go, so that an interruption leaves the old one or the new one.
 * @param path absolute; through a symbolic link its target is written
 */
export function setInEnvFile(path: string, values: Readonly<Record<string, string>>): void {
  const file = realpathSync(path)
  const before = readFileSync(file, 'utf8')
  const end = before.includes('\r\n') ? '\r\n' : '\n'
  const lines = before.split(/\r?\n/)
  if (lines.at(-1) === '') lines.pop()
  for (const [key, value] of Object.entries(values)) {
    const text = quoteValue(value)
    if (text === undefined) throw new RangeError(`${key} cannot be written to ${path}`)
    const at = [`^\\s*(export\\s+)?${key}\\s*=`, `^\\s*#\\s*${key}=`]
      .map(one => lines.findIndex(line => new RegExp(one).test(line)))
      .find(i => i >= 0)
    lines.splice(at ?? lines.length, at === undefined ? 0 : 1, `${key}=${text}`)
  }
  const temporary = `${file}.${process.pid}.new`
  writeFileSync(temporary, lines.join(end) + end, { mode: statSync(file).mode & 0o777 })
  renameSync(temporary, file)
}
