// A dozen rows of the fault matrix, one or two of each family: the part of it that `make test` has.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Result, tryRows } from './matrix.ts'
import { rows } from './rows.ts'

// Fixed, so that a failure here can be repeated: make faults ROWS=… SEED=1.
const seed = 1

test('faults end as a clean run does, or are refused with their cause', async t => {
  const quick = rows.filter(row => row.quick)
  const results: Result[] = []
  let secondRun = Number.NaN
  await tryRows(quick, {
    seed,
    workers: 2,
    onControl: (_, writes) => {
      secondRun = writes
    },
    onResult: result => results.push(result),
  })
  assert.equal(secondRun, 0, 'a second run writes nothing')
  for (const row of quick)
    await t.test(`${row.id} ${row.fault}: ${row.expect}`, () => {
      const result = results.find(one => one.id === row.id)
      assert.ok(result?.end === 'converged' || result?.end === 'refused', `${result?.end}: ${result?.told}`)
    })
})
