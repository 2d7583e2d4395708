// The corpus of bad input: every fixture gives exactly what its first lines say, nothing is written, and the causes are counted.
import assert from 'node:assert/strict'
import { cpSync, lstatSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { root as repository } from '../../scripts/lib/root.ts'
import { type Site, vars } from '../../scripts/lib/site/site.ts'
import { fileProblems, needed, yamlProblems } from '../../scripts/lib/yaml/check.ts'
import { report } from '../figures.ts'
import { badFiles } from '../fixtures/invalid/files.ts'
import { fixture, fixtures, HomeLab, head, pairs } from '../fixtures/lab.ts'

const lab = new HomeLab()
for (const part of ['infrastructure/platform', 'infrastructure/security', 'infrastructure/charts.yaml', 'gitops'])
  cpSync(join(repository, part), join(lab.root, part), { recursive: true })
lab.write(fixture('valid', 'smallest.env'))
const names = vars((await lab.load()).site as Site)

/** What was refused, without the places and values of the single case: a cause. */
const causes = new Set<string>()
let cases = 0
let accepted = 0

function refused(problems: readonly string[]): void {
  cases++
  for (const problem of problems)
    causes.add(
      problem
        .replace(/ Fix: .*$/s, '')
        .replace(/"[^"]*"/g, '…')
        .replace(/[\w./-]+\.yaml(:\d+)?( [\w.${}[\]-]+)?/g, '…')
        .replace(/\d+/g, '#'),
    )
}

/** Everything that lies in the owner's folders: name, size, mode, time of the last change. */
function everything(): string[] {
  return readdirSync(lab.top, { recursive: true, withFileTypes: true })
    .filter(entry => !entry.isDirectory() && !entry.parentPath.includes('.git'))
    .map(entry => join(entry.parentPath, entry.name))
    .map(path => {
      const { size, mode, mtimeMs } = lstatSync(path, { throwIfNoEntry: false }) ?? { size: 0, mode: 0, mtimeMs: 0 }
      return `${path} ${size} ${mode} ${mtimeMs}`
    })
    .sort()
}

/** The same files before and after. */
async function writesNothing<T>(body: () => T | Promise<T>): Promise<T> {
  const before = everything()
  const result = await body()
  assert.deepEqual(everything(), before, 'nothing is written')
  return result
}

const listed = (folder: string, end: string) =>
  readdirSync(join(fixtures, folder))
    .filter(name => name.endsWith(end))
    .sort()
const title = (file: string) => file.replace(/\.\w+$/, '').replaceAll('-', ' ')

for (const folder of ['valid', 'invalid'])
  describe(`.env, ${folder}`, () => {
    for (const file of listed(folder, '.env'))
      test(title(file), async () => {
        const text = fixture(folder, file)
        const expected = head(text, 'expect')
        assert.equal(expected.length > 0, folder === 'invalid', 'invalid ones expect a problem, valid ones none')
        lab.write(text)
        const processEnv = { HOME: lab.home, ...Object.fromEntries(pairs(head(text, 'environment'), '=')) }
        const outcome = await writesNothing(() => lab.load({ processEnv }))
        assert.deepEqual(outcome.problems, expected)
        assert.deepEqual(outcome.notices, head(text, 'notice'))
        for (const problem of expected) assert.match(problem, /^(\.env(:\d+)?|environment)( \S+)?: \S.* Fix: \S/)
        if (folder === 'invalid') refused(expected)
        else accepted++
        for (const [path, json] of pairs(head(text, 'site'), ' = ')) {
          const found = path
            .split('.')
            .reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], outcome.site)
          assert.deepEqual(found, JSON.parse(json), path)
        }
      })
  })

for (const folder of ['valid', 'invalid'])
  describe(`YAML, ${folder}`, () => {
    for (const name of listed(`${folder}/yaml`, '.yaml'))
      test(title(name), async () => {
        const text = fixture(folder, 'yaml', name)
        const [file = ''] = head(text.replace(/^\ufeff/, ''), 'file')
        const path = join(lab.root, file.trim())
        const original = readFileSync(path)
        writeFileSync(path, text)
        const problems = await writesNothing(() => fileProblems(file.trim(), lab.root, names))
        writeFileSync(path, original)
        const found = problems.flatMap(({ what, fix }) => [what, fix])
        const said = [...text.matchAll(/^# (?:expect|fix): (.*)$/gm)].map(([, rest = '']) => rest)
        assert.deepEqual(found, said)
        assert.equal(said.length > 0, folder === 'invalid')
        if (folder === 'invalid') refused(problems.map(({ what }) => what))
        else accepted++
      })
  })

describe('what no fixture can hold', () => {
  const good = fixture('valid', 'smallest.env')

  for (const { name, arrange, expect, notices = [], yaml } of badFiles)
    test(name, async () => {
      lab.write(good)
      const undo = arrange(lab)
      try {
        const outcome = yaml
          ? {
              problems: await writesNothing(() =>
                yamlProblems(lab.root, names).map(one => `${one.what}. Fix: ${one.fix}`),
              ),
              notices: [],
            }
          : await writesNothing(() => lab.load())
        assert.deepEqual(outcome.problems, expect)
        assert.deepEqual(outcome.notices, notices)
        if (expect.length) refused(outcome.problems)
        else accepted++
      } finally {
        if (typeof undo === 'function') undo()
      }
    })
})

test('what the repository has is accepted, and every file that the steps read is known', () => {
  assert.deepEqual(yamlProblems(repository, names), [])
  const there = readdirSync(join(repository, 'infrastructure/platform'), { recursive: true, withFileTypes: true })
    .filter(entry => entry.name.endsWith('.yaml'))
    .map(entry => join(entry.parentPath, entry.name).slice(repository.length + 1))
  for (const file of there) assert.ok(needed.includes(file), `scripts/lib/yaml/check.ts does not need ${file}`)
})

test('at least a hundred causes are told apart', t => {
  assert.ok(causes.size >= 100, `${causes.size} causes:\n${[...causes].sort().join('\n')}`)
  report(t, 'bad-input', { refused: cases, of: cases, causes: causes.size, accepted })
})
