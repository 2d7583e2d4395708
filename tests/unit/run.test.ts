import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allSteps } from '../../bootstrap/bootstrap-all.ts'
import { HomelabError } from '../../scripts/lib/errors.ts'
import { choose } from '../../scripts/lib/run.ts'

const steps = await allSteps()
const ids = (values: Record<string, string>) => choose(steps, values).map(step => step.id.slice(0, 2))

test('the seven steps stand in their order', () => {
  assert.deepEqual(
    steps.map(step => step.id),
    ['01-storage-class', '02-metallb', '03-adguard', '04-traefik', '05-cert-manager', '06-rancher', '07-argocd'],
  )
})

test('--only, --from and --skip take numbers, with or without the zero, and names', () => {
  assert.deepEqual(ids({}), ['01', '02', '03', '04', '05', '06', '07'])
  assert.deepEqual(ids({ only: '4,02-metallb' }), ['02', '04'])
  assert.deepEqual(ids({ from: '05' }), ['05', '06', '07'])
  assert.deepEqual(ids({ skip: '06' }), ['01', '02', '03', '04', '05', '07'])
  assert.deepEqual(ids({ from: '5', skip: '6' }), ['05', '07'])
})

test('a step that does not exist is bad usage', () => {
  assert.throws(
    () => ids({ skip: '8' }),
    (error: HomelabError) => error instanceof HomelabError && error.code === 2,
  )
})
