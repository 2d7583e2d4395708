// The text of a .env in which every key is explained: .env.example, and what `make configure` starts from.
import { type Group, groups } from './key.ts'
import { about, type Key, keys } from './schema.ts'
import { placeholders } from './values.ts'

/** How values are quoted, for the heads of such files. */
export const quoting = [
  'A value without odd characters needs no quotes. Otherwise put it between single quotes: nothing in it is special.',
  "If it has a ' itself, use double quotes; there, and only there, \\n is a line break and no other \\ is allowed.",
  'If it has a " or \\ as well, use backticks. Nothing is ever expanded or run: $HOME and $(...) stay text. Paths may begin with ~.',
]

/** Every key with its explanation, those that have a default commented out. */
export function envText(head: readonly string[]): string {
  return `${comment(head)}\n${inGroups(group => `\n# ---- ${groups[group].title}: ${groups[group].about}\n\n${keysOf(group).map(exampleOf).join('\n')}`)}`
}

function exampleOf(key: Key): string {
  const { about: text, default: preset, otherwise, example, secret } = about(key)
  const placeholder = placeholders.get(key)
  if (placeholder !== undefined) return `# ${text}, such as ${example}\n${key}=${placeholder}\n`
  return `# ${text}${otherwise ? `. Default: ${otherwise}` : ''}\n# ${key}=${preset ?? (secret ? '' : example)}\n`
}

export const inGroups = (write: (group: Group) => string): string =>
  (Object.keys(groups) as Group[]).map(write).join('')
export const keysOf = (group: Group): Key[] => keys.filter(key => about(key).group === group)
const comment = (lines: readonly string[]): string => lines.map(line => `# ${line}`.trimEnd()).join('\n')
