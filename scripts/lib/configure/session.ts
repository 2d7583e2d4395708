// One question and its answer: what is decided already is not asked, what is asked has a proposal and the reason for it.
import { exit, HomelabError } from '../errors.ts'
import { about, type Key, secretKeys } from '../site/schema.ts'
import { type Asker, explain, object, say } from './ask.ts'
import { flagOf } from './flags.ts'
import type { Surroundings } from './machine.ts'
import type { Settings } from './settings.ts'

export interface Session {
  settings: Settings
  machine: Surroundings
  /** Nobody to ask: flags, environment and what is safe to assume decide. */
  asker?: Asker
  /** `--yes`: every proposal is accepted. */
  yes: boolean
  /** Proposals that nobody accepted yet: named with what is missing. */
  offers: Map<Key, string>
  /** Keys that are needed although the schema could do without. */
  needed: Map<Key, string>
}

interface Question {
  title: string
  /** What helps to answer. */
  hint: string
  proposal?: string
  /** Where the proposal came from; shown, and kept beside the change. */
  why?: string
  /** Nobody needs to be asked for it to be right. */
  safe?: boolean
  /** Further keys whose rules the answer can break. */
  also?: readonly Key[]
  /** Other ways to say the same. */
  meant?: (answer: string) => string
  /** What else is wrong with an answer. */
  wrong?: (text: string) => string | undefined
}

/** One key: decided already, or asked until the answer is good. */
export async function settle({ settings, asker, yes, offers }: Session, key: Key, question: Question): Promise<void> {
  const { title, hint, proposal, why = 'proposed', safe, also, wrong, meant = text => text } = question
  if (settings.wants.has(key)) return // by flag or environment
  const own = settings.own(key)
  if (!asker) {
    if (own !== undefined || proposal === undefined) return
    offers.set(key, proposal)
    if (safe || yes) settings.want(key, proposal, why)
    return
  }
  const offered = own ?? proposal
  say(`\n${title}`)
  if (hint) explain(hint)
  if (own === undefined && proposal !== undefined && question.why) explain(`Proposed: ${question.why}.`)
  const secret = secretKeys.has(key)
  const inBrackets =
    offered === undefined ? '' : secret ? ` [the ${offered.length} characters that are there]` : ` [${offered}]`
  for (;;) {
    const prompt = `${key}${inBrackets}: `
    const answer = await (secret ? asker.secret(prompt) : asker.line(prompt))
    if (answer === undefined) throw unanswered(key)
    const text = meant(answer) || offered
    if (text === undefined) {
      object(`this one has no proposal${secret ? '' : `; for example ${about(key).example}`}`)
      continue
    }
    const flaw = settings.flaw(key, text, also)
    const problem = flaw ? `${flaw.problem}. Fix: ${flaw.fix}` : wrong?.(text)
    if (problem === undefined) return settings.want(key, text, answered)
    object(problem)
  }
}

/** The reason for what was asked: it was read there. */
export const answered = 'your answer'

function unanswered(key: Key): HomelabError {
  return new HomelabError({
    what: `no answer for ${key}, nothing was written`,
    fix: secretKeys.has(key)
      ? `set ${key} in this command’s environment`
      : `answer the question, or --${flagOf(key)} …`,
    code: exit.usage,
  })
}
