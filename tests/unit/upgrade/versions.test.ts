import assert from 'node:assert/strict'
import { test } from 'node:test'
import { between, sizeOf } from '../../../scripts/lib/upgrade/versions.ts'

test('a step is as large as the first number that differs', () => {
  const cases = [
    ['41.3.0', '41.3.0', 'equal'],
    ['v1.21.2', '1.21.2', 'equal'],
    ['1.21.1', '1.21.2', 'patch'],
    ['1.20.9', '1.21.0', 'minor'],
    ['40.9.9', '41.0.0', 'major'],
    ['41.0.0', '40.9.9', 'downgrade'],
    ['1.0.0', '1.0.0-rc.1', 'downgrade'],
    ['latest', '1.0.0', 'other'],
    ['imitated', 'imitated', 'equal'],
  ]
  for (const [from = '', to = '', size] of cases) assert.equal(sizeOf(from, to), size, `${from} → ${to}`)
})

test('a major version is said; minors that are left out are named', () => {
  const step = between({ chart: '39.0.2', program: 'v3.4.1' }, { chart: '41.3.0', program: 'v3.7.11' })
  assert.deepEqual(step, {
    moves: true,
    downgrade: false,
    notable: true,
    remarks: [
      'a new major version of the chart: 39.0.2 → 41.3.0',
      'leaves out 3.5, 3.6 of the program: read the notes of each',
    ],
  })
})

test('where the publisher asks for one minor at a time, that is said', () => {
  const { remarks } = between({ program: 'v1.18.0' }, { program: 'v1.21.2' }, 'one')
  assert.deepEqual(remarks, [
    'leaves out 1.19, 1.20 of the program: its publisher asks to go one minor version at a time',
  ])
  assert.deepEqual(between({ program: 'v1.20.0' }, { program: 'v1.21.2' }, 'one').remarks, [])
})

test('a patch has nothing to be read; a program that falls under a chart that rises is a way back', () => {
  assert.equal(between({ chart: '1.2.3', program: 'v1' }, { chart: '1.2.4', program: 'v1' }).notable, false)
  assert.equal(between({ chart: '10.0.0', program: 'v3.6.1' }, { chart: '10.1.0', program: 'v3.4.4' }).downgrade, true)
  assert.deepEqual(between({ chart: '1.2.3' }, { chart: '1.2.3' }), {
    ...{ moves: false, downgrade: false, notable: false, remarks: [] },
  })
})
