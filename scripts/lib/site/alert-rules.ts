// Which keys of an alert channel go together. Pure.
import type { Draft, KeyProblem } from './rules.ts'
import type { Key } from './schema.ts'

/** The key that opens a channel, what it needs besides, and what may come with it. */
const channels: readonly { opens: Key; needs: readonly Key[]; takes: readonly Key[] }[] = [
  {
    opens: 'ALERT_EMAIL',
    needs: ['ALERT_SMTP'],
    takes: ['ALERT_SMTP_FROM', 'ALERT_SMTP_USERNAME', 'ALERT_SMTP_PASSWORD'],
  },
  { opens: 'ALERT_NTFY_URL', needs: [], takes: ['ALERT_NTFY_TOKEN'] },
  { opens: 'ALERT_TELEGRAM_TOKEN', needs: ['ALERT_TELEGRAM_CHAT'], takes: [] },
]

/** A channel is there in whole or not at all. */
export function alertProblems({ values, given, broken }: Draft): KeyProblem[] {
  const found: KeyProblem[] = []
  const absent = (key: Key) => values[key] === undefined && !broken.has(key)
  const word = (key: Key) => (given.has(key) ? 'empty' : 'not set')
  for (const { opens, needs, takes } of channels) {
    if (!absent(opens))
      for (const key of needs.filter(absent))
        found.push({ key, problem: `${word(key)}, and ${opens} needs it`, fix: `set it, or remove ${opens}` })
    else
      for (const key of [...needs, ...takes].filter(key => values[key] !== undefined))
        found.push({ key, problem: `set, and ${opens} is not`, fix: `set ${opens}, or remove ${key}` })
  }
  const pair = ['ALERT_SMTP_USERNAME', 'ALERT_SMTP_PASSWORD'] as const
  for (const [key, other] of [pair, [pair[1], pair[0]] as const])
    if (absent(key) && values[other] !== undefined)
      found.push({ key, problem: `${word(key)}, and ${other} needs it`, fix: `set it, or remove ${other}` })
  return found
}
