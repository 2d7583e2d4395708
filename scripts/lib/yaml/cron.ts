// Whether a text is a schedule in cron's form, and if not, which field is wrong. Pure.
import type { Flaw } from '../site/network.ts'
import { shown } from '../site/values.ts'

const fields = [
  { name: 'minute', from: 0, to: 59 },
  { name: 'hour', from: 0, to: 23 },
  { name: 'day of the month', from: 1, to: 31 },
  { name: 'month', from: 1, to: 12, words: 'jan feb mar apr may jun jul aug sep oct nov dec' },
  { name: 'day of the week', from: 0, to: 7, words: 'sun mon tue wed thu fri sat' },
] as const

const shortForms = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly']

/** As Kubernetes and Velero read it (https://pkg.go.dev/github.com/robfig/cron/v3). */
export function cronFlaw(text: string): Flaw | undefined {
  if (text.startsWith('@')) {
    if (shortForms.includes(text) || /^@every (\d+(\.\d+)?(h|m|s|ms))+$/.test(text)) return undefined
    return { problem: `${shown(text)} is no schedule`, fix: `use one of ${shortForms.join(', ')}` }
  }
  const parts = text
    .replace(/^(TZ|CRON_TZ)=\S+\s+/, '')
    .trim()
    .split(/\s+/)
  if (parts.length !== fields.length)
    return {
      problem: `${shown(text)} has ${parts.length} fields, a schedule has 5`,
      fix: 'minute, hour, day, month, weekday: 30 3 * * *',
    }
  for (const [i, field] of fields.entries()) {
    const part = parts[i] ?? ''
    if (!part.split(',').every(one => fits(one, field)))
      return {
        problem: `${shown(part)} is no ${field.name}`,
        fix: `use a number from ${field.from} to ${field.to}, * or */N`,
      }
  }
  return undefined
}

function fits(text: string, { from, to, ...field }: (typeof fields)[number]): boolean {
  const words: string[] = 'words' in field ? field.words.split(' ') : []
  const [, first = '', last, step] = /^(\*|\?|\w+)(?:-(\w+))?(?:\/(\d+))?$/.exec(text) ?? []
  const number = (part: string) => {
    const word = words.indexOf(part.toLowerCase())
    return word >= 0 ? word + from : /^\d+$/.test(part) ? Number(part) : Number.NaN
  }
  const inside = (n: number) => n >= from && n <= to
  if (step !== undefined && Number(step) < 1) return false
  if (/^[*?]$/.test(first)) return last === undefined
  if (!inside(number(first))) return false
  return last === undefined || (inside(number(last)) && number(first) <= number(last))
}
