// The corpus: every file of tests/fixtures/{valid,invalid} gives exactly what its first lines say.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fixture, fixtures, HomeLab, head, pairs } from '../fixtures/lab.ts'

let lab: HomeLab
before(() => {
  lab = new HomeLab()
})
after(() => lab.end())

for (const folder of ['valid', 'invalid'])
  describe(folder, () => {
    for (const file of readdirSync(join(fixtures, folder))
      .filter(name => name.endsWith('.env'))
      .sort())
      test(file.replace(/\.env$/, '').replaceAll('-', ' '), async () => {
        const text = fixture(folder, file)
        assert.equal(
          head(text, 'expect').length > 0,
          folder === 'invalid',
          'invalid ones expect a problem, valid ones none',
        )
        lab.write(text)
        const outcome = await lab.load({
          processEnv: { HOME: lab.home, ...Object.fromEntries(pairs(head(text, 'environment'), '=')) },
        })
        assert.deepEqual(outcome.problems, head(text, 'expect'))
        assert.deepEqual(outcome.notices, head(text, 'notice'))
        for (const [path, json] of pairs(head(text, 'site'), ' = ')) {
          const found = path
            .split('.')
            .reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], outcome.site)
          assert.deepEqual(found, JSON.parse(json), path)
        }
      })
  })
