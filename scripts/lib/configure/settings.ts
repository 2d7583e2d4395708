// The values that are about to stand in .env: what the file has, over it flags and environment, over those the answers.
import { lstatSync } from 'node:fs'
import type { Values as Flags } from '../command.ts'
import { type Problem, throwProblems } from '../errors.ts'
import { hide } from '../redact.ts'
import { s3Problems } from '../site/backup-rules.ts'
import { readEnvFile } from '../site/env-file.ts'
import { describeFound, type Examined, examine } from '../site/examine.ts'
import { describeProblems, type Found, readValues, type Source } from '../site/read.ts'
import { addressProblems, certificateProblems, type Draft } from '../site/rules.ts'
import { about, type Key, keys, secretKeys } from '../site/schema.ts'
import { placeholders } from '../site/values.ts'
import { flagOf } from './flags.ts'

export class Settings {
  /** The file as it lay there, with flags and environment over it. */
  readonly before: Examined
  /** What is to be written, and why: shown beside the change. */
  readonly wants = new Map<Key, { text: string; why: string }>()
  readonly flagged: ReadonlySet<Key>

  private constructor(before: Examined, flags: ReadonlyMap<Key, string>) {
    this.before = before
    this.flagged = new Set(flags.keys())
    for (const key of keys) {
      const source = before.sources.get(key)
      if (source?.line !== 0 || !source.text) continue
      const text = key === 'KUBECONFIG' ? before.kubeconfig : source.text // a relative one means another file elsewhere
      this.wants.set(key, { text, why: flags.has(key) ? `--${flagOf(key)}` : 'from the environment' })
    }
  }

  /**
   * @param options what stands on the command line
   * @throws HomelabError (exit 2) when the file cannot be read, or has lines that no command accepts
   */
  static async read(options: Flags): Promise<Settings> {
    const flags = new Map<Key, string>()
    for (const key of keys) {
      const text = secretKeys.has(key) ? undefined : options[flagOf(key)]
      if (typeof text === 'string') flags.set(key, text)
    }
    const environment = typeof options.environment === 'string' ? { env: options.environment } : {}
    const where = await examine({ ...environment, text: '' })
    const { KUBECONFIG, ...others } = process.env
    // Most shells have a KUBECONFIG of their own: it stands in where the file has none, and changes none.
    const kept = readEnvFile(where.path, { root: where.path, secrets: secretKeys }).values.get('KUBECONFIG')?.value
    const before = await examine({
      ...environment,
      processEnv: { ...others, ...(kept || !KUBECONFIG ? {} : { KUBECONFIG }), ...Object.fromEntries(flags) },
    })
    refuseUnreadable(before)
    return new Settings(before, flags)
  }

  /** What the file itself says; a placeholder of the example says nothing. */
  own(key: Key): string | undefined {
    const text = this.before.file.values.get(key)?.value
    return text && text !== placeholders.get(key) ? text : undefined
  }

  get(key: Key): string | undefined {
    return (this.wants.get(key)?.text ?? this.own(key)) || undefined
  }

  want(key: Key, text: string, why: string): void {
    if (secretKeys.has(key)) hide(text)
    if (text === this.own(key)) this.wants.delete(key)
    else this.wants.set(key, { text, why })
  }

  /** What would be wrong if a key had this text, in the words of these keys' own rules. */
  flaw(key: Key, text: string, also: readonly Key[] = []): Found | undefined {
    const draft = this.draft(key, text)
    const rules =
      key === 'DOMAIN'
        ? []
        : [addressProblems, certificateProblems, s3Problems].flatMap(problems => problems(draft.draft))
    return [...draft.problems, ...rules].find(found => found.key === key || also.includes(found.key as Key))
  }

  /** The values as they would be, with one of them changed. */
  draft(key: Key, text: string): { draft: Draft; problems: Found[] } {
    const sources = new Map<string, Source>()
    for (const one of keys) {
      const value = one === key ? text : this.get(one)
      if (value) sources.set(one, { text: value, line: 0 })
    }
    return readValues({ values: new Map(), problems: [], notices: [] }, sources)
  }

  /** The keys whose lines would change. */
  changes(): { key: Key; from?: string; to: string; why: string }[] {
    return keys.flatMap(key => {
      const wanted = this.wants.get(key)
      if (!wanted) return []
      const { text, why } = wanted
      const from = this.before.file.values.get(key)?.value
      return from === text || (from === undefined && text === '')
        ? []
        : [{ key, ...(from ? { from } : {}), to: text, why }]
    })
  }
}

/** Lines that cannot be understood are not edited around: the owner mends them first, and loses no answers. */
function refuseUnreadable(before: Examined): void {
  const { name, path, sources, file, found, checkout } = before
  const absent = lstatSync(path, { throwIfNoEntry: false }) === undefined
  if (file.values.size === 0 && file.problems.some(({ line }) => line === 0)) {
    if (!absent) throwProblems(describeFound(before))
    return
  }
  const known = new Set<string>(keys)
  const mending = found.filter(
    ({ key, line }) =>
      (line ?? 0) > 0 || (key !== undefined && !known.has(key)) || (checkout.tracked && line === 0 && !key),
  )
  const tracked = mending.filter(one => !/^\S+ is readable by others/.test(one.problem)) // that is mended here
  throwProblems(describeProblems(name, sources, tracked))
}

/** What keeps the values from being written, with the way to give them to this command. */
export function problemsToMend(
  settings: Settings,
  found: readonly Found[],
  offers: ReadonlyMap<Key, string>,
): Problem[] {
  const { name, file } = settings.before
  return found.map(({ key, problem, fix }) => {
    const known = keys.find(one => one === key)
    if (!known) return { what: problem, fix }
    const line = settings.wants.has(known) ? undefined : file.values.get(known)?.line
    const absent = /^(not set|empty|none)\b/.test(problem) || problem.startsWith('still the placeholder')
    const offer = offers.get(known)
    const way = secretKeys.has(known)
      ? `set ${known} in this command’s environment, or answer the question in a terminal`
      : `--${flagOf(known)} ${offer ?? about(known).example}`
    return {
      what: `${line ? `${name}:${line} ` : ''}${known}: ${line ? problem : problem.replace(/^empty\b/, 'not set')}`,
      fix: absent ? `${way}${offer ? ' (a proposal)' : ''}` : fix,
    }
  })
}
