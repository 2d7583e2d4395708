// The catalogue of failure modes names rows, checks and tests that exist.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checks } from '../../scripts/lib/preflight/checks.ts'
import { claims } from '../../scripts/lib/proof.ts'
import { root } from '../../scripts/lib/root.ts'
import { type FailureMode, failureModes } from '../faults/catalogue.ts'
import { rows } from '../faults/rows.ts'

/** Why a reference leads nowhere; undefined when it leads somewhere. */
function deadEnd(reference: string): string | undefined {
  const [, kind = '', file = ''] = /^(row|check|[^:]+):? (.*)$/.exec(reference) ?? []
  if (kind === 'row') return rows.some(({ id }) => id === file || id.startsWith(`${file}-`)) ? undefined : 'no such row'
  if (kind === 'check') return checks.some(({ id }) => id === file) ? undefined : 'no such check'
  if (kind === 'cluster') return claims.some(claim => claim.what.includes(file)) ? undefined : 'no such claim'
  if (kind === 'unit/corpus') {
    const names = readdirSync(join(root, 'tests/fixtures/invalid')).map(name => name.replaceAll('-', ' '))
    return names.some(name => name.includes(file)) ? undefined : 'no such fixture'
  }
  return readFileSync(join(root, `tests/${kind}.test.ts`), 'utf8').includes(file) ? undefined : 'no such test'
}

const deadEnds = (modes: readonly FailureMode[]) =>
  modes.flatMap(({ id, shown = [] }) =>
    shown.flatMap(reference => {
      const why = deadEnd(reference)
      return why ? [`${id}: ${reference}: ${why}`] : []
    }),
  )

test('every failure mode is shown by something that exists, or says why not', () => {
  assert.deepEqual(deadEnds(failureModes), [])
  for (const { id, shown, open } of failureModes)
    assert.notEqual(shown === undefined, open === undefined, `${id} is either shown or open`)
})

test('a reference to nothing is found', () => {
  const mode = { id: 'M00', what: '', handled: '' }
  assert.deepEqual(
    deadEnds([{ ...mode, shown: ['row Z9', 'check no.such', 'e2e/uninstall: no such words', 'unit/corpus: nowhere'] }]),
    [
      'M00: row Z9: no such row',
      'M00: check no.such: no such check',
      'M00: e2e/uninstall: no such words: no such test',
      'M00: unit/corpus: nowhere: no such fixture',
    ],
  )
})
