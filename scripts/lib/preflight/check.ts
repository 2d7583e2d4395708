// What a check is: a record that looks at the facts and says what it found. The facts are read once, for all of them.
import { exit, HomelabError, type Problem } from '../errors.ts'
import type { Facts } from './facts.ts'

/** The groups in the order in which an owner looks for a cause. */
export const groups = {
  tools: 'Tools',
  cluster: 'Cluster, identity and rights',
  nodes: 'Nodes and capacity',
  versions: 'Versions',
  network: 'Network',
  storage: 'Storage',
  owners: 'Other owners',
  leftovers: 'Leftovers',
} as const

export type Group = keyof typeof groups

export type Result =
  | { state: 'well'; text: string }
  /** Worth knowing, and nothing to do. */
  | { state: 'notice'; text: string }
  /** `problem`: an installation would fail or do harm. `warning`: it works, but. */
  | ({ state: 'problem' } & Found)
  | ({ state: 'warning' } & Found)
  /** Could not be checked, and why. */
  | { state: 'unknown'; why: string }

export interface Found extends Problem {
  /** Somebody else's property: the run ends with exit code 3 instead of 2. */
  refuse?: true
  /** `make adopt` takes it over: for that command it is no problem. */
  adoptable?: true
}

export interface Check {
  /** `network.pool-nodes`: for `--json` and for tests. */
  id: `${Group}.${string}`
  title: string
  /** Kinds without which the check says nothing: when they could not be read, neither can it look. */
  reads?: readonly string[]
  look(facts: Facts): Result | readonly Result[]
}

export interface Examined {
  check: Check
  results: readonly Result[]
}

export const well = (text = ''): Result => ({ state: 'well', text })
export const notice = (text: string): Result => ({ state: 'notice', text })
export const problem = (found: Found): Result => ({ state: 'problem', ...found })
export const warning = (found: Found): Result => ({ state: 'warning', ...found })
export const unknown = (why: string): Result => ({ state: 'unknown', why })

/** What was found, or that all is well. */
export function orWell(found: readonly Result[], text = ''): readonly Result[] {
  return found.length ? found : [well(text)]
}

/** Every check's word on one set of facts. */
export function examine(checks: readonly Check[], facts: Facts): Examined[] {
  return checks.map(check => {
    const unread = (check.reads ?? []).flatMap(kind => facts.unread.get(kind) ?? [])
    if (unread[0] !== undefined) return { check, results: [unknown(unread[0])] }
    return { check, results: [check.look(facts)].flat() }
  })
}

export const groupOf = (check: Check): Group => check.id.split('.')[0] as Group

const problemsOf = (examined: readonly Examined[]): (Found & { state: 'problem' })[] =>
  examined.flatMap(({ results }) => results).flatMap(one => (one.state === 'problem' ? [one] : []))

/**
 * Ends the run when there are problems: all of them in one report, before the first write.
 * @param pasteable makes a fix fit this site
 * @throws HomelabError exit 2, or 3 when something belongs to another owner
 */
export function refuseProblems(examined: readonly Examined[], pasteable = (fix: string) => fix): void {
  const found = problemsOf(examined)
  const problems = found.map(({ state: _, refuse: __, adoptable: ___, ...one }) =>
    one.fix ? { ...one, fix: pasteable(one.fix) } : one,
  )
  const [first, ...others] = problems
  if (!first) return
  throw new HomelabError({ ...first, others, code: found.some(one => one.refuse) ? exit.refused : exit.usage })
}

/** What a run tells its owner although it goes on. */
export function noticesOf(examined: readonly Examined[], pasteable = (fix: string) => fix): string[] {
  return examined
    .flatMap(({ results }) => results)
    .flatMap(result => {
      if (result.state === 'notice') return [result.text]
      if (result.state !== 'warning') return []
      return [`! ${result.what}${result.fix ? `\n  fix  ${pasteable(result.fix)}` : ''}`]
    })
}

/** `node-1, node-2 and 3 more`: a list that fits a line. */
export function few(names: readonly string[], most = 4): string {
  return names.length <= most ? names.join(', ') : `${names.slice(0, most).join(', ')} and ${names.length - most} more`
}
