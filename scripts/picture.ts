#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// A terminal's screen as a picture for the documentation: text with colours on standard input, SVG on standard output.
//   tmux capture-pane -e -p | scripts/picture.ts > infrastructure/docs/rehearsal.svg
import { text } from 'node:stream/consumers'
import { stripVTControlCharacters } from 'node:util'
import { command, common } from './lib/command.ts'

const colours: Record<string, string> = { 31: '#f07178', 32: '#a6da95', 33: '#eed49f', 36: '#8bd5ca' }
// Select Graphic Rendition: colour and weight (ECMA-48).
const style = new RegExp(`${String.fromCharCode(27)}\\[([\\d;]*)m`, 'g')

const cell = { width: 8.4, height: 19, margin: 18 }

await command(
  {
    line: 'scripts/picture.ts < SCREEN > FILE.svg',
    about: 'Turns a captured terminal screen into an SVG.',
    options: { help: common.help },
  },
  async () => {
    const lines = (await text(process.stdin)).trimEnd().split('\n')
    process.stdout.write(draw(lines))
    return 0
  },
)

function draw(lines: readonly string[]): string {
  const columns = Math.max(...lines.map(line => stripVTControlCharacters(line).length))
  const width = Math.ceil(columns * cell.width + 2 * cell.margin)
  const height = lines.length * cell.height + 2 * cell.margin
  const rows = lines.map((line, i) => {
    const y = cell.margin + (i + 0.8) * cell.height
    return `<text x="${cell.margin}" y="${y.toFixed(1)}">${spans(line)}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>A rehearsal in a terminal</title>
<rect width="100%" height="100%" rx="8" fill="#24273a"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14" fill="#cad3f5" xml:space="preserve">
${rows.join('\n')}
</g>
</svg>
`
}

function spans(line: string): string {
  let attributes = ''
  let out = ''
  let last = 0
  const put = (part: string) => {
    if (part === '') return
    const safe = part.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
    out += attributes ? `<tspan ${attributes}>${safe}</tspan>` : safe
  }
  for (const match of line.matchAll(style)) {
    put(line.slice(last, match.index))
    last = match.index + match[0].length
    for (const code of (match[1] || '0').split(';')) {
      if (code === '0' || code === '39' || code === '') attributes = ''
      else if (code === '1') attributes = 'font-weight="bold"'
      else if (code === '2') attributes = 'opacity="0.6"'
      else if (colours[code]) attributes = `fill="${colours[code]}"`
    }
  }
  put(line.slice(last))
  return out
}
