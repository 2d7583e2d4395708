// Entries in lists of YAML files that people write: added and taken away as lines, so that everything else stays. Pure.

/** A list of plain entries (`  - welcome.yaml`) with one more, in alphabetical order as far as the list has one. */
export function withEntry(text: string, list: string, entry: string): string {
  const lines = text.split('\n')
  const [first, last] = rangeOf(lines, list)
  const indent = /^\s*/.exec(lines[first] ?? '  - ')?.[0] ?? '  '
  const name = (line: string) => line.trim().replace(/^- /, '')
  let at = first
  for (let i = first; i < last; i++) if (name(lines[i] ?? '') < entry) at = i + 1
  lines.splice(at, 0, `${indent}- ${entry}`)
  return lines.join('\n')
}

/** The same without it; the text as it is where it is not there. */
export function withoutEntry(text: string, list: string, entry: string): string {
  const lines = text.split('\n')
  const [first, last] = rangeOf(lines, list)
  return lines.filter((line, i) => i < first || i >= last || line.trim() !== `- ${entry}`).join('\n')
}

/** The lines of a list at the top of a file: from the one below its name to the next name. */
function rangeOf(lines: readonly string[], list: string): [first: number, last: number] {
  const head = lines.indexOf(`${list}:`)
  if (head < 0) throw new Error(`there is no list ${list}`)
  let last = head + 1
  while (last < lines.length && /^\s*(- |#|\s+\S)/.test(lines[last] ?? '')) last++
  return [head + 1, last]
}
