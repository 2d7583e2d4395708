// How an object is, in one word, with the cause that a tired owner understands and the next command.

export interface Health {
  /** `progressing`: on its way by itself. `unwell`: something else must change first. */
  state: 'ready' | 'progressing' | 'unwell' | 'missing'
  /** One sentence without a final stop. Beside `ready` it is a remark. */
  cause?: string
  /** The next command to paste. */
  fix?: string
}

export const ready = (cause?: string): Health => health('ready', cause)
export const progressing = (cause?: string, fix?: string): Health => health('progressing', cause, fix)
export const unwell = (cause: string, fix?: string): Health => health('unwell', cause, fix)

function health(state: Health['state'], cause?: string, fix?: string): Health {
  return { state, ...(cause === undefined ? {} : { cause }), ...(fix === undefined ? {} : { fix }) }
}

/** Worst first: the order in which several judgements become one. */
export const worst = ['missing', 'unwell', 'progressing', 'ready'] as const satisfies Health['state'][]

/** `90 s`, `5 min`, `3 h`, `2 days`: one unit, rounded down, is enough to judge by. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`
  return `${Math.floor(seconds / 86_400)} days`
}

/** `3 pods`, `1 pod`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

/** A tool's long answer as one line of at most `length` characters. */
export function oneLine(text: string, length = 200): string {
  const line = text.replace(/\s+/g, ' ').trim().replace(/\.$/, '')
  return line.length <= length ? line : `${line.slice(0, length - 1)}…`
}
