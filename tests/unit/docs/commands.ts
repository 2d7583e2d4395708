// The commands in the pages: every line of a fence that is marked `sh`. One that needs a machine that no test has stands in
// a fence of its own, below `<!-- hardware: which machine -->`.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../../scripts/lib/root.ts'
import { linesOf, pages } from './pages.ts'

export interface Command {
  /** `infrastructure/docs/BACKUP.md:7` */
  at: string
  /** As it is typed, without its comment. */
  text: string
  /** What it needs that no test has. */
  hardware?: string
}

/** All commands of a page, in its order. */
export function commandsOf(path: string, page: string): Command[] {
  const lines = page.split('\n')
  const found: Command[] = []
  let hardware: string | undefined
  let inside = false
  let other = false
  for (const [i, line] of lines.entries()) {
    const fence = /^\s*```(.*)$/.exec(line)
    if (fence && !inside && !other) {
      inside = fence[1] === 'sh'
      other = !inside
      hardware = /^\s*<!-- hardware: (.+) -->$/.exec(lines[i - 1] ?? '')?.[1]
    } else if (fence) inside = other = false
    else if (inside) {
      const text = withoutComment(line).trim()
      if (text) found.push({ at: `${path}:${i + 1}`, text, ...(hardware === undefined ? {} : { hardware }) })
    }
  }
  return found
}

const withoutComment = (line: string): string => parts(line, /^#/, /\s/)[0] ?? ''

/** The single commands of a line: what stands between `&&`, `|` and `;`, quotes kept whole. */
export const single = (line: string): string[] => parts(line, /^(&&|\|\|?|;)/).map(one => one.trim())

/** A text cut at a mark outside of quotes. @param before what must stand before the mark, where that matters */
function parts(line: string, mark: RegExp, before?: RegExp): string[] {
  const found = ['']
  let quote = ''
  for (let i = 0; i < line.length; i++) {
    const letter = line[i] ?? ''
    const cut = quote === '' && (!before || i === 0 || before.test(line[i - 1] ?? '')) && mark.exec(line.slice(i))
    if (cut) {
      found.push('')
      i += cut[0].length - 1
      continue
    }
    if (quote === letter) quote = ''
    else if (quote === '' && (letter === '"' || letter === "'")) quote = letter
    found[found.length - 1] += letter
  }
  return found
}

/** The words of a single command, without the quotes around them and the variables before it. */
export function wordsOf(command: string): string[] {
  const words = [...command.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)].map(([word]) => word.replace(/["']/g, ''))
  return words.slice(words.findIndex(word => !/^[A-Z_]+=/.test(word)))
}

export const commands: readonly Command[] = [...pages].flatMap(([path, page]) => commandsOf(path, page))

/** kubectl in passing, between backticks: with an object or a list of them it is meant to be typed. */
export const inPassing = (program: RegExp): string[] =>
  [...pages.values()].flatMap(page =>
    linesOf(page)
      .filter(({ fence }) => fence === undefined)
      .flatMap(({ text }) => [...text.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code))
      .filter(code => program.test(code)),
  )

/** Whether a script declares an option, by itself or with what all of its kind have. */
export function declares(program: string, option: string): boolean {
  const shared = ['scripts/lib/command.ts', ...(program.includes('bootstrap/') ? ['scripts/lib/step.ts'] : [])]
  const declared = new RegExp(`[\\s{]'?${option}'?: \\{`)
  return [program, ...shared].some(path => declared.test(readFileSync(join(root, path), 'utf8')))
}
