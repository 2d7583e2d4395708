// The strict reader of .env: what an editor, a copy or a transfer does to a file. Text cases are in tests/fixtures.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'dotenv'
import { readEnvFile } from '../../scripts/lib/site/env-file.ts'
import { type EnvFile, limits, parseEnv } from '../../scripts/lib/site/env-lines.ts'
import { quoteValue, setInEnvFile } from '../../scripts/lib/site/env-write.ts'
import { random } from '../fixtures/random.ts'
import { temporaryFolder } from '../temporary.ts'

const secrets = new Set(['TOKEN'])
const top = temporaryFolder('env')
const root = join(top, 'lab')
mkdirSync(root)

const path = () => join(root, '.env')
function read(content: string | Buffer, mode = 0o600): EnvFile {
  rmSync(path(), { recursive: true, force: true })
  writeFileSync(path(), content)
  chmodSync(path(), mode)
  return readEnvFile(path(), { root, secrets })
}
const problems = (file: EnvFile) => file.problems.map(({ problem }) => problem.replaceAll(root, 'ROOT'))
const values = (file: EnvFile) => Object.fromEntries([...file.values].map(([key, { value }]) => [key, value]))

test('a missing file, a dangling link, a directory and a pipe are each named', () => {
  rmSync(path(), { recursive: true, force: true })
  const again = () => readEnvFile(path(), { root, secrets })
  assert.deepEqual(problems(again()), ['.env not found at ROOT/.env'])
  symlinkSync(join(root, 'nothing'), path())
  assert.deepEqual(problems(again()), ['ROOT/.env is a symbolic link that leads nowhere'])
  rmSync(path())
  symlinkSync('.env', path())
  assert.deepEqual(problems(again()), ['ROOT/.env is a symbolic link that leads nowhere'])
  rmSync(path())
  mkdirSync(path())
  assert.deepEqual(problems(again()), ['ROOT/.env is a directory'])
  rmSync(path(), { recursive: true })
  execFileSync('mkfifo', [path()])
  assert.deepEqual(problems(again()), ['ROOT/.env is not an ordinary file'])
})

test('a UTF-8 byte order mark is left out and mentioned', () => {
  const file = read('\ufeffDOMAIN=a.b\n')
  assert.deepEqual(values(file), { DOMAIN: 'a.b' })
  assert.deepEqual(file.notices, ['.env begins with a UTF-8 byte order mark, which is left out'])
})

test('other encodings are named with the place', () => {
  assert.deepEqual(problems(read(Buffer.from('\ufeffDOMAIN=a.b\n', 'utf16le'))), [
    '.env is UTF-16, not UTF-8 at byte 0',
  ])
  assert.deepEqual(problems(read(Buffer.from('DOMAIN=a.b\n', 'utf16le'))), ['.env is UTF-16, not UTF-8 at byte 0'])
  assert.deepEqual(problems(read(Buffer.from('\ufeffDOMAIN=a.b\n', 'utf16le').swap16())), [
    '.env is UTF-16, not UTF-8 at byte 0',
  ])
  assert.deepEqual(problems(read(Buffer.from('# caf\u00e9\nDOMAIN=a.b\n', 'latin1'))), ['.env is not UTF-8 at byte 5'])
})

test('NUL and other control characters are named', () => {
  const file = read('DOMAIN=a\0b\nTOKEN=x\u001by\n')
  assert.deepEqual(problems(file), ['control character U+0000', 'control character U+001B'])
  assert.deepEqual(
    file.problems.map(({ key }) => key),
    ['DOMAIN', 'TOKEN'],
  )
  assert.deepEqual(problems(read('A=1\rB=2\n')), ['control character U+000D'])
})

test('lines may end as on Windows', () => {
  assert.deepEqual(values(read('A=1\r\nB="x"\r\n')), { A: '1', B: 'x' })
})

test('invisible characters are refused, but a joined emoji in a comment is harmless', () => {
  for (const hidden of ['\u202e', '\u2066', '\u200b', '\u00ad', '\u2060', '\ufeff', '\u2028', '\u061c'])
    assert.equal(read(`A=x${hidden}y\n`).problems.length, 1, hidden)
  assert.deepEqual(problems(read('# \u{1F469}\u200d\u{1F4BB} me\nA=1\n')), [])
  assert.equal(read('# \u202e txet\nA=1\n').problems.length, 1)
})

test('files, lines and their number have limits', () => {
  assert.deepEqual(problems(read(`A=${'x'.repeat(1_000_000)}\n`)), [`.env is longer than ${limits.bytes} bytes`])
  assert.deepEqual(problems(read(`A=${'x'.repeat(5_000)}\n`)), [`longer than ${limits.line} characters`])
  assert.deepEqual(problems(read('A=1\n'.repeat(10_000))), [`the file is longer than ${limits.lines} lines`])
})

test('others may read a file only while it holds no secret', () => {
  for (const mode of [0o644, 0o640, 0o604])
    assert.deepEqual(problems(read('TOKEN=x\n', mode)), [
      `.env is readable by others (mode 0${mode.toString(8)}) while it holds secrets`,
    ])
  assert.deepEqual(problems(read('TOKEN=x\n', 0o600)), [])
  assert.deepEqual(problems(read('DOMAIN=a.b\nTOKEN=\n', 0o644)), [])
})

test('a link out of the repository is announced with its target, one inside is not', () => {
  rmSync(path(), { recursive: true, force: true })
  writeFileSync(join(top, 'elsewhere'), 'A=1\n')
  symlinkSync(join(top, 'elsewhere'), path())
  assert.deepEqual(readEnvFile(path(), { root, secrets }).notices, [
    `.env lies outside the repository, at ${join(top, 'elsewhere')}`,
  ])
  rmSync(path())
  writeFileSync(join(root, 'inside'), 'A=1\n')
  symlinkSync(join(root, 'inside'), path())
  assert.deepEqual(readEnvFile(path(), { root, secrets }).notices, [])
})

test('a value may go on over lines between quotes, but does not swallow the next key', () => {
  assert.deepEqual(values(read("A='one\ntwo'\nB=2\n")), { A: 'one\ntwo', B: '2' })
  const open = read('A="one\nB="two"\nC=3\n')
  assert.deepEqual(problems(open), ['quote opened on line 1 never closed'])
  assert.deepEqual(values(open), { B: 'two', C: '3' })
})

test('whatever is accepted is what dotenv reads', () => {
  const text = "A=1\nexport B = two words # comment\nC='#'\nD=\"x\\ny\"\nE=`'\"`\nF=\nG=a=b==\nH=it's\n"
  const file = read(text)
  assert.deepEqual(problems(file), [])
  assert.deepEqual(values(file), parse(text))
})

const scraps = [
  'A',
  'TOKEN',
  'export ',
  '=',
  ' ',
  '\t',
  '\n',
  '\r\n',
  '\r',
  '"',
  "'",
  '`',
  '#',
  '\\',
  '\\n',
  '$(x)',
  `\${y}`,
  'x',
  'é',
  '\u00a0',
  '\u200b',
  '\0',
  '😀',
  '\ud800',
  ':',
  '-',
  '{{',
  '%',
]

test('odd text: no crash, no hang, and never another value than dotenv has', () => {
  const seed = Number(process.env.SEED) || 20_261_124
  const next = random(seed)
  const pick = () => scraps[Math.floor(next() * scraps.length)] ?? ''
  let accepted = 0
  for (let round = 0; round < 20_000; round++) {
    const text = Array.from({ length: 1 + Math.floor(next() * 30) }, pick).join('')
    const body = round % 2 ? text : `A=${text}`
    const started = performance.now()
    const file = parseEnv(body, secrets)
    assert.ok(performance.now() - started < 500, `slow with seed ${seed}: ${JSON.stringify(body)}`)
    if (file.problems.length || file.values.size === 0) continue
    accepted++
    assert.deepEqual(values(file), parse(body), `seed ${seed}: ${JSON.stringify(body)}`)
  }
  assert.ok(accepted > 100, `${accepted} accepted`)
})

test('any value that can be written is read back, and the rest is known to be impossible', () => {
  const next = random(7)
  let written = 0
  for (let i = 0; i < 3_000; i++) {
    const value = Array.from({ length: Math.floor(next() * 8) }, () =>
      '\'"`#\\ ,{}$!%xn\n'.charAt(Math.floor(next() * 15)),
    ).join('')
    const text = quoteValue(value)
    if (text === undefined) {
      assert.ok(value.includes("'") && /["\\]/.test(value) && /[`#\n]/.test(value), JSON.stringify(value))
      continue
    }
    written++
    const file = parseEnv(`A=${text}\n`, new Set())
    assert.deepEqual(values(file), { A: value }, `${JSON.stringify(value)} as ${JSON.stringify(text)}`)
  }
  assert.ok(written > 2_000, String(written))
})

test('writing a key keeps the mode and follows a link', () => {
  rmSync(path(), { recursive: true, force: true })
  writeFileSync(join(top, 'target'), 'A=1', { mode: 0o600 })
  symlinkSync(join(top, 'target'), path())
  setInEnvFile(path(), { B: 'x y', A: '2' })
  const file = readEnvFile(path(), { root, secrets })
  assert.deepEqual(values(file), { A: '2', B: 'x y' })
  assert.equal(file.notices.length, 1)
  assert.equal(statSync(join(top, 'target')).mode & 0o777, 0o600)
})
