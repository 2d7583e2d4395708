// What every command and step has in common: options, --help, and how an error reaches the owner.
import { parseArgs } from 'node:util'
import { exit, fromSystem, HomelabError, type Problem } from './errors.ts'
import { paint, print } from './output.ts'
import { withPage } from './troubleshooting.ts'

// Every script begins here, so an old Node is said before anything that it cannot do.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 11)) {
  console.error(`✗ Node ${process.versions.node} is too old\n  fix  install Node 20.11 or later: https://nodejs.org`)
  process.exit(2)
}

export interface Option {
  type: 'boolean' | 'string'
  help: string
  /** For the help: what a string stands for, e.g. `NAME`. */
  value?: string
}

export interface Usage {
  /** `status [--json]`, shown after `usage:` */
  line: string
  about: string
  options: Readonly<Record<string, Option>>
  /** Options that somebody could expect, and why there are none. */
  refused?: Readonly<Record<string, Problem>>
}

export type Values = Readonly<Record<string, string | boolean | undefined>>

/** Options that all commands know. */
export const common = {
  json: { type: 'boolean', help: 'one JSON object per event or answer, for programs' },
  debug: { type: 'boolean', help: 'show every kubectl and helm command, and stack traces' },
  help: { type: 'boolean', help: 'this text' },
} satisfies Record<string, Option>

/**
 * Runs a command line to its exit code: `--help`, wrong options, errors as one message.
 * @param body returns the exit code, or nothing for 0
 */
export async function command(
  usage: Usage,
  body: (values: Values, positionals: string[]) => Promise<number | undefined>,
): Promise<never> {
  const args = process.argv.slice(2)
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(help(usage))
    process.exit(exit.done)
  }
  try {
    const { values, positionals } = parse(usage, args)
    if (values.debug) (await import('./shell.ts')).debug.on = true
    process.exit((await body(values, positionals)) ?? exit.done)
  } catch (error) {
    process.exit(report(error, args.includes('--debug'), args.includes('--json')))
  }
}

function parse(usage: Usage, args: string[]): { values: Values; positionals: string[] } {
  try {
    const options = Object.fromEntries(Object.entries(usage.options).map(([name, { type }]) => [name, { type }]))
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true, strict: true })
    return { values: values as Values, positionals }
  } catch (cause) {
    const refused = Object.entries(usage.refused ?? {}).find(([name]) =>
      args.some(arg => arg.split('=')[0] === `--${name}`),
    )
    if (refused) throw new HomelabError({ ...refused[1], code: exit.usage })
    const why = cause instanceof Error ? (cause.message.split('. ')[0] ?? cause.message) : String(cause)
    throw new HomelabError({ what: why.replace(/\.$/, ''), fix: 'see --help', code: exit.usage })
  }
}

function help({ line, about, options }: Usage): string {
  const rows = Object.entries(options).map(
    ([name, { help, value }]) => [`--${name}${value ? ` ${value}` : ''}`, help] as const,
  )
  const width = Math.max(...rows.map(([flag]) => flag.length))
  return `${about}\n\nusage: ${line}\n\n${rows.map(([flag, text]) => `  ${flag.padEnd(width)}  ${text}`).join('\n')}\n`
}

/** Prints an error for people (or as JSON) and returns the exit code that goes with it. */
export function report(thrown: unknown, debug = false, json = false): number {
  const error = fromSystem(thrown)
  if (!(error instanceof HomelabError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    print(
      `${paint('red', '✗', process.stderr)} this is a mistake in the scripts, not in your set-up\n${text}`,
      process.stderr,
    )
    return exit.failed
  }
  if (json) print(JSON.stringify({ event: 'error', code: error.code, problems: [error, ...error.others].map(problem) }))
  else {
    for (const one of [error, ...error.others]) print(describe(one), process.stderr)
    if (error.others.length) print(`\n${error.others.length + 1} problems, nothing was written.`, process.stderr)
  }
  if (debug && error.stack) print(paint('dim', error.stack, process.stderr), process.stderr)
  return error.code
}

/** An error as people read it: what, why, fix, and where more is written. */
export function describe(found: Problem): string {
  const { what, why, fix, link } = withPage(found)
  const lines = [`${paint('red', '✗', process.stderr)} ${what}`]
  if (why) lines.push(`  ${paint('dim', 'why', process.stderr)}  ${why}`)
  if (fix) lines.push(`  ${paint('dim', 'fix', process.stderr)}  ${fix}`)
  if (link) lines.push(`  ${paint('dim', 'see', process.stderr)}  ${link}`)
  return lines.join('\n')
}

function problem(found: Problem): Problem {
  const { what, why, fix, link } = withPage(found)
  return { what, ...(why ? { why } : {}), ...(fix ? { fix } : {}), ...(link ? { link } : {}) }
}
