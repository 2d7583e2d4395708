// YAML that people edit, with the line of everything in it. Strict: what kubectl or Helm would refuse or misread later is a flaw
// here, and no text can make it crash, hang or grow. Pure.
import {
  Composer,
  type CST,
  type Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  Parser,
  type SchemaOptions,
  type Tags,
  visit,
  type YAMLError,
} from 'yaml'
import { forbiddenCharacter } from '../site/env-lines.ts'

/** As kubectl and Helm read YAML (1.1, with `0400` an octal number), except that a date stays the text that it is. */
export const asKubectl = {
  schema: 'yaml-1.1',
  customTags: (tags: Tags) => tags.filter(tag => typeof tag === 'string' || !tag.tag.endsWith(':timestamp')),
} as const satisfies SchemaOptions

export type Path = readonly (string | number)[]

export interface YamlFlaw {
  /** 0 when the file as a whole is meant. */
  line: number
  path?: Path
  problem: string
  fix: string
}

/** A node of a document: a map, a list, or a plain value. */
export interface Entry {
  path: Path
  line: number
  kind: 'map' | 'list' | 'value'
  /** Of a plain value. */
  value?: unknown
}

export interface YamlDocument {
  /** As JavaScript has it; undefined where the document is empty or flawed. */
  value: unknown
  /** Where it begins. */
  line: number
  entries: readonly Entry[]
}

/** A ConfigMap holds 1 MiB; what people write by hand is seldom nested ten deep, and has a few hundred words. */
export const limits = { bytes: 1_048_576, depth: 100, words: 100_000 } as const

const again = 'correct the line and run the same command again'

/** The documents of a text, and everything that is wrong with it. */
export function parseYaml(text: string): { documents: YamlDocument[]; flaws: YamlFlaw[] } {
  if (text.length > limits.bytes)
    return { documents: [], flaws: [{ line: 0, problem: `longer than ${limits.bytes} bytes`, fix: 'split it' }] }
  const odd = oddLine(text)
  if (odd) return { documents: [], flaws: [odd] }
  const lines = new LineCounter()
  const tokens = parseTokens(text, lines)
  if (!Array.isArray(tokens)) return { documents: [], flaws: [tokens] }
  // One mistake can make each sign after it another one: then the first says enough, and all take seconds to look at.
  const errors = tokens.filter(token => token.type === 'error')
  const [first] = errors
  if (first && errors.length > 100)
    return {
      documents: [],
      flaws: [{ line: lines.linePos(first.offset).line, problem: `not valid YAML: ${first.message}`, fix: again }],
    }
  // Unique keys are looked for below: the library compares each with each.
  const composed = new Composer({ ...asKubectl, uniqueKeys: false }).compose(tokens, true, text.length)
  const flaws: YamlFlaw[] = []
  const documents = [...composed].map(document => {
    const read = readDocument(document, lines)
    flaws.push(...read.flaws)
    return read.document
  })
  return { documents, flaws }
}

/**
 * The parser's own loop, stopped where it would end the process: parser and composer call themselves for each level, and
 * take time for each word.
 */
function parseTokens(text: string, lines: LineCounter): CST.Token[] | YamlFlaw {
  const parser = new Parser(lines.addNewLine)
  const tokens: CST.Token[] = []
  let words = 0
  lines.addNewLine(0)
  for (const word of new Lexer().lex(text)) {
    if (++words > limits.words)
      return { line: 0, problem: `more than ${limits.words} words and signs`, fix: 'split it' }
    tokens.push(...parser.next(word))
    if (parser.stack.length > limits.depth)
      return {
        line: lines.linePos(parser.offset).line,
        problem: `nested more than ${limits.depth} levels deep`,
        fix: 'flatten it',
      }
  }
  tokens.push(...parser.end())
  return tokens
}

/** The first character or line that has no place in such a file. */
function oddLine(text: string): YamlFlaw | undefined {
  for (const [i, line] of text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .entries()) {
    if (/^(<{7}|>{7})( |$)/.test(line))
      return { line: i + 1, problem: 'a merge conflict that is not resolved', fix: 'keep one side: git status' }
    const hidden = forbiddenCharacter(line.replaceAll('\u200d', '')) // joins emoji
    if (hidden) return { line: i + 1, problem: hidden, fix: 'delete it: type the line anew instead of pasting it' }
  }
  return undefined
}

function readDocument(document: Document.Parsed, lines: LineCounter): { document: YamlDocument; flaws: YamlFlaw[] } {
  const lineAt = (offset: number | undefined): number => lines.linePos(offset ?? document.range[0]).line || 1
  const empty = { value: undefined, line: lineAt(document.contents?.range?.[0]), entries: [] }
  const [wrong] = [...document.errors, ...document.warnings]
  if (wrong) return { document: empty, flaws: [{ line: lineAt(whereOf(wrong, document)), ...wordsOf(wrong) }] }
  const { entries, flaws } = walk(document, lineAt)
  if (flaws.length) return { document: { ...empty, entries }, flaws }
  try {
    return { document: { ...empty, entries, value: document.toJS() ?? undefined }, flaws }
  } catch (error) {
    return { document: empty, flaws: [{ line: empty.line, ...aliasWords(error) }] }
  }
}

/** Every node, and what the library does not mind: keys that stand twice, keys that are no text, circles. */
function walk(
  document: Document.Parsed,
  lineAt: (offset: number | undefined) => number,
): { entries: Entry[]; flaws: YamlFlaw[] } {
  const entries: Entry[] = []
  const flaws: YamlFlaw[] = []
  const anchors = new Map<string, unknown>() // by name, the last one before; the library would look for each anew
  const remember = (node: unknown) => {
    if (isNode(node) && 'anchor' in node && node.anchor) anchors.set(node.anchor, node)
  }
  const step = (node: unknown, path: Path, above: readonly unknown[], at: number): void => {
    if (isAlias(node)) {
      const target = anchors.get(node.source)
      const problem =
        target === undefined
          ? `there is no anchor &${node.source} before it`
          : above.includes(target)
            ? `*${node.source} contains itself`
            : ''
      if (problem) flaws.push({ line: lineAt(node.range?.[0]), path, problem, fix: again })
      return
    }
    const line = lineAt((node as Node | null)?.range?.[0] ?? at)
    remember(node)
    if (isMap(node)) {
      entries.push({ path, line, kind: 'map' })
      const seen = new Map<string, number>()
      for (const pair of node.items) {
        const key = pair.key as Node | null
        remember(key)
        const here = lineAt(key?.range?.[0] ?? undefined)
        const name =
          isScalar(key) && key.value !== null && typeof key.value !== 'object' ? String(key.value) : undefined
        if (name === undefined && !isAlias(key)) {
          flaws.push({
            line: here,
            path,
            ...(isScalar(key) || key === null
              ? { problem: 'a key is missing before the :', fix: 'write it' }
              : { problem: 'a map or list as a key', fix: 'text with {{ }} or [ ] needs quotes around it' }),
          })
          continue
        }
        const first = seen.get(name ?? '')
        if (name !== undefined && name !== '<<' && first !== undefined)
          flaws.push({
            line: here,
            path: [...path, name],
            problem: `stands on lines ${first} and ${here}`,
            fix: 'keep one of them',
          })
        if (name !== undefined) seen.set(name, here)
        step(pair.value, [...path, name ?? '*'], [...above, node], key?.range?.[0] ?? at)
      }
    } else if (isSeq(node)) {
      entries.push({ path, line, kind: 'list' })
      for (const [i, item] of node.items.entries())
        step(isPair(item) ? item.value : item, [...path, i], [...above, node], node.range?.[0] ?? at)
    } else entries.push({ path, line, kind: 'value', value: isScalar(node) ? node.value : null })
  }
  step(document.contents, [], [], document.range[0])
  return { entries, flaws }
}

const unclosed = /closing .quote|must be sufficiently indented and end with|and end with a/

/** What is never closed is noticed at the end of the text; it is where it begins that helps. */
function whereOf(error: YAMLError, document: Document.Parsed): number {
  let where = error.pos[0]
  if (!unclosed.test(error.message)) return where
  const end = where
  const look = (range: readonly number[] | null | undefined) => {
    const [from = end, , to = 0] = range ?? []
    if (from < end && to >= end) where = from // the innermost comes last
  }
  visit(document, {
    Scalar: (_, { type, range }) => (type?.startsWith('QUOTE') ? look(range) : undefined),
    Collection: (_, { flow, range }) => (flow ? look(range) : undefined),
  })
  return where
}

function wordsOf({ code, message }: YAMLError): { problem: string; fix: string } {
  const words = (message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, '')
  const own: Partial<Record<string, { problem: string; fix: string }>> = {
    TAB_AS_INDENT: { problem: 'a tab, where YAML wants spaces', fix: 'indent with spaces' },
    BAD_INDENT: {
      problem: 'the indentation does not fit the lines before it',
      fix: 'begin it in the same column as its neighbours',
    },
    BLOCK_AS_IMPLICIT_KEY: {
      problem: 'a second ": " in a value, or a line that is indented too far',
      fix: 'put the value between quotes, or begin the next line in the right column',
    },
    MULTILINE_IMPLICIT_KEY: { problem: 'a line that is no `key: value`', fix: 'write a : and a space after the key' },
    TAG_RESOLVE_FAILED: {
      problem: words.replace('Unresolved tag: ', 'an unknown tag, '),
      fix: 'put the value between quotes',
    },
    BAD_SCALAR_START: {
      problem: words.replace('Plain value cannot start with reserved character', 'a value that begins with'),
      fix: 'put the value between quotes',
    },
  }
  if (unclosed.test(words))
    return {
      problem: `a ${/quote/.test(words) ? 'quote' : '[ or {'} that is opened here is never closed`,
      fix: 'close it',
    }
  return own[code] ?? { problem: `not valid YAML: ${words}`, fix: again }
}

/** What is thrown while aliases are put in their places. */
function aliasWords(error: unknown): { problem: string; fix: string } {
  const words = error instanceof Error ? error.message : String(error)
  if (/Excessive alias/.test(words))
    return { problem: 'aliases that multiply each other', fix: 'write the values out, without & and *' }
  if (/Merge sources/.test(words)) return { problem: '<<: takes a map, or an alias of one', fix: again }
  return { problem: `not valid YAML: ${words}`, fix: again }
}

/** `spec.hosts[0]` */
export function shownPath(path: Path): string {
  return path.reduce<string>(
    (text, step) => text + (typeof step === 'number' ? `[${step}]` : text ? `.${step}` : step),
    '',
  )
}
