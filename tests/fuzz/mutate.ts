// Valid files, made wrong in the ways in which people, editors and transfers make them wrong, and in worse ones.

export type Chance = () => number

/** A copy of the file after one to six changes. The same chance gives the same bytes. */
export function mutate(file: Buffer, chance: Chance): Buffer {
  let bytes = file
  for (let left = 1 + below(6, chance); left > 0; left--) bytes = pick(changes, chance)(bytes, chance)
  return bytes.subarray(0, 3_000_000)
}

const below = (n: number, chance: Chance): number => Math.floor(chance() * n)
const pick = <T>(from: readonly T[], chance: Chance): T => from[below(from.length, chance)] as T

type Change = (bytes: Buffer, chance: Chance) => Buffer

const asText =
  (change: (text: string, chance: Chance) => string): Change =>
  (bytes, chance) =>
    Buffer.from(change(bytes.toString('latin1'), chance), 'latin1')
/** Text that is not Latin-1 is put in as the bytes of its UTF-8. */
const utf8 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

const asLines = (change: (lines: string[], at: number, chance: Chance) => void): Change =>
  asText((text, chance) => {
    const lines = text.split('\n')
    change(lines, below(lines.length, chance), chance)
    return lines.join('\n')
  })

const scraps = [
  ...[
    '"',
    "'",
    '`',
    '#',
    ' #',
    '\\',
    '$',
    '$(id)',
    `\${domain}`,
    `\${HOME}`,
    '{{',
    '}}',
    '%',
    '=',
    ':',
    ': ',
    '- ',
    '? ',
  ],
  ...['\0', '\t', '\r', '\u001b[2J', '\u202e', '\u200b', '\ufeff', '\u00a0', '\u2028', '😀', 'а', '\u0301', 'ß'].map(
    utf8,
  ),
  ...['\xff', '\xc3\x28', '\xed\xa0\x80', '\xf0\x9f'], // no UTF-8
  ...[
    '&a ',
    '*a',
    '<<: *a\n',
    '<<: 3\n',
    '!!binary x',
    '!x ',
    '!!set {a}',
    '---\n',
    '...\n',
    '|\n',
    '>-\n',
    '@',
    '[',
    '{',
    ']',
    '}',
  ],
  ...[
    '<<<<<<< HEAD\n',
    '=======\n',
    '>>>>>>> x\n',
    '%YAML 1.3\n',
    '~',
    'null',
    'yes',
    '0x1F',
    '1e999',
    '-0',
    '.nan',
    '2024-01-01',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'export ',
    'https://',
    'git@',
    '../',
    '/',
    '192.168.1.1',
    '::1',
  ],
]

const values = [
  ...[
    '',
    ' ',
    '-',
    '-1',
    '0',
    'true',
    'no',
    'latest',
    '10GB',
    '255.255.255.255',
    '0.0.0.0/0',
    '192.168.1.0/33',
    '10.0.0.0/8',
  ],
  ...[
    '192.168.1.2-192.168.255.254',
    '1-2-3',
    'lab..',
    '*.x',
    'a'.repeat(64),
    `${'a.'.repeat(200)}b`,
    '* * * *',
    'CET+1',
    '[]',
    '{}',
  ],
  ...[
    '/',
    '~',
    '~/',
    '/dev/zero',
    '/proc/self/mem',
    'file:///etc/passwd',
    'http://[',
    'https://a:b@c/d',
    'ssh://x:99999/y',
  ],
  ...['99999999999999999999', '1'.repeat(400), 'é'.repeat(90), '9.9.9.9,'.repeat(300), ','.repeat(500)].map(utf8),
]

const large = [1_000, 5_000, 70_000, 300_000, 1_200_000]
const deep = [20, 90, 150, 3_000, 20_000]

const changes: readonly Change[] = [
  // bytes
  (bytes, chance) => {
    const copy = Buffer.from(bytes)
    for (let left = 1 + below(8, chance); left > 0 && copy.length; left--)
      copy[below(copy.length, chance)] = below(256, chance)
    return copy
  },
  (bytes, chance) => bytes.subarray(0, below(bytes.length + 1, chance)),
  (bytes, chance) => {
    const at = below(bytes.length + 1, chance)
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + below(40, chance))])
  },
  (bytes, chance) =>
    pick([Buffer.from(bytes.toString('latin1'), 'utf16le'), Buffer.concat([Buffer.from('\ufeff'), bytes])], chance),
  // lines
  asLines((lines, at) => lines.splice(at, 1)),
  asLines((lines, at) => lines.splice(at, 0, lines[at] ?? '')),
  asLines((lines, at, chance) => lines.splice(below(lines.length, chance), 0, ...lines.splice(at, 1))),
  asLines((lines, at, chance) => {
    lines[at] = ' '.repeat(below(9, chance)) + (lines[at] ?? '').trimStart()
  }),
  asLines((lines, at) => {
    lines[at] = `\t${lines[at]}`
  }),
  asText(text => text.replaceAll('\n', '\r\n')),
  asText((text, chance) => text.replaceAll('\n', pick(['\r', '', '\n\n', ' '], chance))),
  // keys and values
  asLines((lines, at, chance) => {
    const other = below(lines.length, chance)
    const split = (line: string | undefined) => /^(\s*[\w.-]+\s*[=:])(.*)$/.exec(line ?? '') ?? []
    const [, key, rest] = split(lines[at])
    const [, otherKey, otherRest] = split(lines[other])
    if (key !== undefined && otherKey !== undefined) {
      lines[at] = otherKey + rest
      lines[other] = key + otherRest
    }
  }),
  asLines((lines, at, chance) => {
    lines[at] = (lines[at] ?? '').replace(/([=:] ?).*$/, (_, sign: string) => sign + pick(values, chance))
  }),
  asLines((lines, at, chance) => {
    const quote = pick(['"', "'", '`'], chance)
    lines[at] = (lines[at] ?? '').replace(
      /([=:] ?)(.*)$/,
      (_, sign: string, rest: string) => sign + quote + rest + pick([quote, ''], chance),
    )
  }),
  asText((text, chance) => {
    const at = below(text.length + 1, chance)
    return text.slice(0, at) + pick(scraps, chance) + text.slice(at)
  }),
  // size and depth
  asLines((lines, at, chance) => {
    lines[at] = (lines[at] ?? '') + pick(['x', '# ', 'a: ', '${a}', '- ', ' '], chance).repeat(pick(large, chance) / 4)
  }),
  asLines((lines, at, chance) => {
    lines[at] = (lines[at] ?? '') + pick(['[', '{a: ', '- ', '? ', '[{', '"'], chance).repeat(pick(deep, chance))
  }),
  asLines((lines, at, chance) => {
    const levels = pick(deep, chance) / 10
    lines.splice(at, 0, ...Array.from({ length: levels }, (_, i) => `${' '.repeat(i)}n:`))
  }),
  asText((text, chance) => text.repeat(1 + below(Math.max(1, Math.min(40, 400_000 / (text.length + 1))), chance))),
  asText(
    (text, chance) =>
      text + Array.from({ length: pick([500, 2_000, 9_000], chance) }, (_, i) => `k${i}: ${i}\n`).join(''),
  ),
  // aliases
  asText((text, chance) => {
    const width = 2 + below(12, chance)
    const height = 1 + below(12, chance)
    const bomb = ['z0: &z0 [x]']
    for (let i = 1; i <= height; i++)
      bomb.push(
        `z${i}: &z${i} [${Array(width)
          .fill(`*z${i - 1}`)
          .join(', ')}]`,
      )
    return `${text}\n${bomb.join('\n')}\n`
  }),
  asText(text => `${text}\ncircle: &c {again: *c, list: [*c]}\n<<: *c\n`),
]
