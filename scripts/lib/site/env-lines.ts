// The lines of a .env file, read strictly. dotenv parsers disagree on odd input, so every line is judged raw first; dotenv
// must then read the same value, or the line is a problem. Nothing in a value is ever expanded or executed. Pure.
import { parse } from 'dotenv'

export interface EnvProblem {
  /** 0 when the file as a whole is meant: `problem` is then a sentence that names it. */
  line: number
  key?: string
  problem: string
  fix: string
}

export interface EnvEntry {
  value: string
  line: number
}

export interface EnvFile {
  values: Map<string, EnvEntry>
  problems: EnvProblem[]
  notices: string[]
}

/** Far above any real file: 64 KiB, 1,000 lines, 4,096 characters a line. */
export const limits = { bytes: 65_536, lines: 1_000, line: 4_096 } as const

/** Lints and parses the text of an env file. */
export function parseEnv(text: string, secrets: ReadonlySet<string>): EnvFile {
  const lines = text.replace(/^\ufeff/, '').split(/\r?\n/)
  const file: EnvFile = { values: new Map(), problems: [], notices: [] }
  if (lines.length > limits.lines) {
    file.problems.push({
      line: 0,
      problem: `the file is longer than ${limits.lines} lines`,
      fix: 'keep only KEY=VALUE lines',
    })
    return file
  }
  const seen = new Map<string, number>()
  for (let at = 0; at < lines.length; ) {
    const line = at + 1
    const raw = lines[at++] ?? ''
    const wrong = wrongLine(raw, line)
    if (wrong) file.problems.push({ line, ...wrong })
    if (wrong || isComment(raw)) continue
    const { key, rest } = split(raw)
    const first = seen.get(key)
    if (first === undefined) seen.set(key, line)
    else file.problems.push({ line, key, problem: `defined on lines ${first} and ${line}`, fix: 'keep one of them' })
    const read = readValue({ key, rest, line, following: lines.slice(at), secret: secrets.has(key) })
    if ('problem' in read) file.problems.push({ line, key, ...read })
    else {
      at += read.used
      if (first === undefined) file.values.set(key, { value: read.value, line })
    }
  }
  return file
}

const isComment = (raw: string): boolean => /^\s*(#|$)/.test(raw)

function split(raw: string): { key: string; rest: string } {
  const at = raw.indexOf('=')
  return {
    key: raw
      .slice(0, at)
      .trim()
      .replace(/^export\s+/, ''),
    rest: raw.slice(at + 1),
  }
}

/** What makes a line unreadable before its value matters. */
function wrongLine(raw: string, line: number): Omit<EnvProblem, 'line'> | undefined {
  const bare = /^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=/.exec(raw)?.[1]
  const key = bare === undefined ? {} : { key: bare }
  if (raw.length > limits.line)
    return {
      ...key,
      problem: `longer than ${limits.line} characters`,
      fix: 'shorten it, or keep it in a file of its own',
    }
  const hidden = forbiddenCharacter(isComment(raw) ? raw.replaceAll('\u200d', '') : raw) // joins emoji, harmless there
  if (hidden) return { ...key, problem: hidden, fix: 'delete it: type the line anew instead of pasting it' }
  if (isComment(raw) || bare !== undefined) return undefined
  const name = raw.includes('=') ? split(raw).key : undefined
  if (name === undefined)
    return { problem: `line ${line} is not KEY=VALUE`, fix: 'write KEY=VALUE, or begin the line with #' }
  // A long one is no mistyped key but a line of something pasted, perhaps of a private key: it is not shown.
  const short = name.length <= 32
  if (short && /^[a-z][a-z0-9_]*$/i.test(name))
    return { key: name, problem: 'keys are written in capitals', fix: `${name.toUpperCase()}=…` }
  const shown = short ? JSON.stringify(name) : `of ${name.length} characters`
  return { problem: `invalid key name ${shown}`, fix: 'use A–Z, 0–9 and _ only; a longer value goes between quotes' }
}

/** A character that nobody types into a configuration: control, bidirectional or zero-width. `U+202E not allowed`. */
export function forbiddenCharacter(text: string): string | undefined {
  const [found] = /(?!\t)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.exec(text) ?? []
  if (found === undefined) return undefined
  return (found.codePointAt(0) ?? 0) < 0xa0
    ? `control character ${codePoint(found)}`
    : `${codePoint(found)} not allowed (it is invisible)`
}

/** `U+00A0` */
export function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`
}

type Read = { value: string; used: number } | { problem: string; fix: string }

interface Written {
  key: string
  /** What stands after the `=`, and the lines after it: a value can go on between quotes. */
  rest: string
  following: readonly string[]
  line: number
  secret: boolean
}

/** The value of one key, and how many of the following lines belong to it. */
function readValue({ key, rest, following, line, secret }: Written): Read {
  const text = rest.replace(/^[ \t]+/, '')
  const quote = /^['"`]/.exec(text)?.[0]
  const read = quote ? readQuoted(quote, text, following, line) : readBare(text, secret)
  if ('problem' in read) return read
  const source = [rest, ...following.slice(0, read.used)].join('\n')
  if (parse(`${key}=${source}`)[key] === read.value) return read
  return { problem: 'dotenv reads this value otherwise than it is written', fix: single }
}

const single = 'put the value between single quotes'

function readBare(text: string, secret: boolean): Read {
  const hash = text.indexOf('#')
  if (hash > 0 && !/\s/.test(text[hash - 1] ?? '')) return { problem: 'an unquoted # cuts the value off', fix: single }
  const value = (hash < 0 ? text : text.slice(0, hash)).replace(/[ \t]+$/, '')
  if (secret && hash > 0 && value)
    return {
      problem: 'a # after a secret may be a comment or part of it',
      fix: `${single}, the comment on a line of its own`,
    }
  const odd = /^[^\S \t]|[^\S \t]$/.exec(value)?.[0]
  if (odd)
    return {
      problem: `${value.endsWith(odd) ? 'trailing' : 'leading'} ${codePoint(odd)}`,
      fix: 'delete it: it looks like a space and is none',
    }
  return { value, used: 0 }
}

function readQuoted(quote: string, text: string, following: readonly string[], line: number): Read {
  const never = { problem: `quote opened on line ${line} never closed`, fix: `end the value with ${quote}` }
  let body = text.slice(1)
  let used = 0
  // dotenv lets a value go on over lines. A swallowed line that is itself KEY=VALUE means a forgotten quote.
  while (!body.includes(quote)) {
    const next = following[used++]
    if (next === undefined || /^\s*(export\s+)?[A-Z][A-Z0-9_]*\s*=\s*[^=\s]/.test(next) || forbiddenCharacter(next))
      return never
    body += `\n${next}`
  }
  const end = body.indexOf(quote)
  const value = body.slice(0, end)
  const clean = /^\s*(#.*)?$/.test(body.slice(end + 1))
  if (!clean && used > 0) return never
  if (quote === '"' && /\\(?!n)/.test(value))
    return { problem: 'between double quotes only \\n is understood, another \\ is not', fix: quotingFor(value) }
  if (!clean)
    return {
      problem: `text after the closing ${quote}`,
      fix: `${quotingFor(text.slice(1, -1))}, a comment after a space and #`,
    }
  if (quote === '`' && quotingFor(value) !== backticks)
    return { problem: 'backticks run nothing here and are dropped', fix: quotingFor(value) }
  return { value: quote === '"' ? value.replaceAll('\\n', '\n') : value, used }
}

const backticks = 'put the value between backticks'

/** Which quotes a value needs, as advice. */
function quotingFor(value: string): string {
  if (!value.includes("'")) return single
  return /["\\]/.test(value) ? backticks : 'put the value between double quotes'
}
