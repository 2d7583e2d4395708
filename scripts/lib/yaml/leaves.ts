// Values whose form Kubernetes, Helm or a program would refuse late or misread: sizes, times, labels, hashes. Pure.
import { quantity } from '../k8s.ts'
import type { Flaw } from '../site/network.ts'
import { isFlaw } from '../site/network.ts'
import { shown, timezone } from '../site/values.ts'
import { cronFlaw } from './cron.ts'
import type { Entry, YamlDocument, YamlFlaw } from './parse.ts'

type Check = (value: unknown) => Flaw | undefined

/** By the end of the path, the last key last; the first that fits counts. */
const checks: readonly (readonly [RegExp, Check])[] = [
  [/\.(requests|limits)\.(memory|storage|ephemeral-storage)$/, size],
  [/\.(requests|limits)\.cpu$/, cpu],
  [/\.(\w*[pP]ersistence|\w*[vV]olume\w*|\w*[sS]torage\w*|volumeClaimTemplate\w*)\.(size|storage)$/, size],
  [/\.retention$/, retention],
  [/(?<!\.columns)\.schedule$/, schedule], // in a dashboard's table it is the heading of a label
  [/\.(timeZone|timezone)$/, zone],
  [/\.(labels|annotations|matchLabels|nodeSelector|podLabels|podAnnotations)\.[^.]+$/, text],
  [/\.argocdServerAdminPassword$/, bcrypt],
  [/\.users\[\d+\]\.password$/, bcrypt], // of AdGuard Home
]

/** What is wrong with the plain values of a document. Those that a `${name}` fills are judged where the name is. */
export function wrongLeaves({ entries }: YamlDocument): YamlFlaw[] {
  return entries.flatMap(entry => {
    if (entry.kind !== 'value' || (typeof entry.value === 'string' && entry.value.includes('${'))) return []
    const check = checks.find(([pattern]) => pattern.test(dotted(entry)))?.[1]
    const flaw = check?.(entry.value)
    return flaw ? [{ line: entry.line, path: entry.path, ...flaw }] : []
  })
}

/** Dots inside a key do not count as steps: `.labels.app·kubernetes·io/name`. */
const dotted = ({ path }: Entry): string =>
  path.map(step => (typeof step === 'number' ? `[${step}]` : `.${step.replaceAll('.', '·')}`)).join('')

function size(value: unknown): Flaw | undefined {
  if (value === null || value === '') return undefined // the chart's own default
  const [, digits] = /^(\d+(?:\.\d+)?)\s*([KMGT])i?[bB]?$/i.exec(String(value)) ?? []
  const unit = /([KMGT])/i.exec(String(value))?.[1]?.toUpperCase() ?? 'G'
  const fix = `use ${digits ?? (/^[1-9]\d*$/.test(String(value)) ? value : '10')}${unit}i`
  if (typeof value === 'string' && quantity(value) > 0 && /[A-Za-z]$/.test(value) && !/[numa]$/.test(value))
    return undefined
  if (typeof value === 'number' && value >= 1_048_576) return undefined // bytes, written out
  if (/^\d+$/.test(String(value))) return { problem: `${value} is that many bytes`, fix }
  return { problem: `${shown(String(value))} is no size`, fix }
}

function cpu(value: unknown): Flaw | undefined {
  if (value === null || value === '') return undefined
  const amount = typeof value === 'number' ? value : typeof value === 'string' ? quantity(value) : Number.NaN
  if (amount > 0 && amount < 1000) return undefined
  return { problem: `${shown(String(value))} is no number of cores`, fix: 'use 500m, 1 or 1.5' }
}

function retention(value: unknown): Flaw | undefined {
  if (value === null || value === '') return undefined
  if (typeof value === 'string' && /^(\d+(ms|s|m|h|d|w|y))+$/.test(value) && /[1-9]/.test(value)) return undefined
  const days = /^(\d+)\s*(d|days?)?$/.exec(String(value))?.[1]
  return {
    problem: `${shown(String(value))} is no length of time`,
    fix: `use ${days && Number(days) > 0 ? days : '7'}d`,
  }
}

function schedule(value: unknown): Flaw | undefined {
  return typeof value === 'string' ? cronFlaw(value) : undefined
}

function zone(value: unknown): Flaw | undefined {
  if (typeof value !== 'string' || value === '') return undefined
  const read = timezone(value)
  return isFlaw(read) ? read : undefined
}

/** The API server takes only text here, and YAML reads `yes`, `on`, 0123 and 1e3 as something else. */
function text(value: unknown): Flaw | undefined {
  if (typeof value === 'string' || value === null) return undefined
  return {
    problem: `${shown(String(value))} is read as ${typeof value === 'boolean' ? 'true or false' : 'a number'}, and text is wanted`,
    fix: 'put it between quotes',
  }
}

/** A hash that went through a shell or a template has lost its $. */
function bcrypt(value: unknown): Flaw | undefined {
  if (value === null || value === '' || value === '@PASSWORD_HASH@') return undefined
  if (typeof value === 'string' && /^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$/.test(value)) return undefined
  return {
    problem: 'not a bcrypt hash (60 characters that begin with $2)',
    fix: 'put the hash between single quotes; a shell or template may have taken its $',
  }
}
