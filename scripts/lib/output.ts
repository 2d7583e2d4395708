// How a run shows itself: a live list on a terminal, one line an event elsewhere, JSON on request.
import { redact } from './redact.ts'

export type StepState = 'waiting' | 'running' | 'done' | 'failed' | 'blocked' | 'skipped'

export interface Reporter {
  /** The steps of this run, before the first event. */
  begin(steps: readonly { id: string; title: string }[]): void
  /** What a step is at, in the present: shown live, logged when it is new. */
  doing(id: string, text: string): void
  /** What a step has done, in the past. */
  did(id: string, text: string): void
  state(id: string, state: StepState, note?: string): void
  /** About the run as a whole. */
  notice(text: string): void
  /** The live list ends; what follows is ordinary text. */
  end(): void
}

const colours = { red: 31, green: 32, yellow: 33, cyan: 36, dim: 2, bold: 1 } as const

/** Colour, where the stream is a terminal and nobody asked for none (https://no-color.org). */
export function paint(colour: keyof typeof colours, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  const on = process.env.FORCE_COLOR
    ? process.env.FORCE_COLOR !== '0'
    : stream.isTTY && !process.env.NO_COLOR && process.env.TERM !== 'dumb'
  return on ? `\u001b[${colours[colour]}m${text}\u001b[0m` : text
}

/** Everything printed for people or programs goes through here, and so through the redactor. */
export function print(text: string, stream: NodeJS.WriteStream = process.stdout): void {
  stream.write(`${redact(text)}\n`)
}

/** A text as lines of at most `width` characters, broken between words; a longer word stays whole. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

/** The cause and the way out of something, below it and in 80 columns. Commands and addresses stay whole, so that they can be pasted. */
export function whyAndFix(why: string | undefined, fix: string | undefined, link?: string): string[] {
  const lines = why ? wrap(why, 80 - 7).map((line, i) => `  ${i ? '   ' : paint('dim', 'why')}  ${line}`) : []
  if (fix) lines.push(`  ${paint('dim', 'fix')}  ${fix}`)
  if (link) lines.push(`  ${paint('dim', 'see')}  ${link}`)
  return lines
}

/** `4.2s`, `1m 05s` */
export function seconds(milliseconds: number): string {
  if (milliseconds < 59_950) return `${(milliseconds / 1000).toFixed(1)}s`
  const whole = Math.round(milliseconds / 1000)
  return `${Math.floor(whole / 60)}m ${String(whole % 60).padStart(2, '0')}s`
}

export function createReporter(options: { json: boolean; plan: boolean; live?: boolean }): Reporter {
  if (options.json) return new JsonReporter()
  if (options.plan) return new PlanReporter()
  const live = options.live ?? (process.stdout.isTTY === true && process.env.TERM !== 'dumb' && !process.env.CI)
  return live ? new LiveReporter() : new LineReporter()
}

/** Whether a step says something else than before: who waits looks several times a second. */
function changes(): (id: string, text: string) => boolean {
  const last = new Map<string, string>()
  return (id, text) => {
    const before = last.get(id)
    last.set(id, text)
    return before !== text
  }
}

class JsonReporter implements Reporter {
  readonly #isNew = changes()

  begin(steps: readonly { id: string; title: string }[]): void {
    this.#event({ event: 'begin', steps: steps.map(step => step.id) })
  }
  doing(step: string, text: string): void {
    if (this.#isNew(step, text)) this.#event({ event: 'doing', step, text })
  }
  did(step: string, text: string): void {
    this.#event({ event: 'did', step, text })
  }
  state(step: string, state: StepState, note?: string): void {
    this.#event({ event: 'state', step, state, ...(note ? { note } : {}) })
  }
  notice(text: string): void {
    this.#event({ event: 'notice', text })
  }
  end(): void {}

  #event(event: Record<string, unknown>): void {
    print(JSON.stringify({ time: new Date().toISOString(), ...event }))
  }
}

class LineReporter implements Reporter {
  readonly #isNew = changes()

  begin(): void {}
  doing(id: string, text: string): void {
    if (this.#isNew(id, text)) this.#line(id, `… ${text}`)
  }
  did(id: string, text: string): void {
    this.#line(id, text)
  }
  state(id: string, state: StepState, note = ''): void {
    if (state === 'running' || state === 'waiting') return
    this.#line(id, `${marks[state]} ${state}${note ? `: ${note}` : ''}`)
  }
  notice(text: string): void {
    print(text)
  }
  end(): void {}

  #line(id: string, text: string): void {
    print(`${new Date().toTimeString().slice(0, 8)}  ${id.padEnd(16)} ${text}`)
  }
}

/** What would change, step by step in their order, although they are computed side by side. */
class PlanReporter implements Reporter {
  #steps = new Map<string, { title: string; lines: string[]; state: string }>()

  begin(steps: readonly { id: string; title: string }[]): void {
    for (const { id, title } of steps) this.#steps.set(id, { title, lines: [], state: '' })
  }
  doing(): void {}
  did(id: string, text: string): void {
    this.#steps.get(id)?.lines.push(text)
  }
  state(id: string, state: StepState, note = ''): void {
    const step = this.#steps.get(id)
    if (step) step.state = state === 'done' ? note : `${state}${note ? `: ${note}` : ''}`
  }
  notice(text: string): void {
    print(text)
  }
  end(): void {
    for (const [id, { title, lines, state }] of this.#steps) {
      print(`${`${id.slice(0, 2)} ${title}`.padEnd(18)} ${state}`)
      for (const line of lines)
        print(
          line.startsWith('+')
            ? `   ${paint('green', line)}`
            : line.startsWith('~')
              ? `   ${paint('yellow', line)}`
              : `   ${line}`,
        )
    }
  }
}

const marks: Record<StepState, string> = {
  waiting: '·',
  running: '▸',
  done: '✓',
  failed: '✗',
  blocked: '⊘',
  skipped: '–',
}
const markColours: Partial<Record<StepState, keyof typeof colours>> = {
  done: 'green',
  failed: 'red',
  blocked: 'yellow',
  running: 'cyan',
}

/** One row a step, redrawn in place ten times a second. */
class LiveReporter implements Reporter {
  #rows = new Map<string, { title: string; state: StepState; text: string; since: number; took?: number }>()
  #drawn = 0
  #timer: NodeJS.Timeout | undefined

  begin(steps: readonly { id: string; title: string }[]): void {
    for (const { id, title } of steps) this.#rows.set(id, { title, state: 'waiting', text: '', since: Date.now() })
    process.stdout.write('\u001b[?25l') // no cursor while rows move
    this.#timer = setInterval(() => this.#draw(), 100)
    process.once('exit', () => process.stdout.write('\u001b[?25h'))
  }
  doing(id: string, text: string): void {
    this.#set(id, { text })
  }
  did(id: string, text: string): void {
    this.#set(id, { text })
  }
  state(id: string, state: StepState, note?: string): void {
    const row = this.#rows.get(id)
    if (!row) return
    if (state === 'running') this.#set(id, { state, since: Date.now() })
    else this.#set(id, { state, took: Date.now() - row.since, ...(note === undefined ? {} : { text: note }) })
  }
  notice(text: string): void {
    this.#clear()
    print(text)
    this.#draw()
  }
  end(): void {
    clearInterval(this.#timer)
    if (this.#rows.size) this.#draw()
    this.#drawn = 0
    process.stdout.write('\u001b[?25h')
  }

  #set(id: string, change: Partial<{ state: StepState; text: string; since: number; took: number }>): void {
    const row = this.#rows.get(id)
    if (row) Object.assign(row, change)
  }

  #clear(): void {
    if (this.#drawn) process.stdout.write(`\u001b[${this.#drawn}A\u001b[0J`)
    this.#drawn = 0
  }

  #draw(): void {
    const width = Math.max(40, process.stdout.columns ?? 80)
    const spin = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'[Math.floor(Date.now() / 100) % 10] ?? '▸'
    const lines = [...this.#rows].map(([id, row]) => {
      const mark = row.state === 'running' ? spin : marks[row.state]
      const time = row.state === 'waiting' ? '' : seconds(row.took ?? Date.now() - row.since)
      const head = `${id.slice(0, 2)} ${row.title}`.padEnd(18)
      const room = width - head.length - 13
      const text = redact(row.text)
      const colour = markColours[row.state]
      return `${colour ? paint(colour, mark) : mark} ${head} ${time.padStart(7)}  ${paint('dim', text.length > room ? `${text.slice(0, room - 1)}…` : text)}`
    })
    this.#clear()
    process.stdout.write(`${lines.join('\n')}\n`)
    this.#drawn = lines.length
  }
}
