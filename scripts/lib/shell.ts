// Runs other programs. kubectl and helm go through here, by way of cluster.ts and helm.ts; nothing else starts them.
import { setTimeout as sleep } from 'node:timers/promises'
import { $, quote } from 'zx/core'
import { exit, HomelabError, stopCode } from './errors.ts'
import { redact } from './redact.ts'

export interface Ran {
  code: number
  stdout: string
  stderr: string
}

export interface RunOptions {
  /** For standard input, which is otherwise closed: the only way in which a secret reaches a child. */
  input?: string
  /** Seconds after which the child is ended. */
  timeout?: number
  env?: Readonly<Record<string, string>>
  /** Told the id of its process group as soon as it runs; what it returns is called when it has ended. */
  onStart?: (group: number) => () => void
}

/** `--debug`: every command is shown as it could be pasted. */
export const debug = { on: false, print: (line: string) => console.error(line) }

// What a child may see of our environment: a token that somebody exported for something else is not its business.
const passed =
  /^(PATH|HOME|USER|TMPDIR|LANG|LC_\w+|TZ|TERM|SSH_AUTH_SOCK|XDG_\w+|KUBECACHEDIR|HELM_\w+|AWS_PROFILE|AWS_CONFIG_FILE|SSL_CERT_(FILE|DIR)|(HTTPS?|NO|ALL)_PROXY|(https?|no|all)_proxy)$/

const environment = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => passed.test(name))),
  // zx starts bash with a socket for standard input. An outermost bash takes that for a remote login and runs the
  // owner's .bashrc before every command; one that believes itself nested does not.
  SHLVL: '2',
}

const running = new Set<{ kill(signal: NodeJS.Signals): unknown }>()

/** Sends a signal to every child that is still running. They are in process groups of their own, so Ctrl-C alone does not reach them. */
export function signalChildren(signal: NodeJS.Signals): number {
  for (const child of running) child.kill(signal)
  return running.size
}

/**
 * Runs a program to its end. A failing exit code is returned, not thrown.
 * @throws HomelabError (exit 2) when the program is not installed
 */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  if (debug.on)
    debug.print(redact(`+ ${[program, ...args].map(quote).join(' ')}${options.input ? ' < standard input' : ''}`))
  const child = $({
    env: { ...environment, ...options.env },
    quiet: true,
    nothrow: true,
    detached: true,
    input: options.input ?? '',
    ...(options.timeout === undefined ? {} : { timeout: `${options.timeout}s` as const }),
  })`${program} ${args}`
  child.stdin.on('error', () => {}) // it ended before it had read all of its input: its exit code tells, not ours
  // zx's own kill walks the process table; a process group needs one call.
  const handle = { kill: (signal: NodeJS.Signals) => endGroup(child.pid, signal) }
  running.add(handle)
  const ended = child.pid === undefined ? undefined : options.onStart?.(child.pid)
  const out = await child.finally(() => {
    running.delete(handle)
    ended?.()
  })
  if (out.exitCode === 127 && /not found/.test(out.stderr)) throw missing(program)
  return {
    code: out.exitCode ?? (out.signal ? stopCode(out.signal) : 128),
    stdout: out.stdout,
    stderr:
      out.signal === 'SIGTERM' && options.timeout ? `${out.stderr}\nno answer within ${options.timeout} s` : out.stderr,
  }
}

export interface Started {
  /** Waits for a line of standard output; undefined when the program ends or the time (seconds) is over first. */
  line(pattern: RegExp, timeout: number): Promise<RegExpExecArray | undefined>
  stderr(): string
  /** Whether it ends by itself within so many seconds. */
  ends(timeout: number): Promise<boolean>
  end(): unknown
}

// The program ends with us, even if we are killed: our end of its standard input closes then, and `read` returns.
const guard = '{ "$0" "$@"; kill -TERM 0; } & read -r _; kill -TERM 0'

/** Starts a program that runs until it is ended, as `kubectl proxy` does. */
export function start(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Started {
  if (debug.on) debug.print(redact(`+ ${[program, ...args].map(quote).join(' ')} &`))
  const child = $({
    env: { ...environment, ...env },
    quiet: true,
    nothrow: true,
    detached: true,
  })`sh -c ${guard} ${program} ${args}`
  const handle = { kill: (signal: NodeJS.Signals) => endGroup(child.pid, signal) }
  running.add(handle)
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const ended = child.then(() => running.delete(handle))
  return {
    async line(pattern, timeout) {
      const deadline = Date.now() + timeout * 1000
      let over = false
      void ended.then(() => (over = true))
      while (Date.now() < deadline && !over) {
        const match = pattern.exec(out)
        if (match) return match
        await new Promise(resolve => setTimeout(resolve, 20))
      }
      return pattern.exec(out) ?? undefined
    },
    stderr: () => err,
    ends: timeout => Promise.race([ended.then(() => true), sleep(timeout * 1000, false, { ref: false })]),
    // Its id may be somebody else's once it is over.
    end: () => running.has(handle) && endGroup(child.pid, 'SIGTERM'),
  }
}

function endGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // it ended by itself in the meantime
  }
}

/** The error for a program that is not installed (exit 2). */
export function missing(program: string): HomelabError {
  return new HomelabError({
    what: `${program} is not installed`,
    why: 'the scripts run kubectl and helm 4 from PATH',
    fix:
      program === 'helm'
        ? 'install Helm 4: https://helm.sh/docs/intro/install/'
        : 'install kubectl: https://kubernetes.io/docs/tasks/tools/',
    code: exit.usage,
  })
}
