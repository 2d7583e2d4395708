// The one error that reaches an owner: what happened, why, what to do next, and how the process ends.
import { constants } from 'node:os'

/** Exit codes of every script. What a signal ended has its own (`stopCode`). */
export const exit = { done: 0, failed: 1, usage: 2, refused: 3 } as const

/** Of what a signal ended: 130 or 143, as a shell says it. */
export function stopCode(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}

export type ExitCode = (typeof exit)[keyof typeof exit]

export interface Problem {
  /** What is wrong, one sentence without a final stop, e.g. `.env:4 DOMAIN: …` */
  what: string
  /** The cause, where it is not already plain. Tools' own words are welcome. */
  why?: string
  /** The next thing to do, ideally a command to paste. */
  fix?: string
  /** Where more is written: a page of this repository, else an address. */
  link?: string
}

/** Everything thrown on purpose. Anything else that reaches the top is a bug and is printed with its stack. */
export class HomelabError extends Error implements Problem {
  override name = 'HomelabError'
  readonly what: string
  readonly why?: string
  readonly fix?: string
  readonly link?: string
  readonly code: ExitCode
  /** Further problems of the same kind: a configuration is reported whole. */
  readonly others: readonly Problem[]

  constructor(problem: Problem & { code?: ExitCode; others?: readonly Problem[]; cause?: unknown }) {
    super(problem.what, problem.cause === undefined ? undefined : { cause: problem.cause })
    this.what = problem.what
    if (problem.why !== undefined) this.why = problem.why
    if (problem.fix !== undefined) this.fix = problem.fix
    if (problem.link !== undefined) this.link = problem.link
    this.code = problem.code ?? exit.failed
    this.others = problem.others ?? []
  }
}

/** All problems as one error with exit code 2, or nothing when there are none. */
export function throwProblems(problems: readonly Problem[]): void {
  const [first, ...others] = problems
  if (first) throw new HomelabError({ ...first, code: exit.usage, others })
}

// What the system says when a file of ours cannot be written, and what that means.
const unwritable: Readonly<Record<string, string>> = {
  ENOSPC: 'there is no space left on the disk',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'this user may not write there',
}

/** A full or read-only disk is the owner's to mend, not a mistake in the scripts; anything else stays what it is. */
export function fromSystem(error: unknown): unknown {
  const { code = '', path = '' } = error instanceof Error ? (error as NodeJS.ErrnoException) : {}
  const why = unwritable[code]
  if (why === undefined) return error
  return new HomelabError({
    what: `${path || 'a file'} could not be written`,
    why,
    fix: 'make room, or choose another folder with XDG_CACHE_HOME or TMPDIR; then run the same command again',
    cause: error,
  })
}
