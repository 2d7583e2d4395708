// The end of a run: what failed and why, what was changed, what the checks were worth, and what to do next.
import { writeSync } from 'node:fs'
import { describe } from './command.ts'
import { exit, HomelabError, type Problem, stopCode } from './errors.ts'
import { paint, print, seconds } from './output.ts'
import { redact } from './redact.ts'
import type { Run } from './run.ts'
import { pasteable } from './site/choose.ts'
import { withPage } from './troubleshooting.ts'
import { countVerdicts, type Verdict } from './verdict.ts'

/** What a run came to: the last event of `--json`. */
export interface Summary {
  event: 'summary'
  code: number
  plan: boolean
  changes: number
  milliseconds: number
  verdicts: Verdict[]
  /** Charts of which a stand-in was used. */
  standIns: readonly string[]
  /** Of these, the ones that run an imitation of the program. */
  imitations: readonly string[]
  /** By step. */
  problems: Record<string, Problem>
}

/**
 * Prints the account of a run.
 * @param took milliseconds
 * @returns the exit code
 */
export function account(run: Run, failures: ReadonlyMap<string, Error>, took: number, json: boolean): number {
  const stopped = run.stopping ? stopCode(run.stopping) : 0
  const summary: Summary = {
    event: 'summary',
    code: stopped || codeOf([...failures.values()]),
    plan: run.plan,
    changes: [...run.changes.values()].reduce((sum, n) => sum + n, 0),
    milliseconds: took,
    verdicts: run.verdicts,
    standIns: run.standIns,
    imitations: run.imitations,
    problems: Object.fromEntries([...failures].map(([id, error]) => [id, problemOf(error, run)])),
  }
  // A program that shows our output to a person can still have the account: the rehearsal does.
  if (process.env.HOMELAB_SUMMARY_FD) writeSync(Number(process.env.HOMELAB_SUMMARY_FD), redact(JSON.stringify(summary)))
  if (json) print(JSON.stringify(summary))
  else printAccount(summary)
  return summary.code
}

/** A refusal counts as one only when nothing failed besides. */
function codeOf(failures: readonly Error[]): number {
  if (!failures.length) return exit.done
  return failures.every(error => error instanceof HomelabError && error.code === exit.refused)
    ? exit.refused
    : exit.failed
}

/** Anything unforeseen keeps its own words and its stack; a fix is made to fit this cluster. */
export function problemOf(error: Error, run: Run): Problem {
  if (!(error instanceof HomelabError))
    return { what: error.stack ?? error.message, why: 'this is a mistake in the scripts, not in your set-up' }
  const { what, why, fix, link } = withPage(error)
  return {
    what,
    ...(why ? { why } : {}),
    ...(fix ? { fix: pasteable(fix, run.site) } : {}),
    ...(link ? { link } : {}),
  }
}

function printAccount({ code, plan, changes, milliseconds, verdicts, standIns, imitations, problems }: Summary): void {
  for (const [id, problem] of Object.entries(problems))
    print(`\n${describe({ ...problem, what: `${id}: ${problem.what}` })}`)
  const count = `${changes} change${changes === 1 ? '' : 's'}${plan ? ' to make, nothing written' : ''}`
  const checks = verdicts.length ? `; checks: ${countVerdicts(verdicts)}` : ''
  print(
    `\n${code === exit.done ? paint('green', '✓') : paint('red', '✗')} ${count} in ${seconds(milliseconds)}${checks}`,
  )
  print(
    code > exit.refused
      ? '  interrupted; next: the same command again, it goes on where it was'
      : code !== exit.done
        ? '  next: mend the cause, then run the same command again (what is done is kept)'
        : plan
          ? '  next: the same command without --plan'
          : '  next: make status',
  )
  if (standIns.length) print(standInLine(standIns, imitations))
}

/** Said in the first and in the last line of a run that used any. */
export function standInLine(names: readonly string[], imitations: readonly string[]): string {
  const imitated = imitations.map(
    name => `\n  ${name.charAt(0).toUpperCase()}${name.slice(1)} itself is imitated: its checks are assumed.`,
  )
  return `Stand-in charts for ${names.join(', ')}: the real ones need a network.${imitated.join('')}`
}
