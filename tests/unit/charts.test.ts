import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sameVersion } from '../../scripts/lib/chart-file.ts'
import { readChartSource } from '../../scripts/lib/charts.ts'
import { exit, type HomelabError } from '../../scripts/lib/errors.ts'

test('CHARTS is one of three words, or absent', () => {
  assert.equal(readChartSource(undefined, 'auto'), 'auto')
  assert.equal(readChartSource('', 'real'), 'real')
  assert.equal(readChartSource('stand-in', 'real'), 'stand-in')
})

test('a misspelt CHARTS is refused with the words that there are', () => {
  for (const wrong of ['standin', 'Real', 'real ', 'none'])
    assert.throws(
      () => readChartSource(wrong, 'real'),
      (error: HomelabError) => {
        assert.equal(error.code, exit.usage)
        assert.ok(error.what.includes(wrong), error.what)
        assert.match(error.fix ?? '', /CHARTS=real, CHARTS=stand-in, CHARTS=auto/)
        return true
      },
    )
})

test('a v before a version makes no other version of it', () => {
  assert.equal(sameVersion('v1.21.2', '1.21.2'), true)
  assert.equal(sameVersion('1.21.2', '1.21.20'), false)
})
