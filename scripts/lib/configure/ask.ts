// Questions, on standard error so that standard output stays data. From a terminal, or line by line from a pipe.
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { paint, print } from '../output.ts'
import { hide, redact } from '../redact.ts'

export interface Asker {
  /** The answer without the spaces around it; undefined when nobody answers any more. */
  line(question: string): Promise<string | undefined>
  /** The same, and nothing of it appears on the screen. */
  secret(question: string): Promise<string | undefined>
  close(): void
}

export const say = (text = ''): void => print(text, process.stderr)

/** A paragraph within 80 columns, indented: what stands under a question. */
export function explain(text: string): void {
  for (const line of wrap(text, 76)) say(paint('dim', `  ${line}`, process.stderr))
}

/** What is wrong with an answer. */
export function object(problem: string): void {
  for (const [i, line] of wrap(problem, 74).entries())
    say(i === 0 ? `  ${paint('red', '✗', process.stderr)} ${line}` : `    ${line}`)
}

/** Lines of at most `width` characters, broken at spaces. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

/**
 * Questions on standard error, answers from standard input: a person at a terminal, or a pipe with a line for each.
 * Ctrl-C ends everything: nothing has been written before the last question.
 */
export function createAsker(): Asker {
  const terminal = process.stdin.isTTY === true
  let silent = false
  // readline echoes what is typed to its output; while a secret is typed, that goes nowhere.
  const output = new Writable({
    write(chunk, _, done) {
      if (!silent) process.stderr.write(chunk)
      done()
    },
  })
  const input = createInterface({ input: process.stdin, output, terminal, historySize: 0 })
  input.on('SIGINT', () => {
    process.stderr.write('\n')
    say('interrupted, nothing was written')
    process.exit(130)
  })
  // Lines can come before they are asked for: from a pipe, or from somebody who types ahead.
  const early: string[] = []
  let ended = false
  let waiting: ((line: string | undefined) => void) | undefined
  const answered = (line: string | undefined) => {
    const next = waiting
    waiting = undefined
    if (next) next(line)
    else if (line !== undefined) early.push(line)
  }
  input.on('line', answered)
  input.on('close', () => {
    ended = true
    answered(undefined)
  })
  const next = async (): Promise<string | undefined> => {
    if (early.length) return early.shift()?.trim()
    if (ended) return undefined
    return (await new Promise<string | undefined>(resolve => (waiting = resolve)))?.trim()
  }
  return {
    async line(question) {
      input.setPrompt(redact(question))
      if (!early.length && !ended) input.prompt()
      else process.stderr.write(redact(question))
      const answer = await next()
      if (!terminal || answer === undefined) process.stderr.write('\n')
      return answer
    },
    async secret(question) {
      process.stderr.write(redact(question))
      silent = true
      input.setPrompt('')
      const answer = await next()
      silent = false
      process.stderr.write('\n')
      if (answer) hide(answer)
      return answer
    },
    close: () => input.close(),
  }
}
