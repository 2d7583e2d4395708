import assert from 'node:assert/strict'
import { test } from 'node:test'
import { standInLine } from '../../scripts/lib/account.ts'
import { findChart } from '../../scripts/lib/charts.ts'
import type { Run } from '../../scripts/lib/run.ts'
import { addVerdict, countVerdicts, record } from '../../scripts/lib/verdict.ts'

type Step = Parameters<typeof record>[1]

const offline = { helm: 'helm', source: 'stand-in' } as const
const [traefik, rancher] = ['04-traefik', '06-rancher'].map(id => ({ id }) as Step) as [Step, Step]

test('of an imitated program nothing is proven, however well it answers', () => {
  const run = { site: {}, verdicts: [], imitated: new Set([rancher.id]) } as unknown as Run
  addVerdict(run, rancher, 'deployment/cattle-system/rancher')
  record(run, rancher, 'https://rancher.lab.home.arpa/ping answers', 'proven')
  record(run, rancher, 'seen from elsewhere', 'not measurable here')
  addVerdict(run, traefik, 'deployment/traefik/traefik')
  assert.deepEqual(
    run.verdicts.map(({ step, worth }) => `${step} ${worth}`),
    ['06-rancher assumed', '06-rancher assumed', '06-rancher not measurable here', '04-traefik proven'],
  )
  assert.equal(countVerdicts(run.verdicts), '1 proven, 2 assumed, 1 not measurable here')
})

test('a stand-in chart says whether the program is imitated too', async () => {
  const found = await Promise.all(['traefik', 'argo-cd', 'rancher'].map(name => findChart(name, offline)))
  assert.deepEqual(
    found.map(({ standIn, imitated }) => [standIn, imitated]),
    [
      [true, false],
      [true, false],
      [true, true],
    ],
  )
})

test('the line on stand-ins names imitations', () => {
  assert.equal(standInLine(['traefik'], []), 'Stand-in charts for traefik: the real ones need a network.')
  assert.match(
    standInLine(['traefik', 'rancher'], ['rancher']),
    /\n {2}Rancher itself is imitated: its checks are assumed\.$/,
  )
})

test('a chart without a stand-in comes from those at hand, which are asked only then', async () => {
  let asked = 0
  const packaged = async () => {
    asked++
    return { metallb: import.meta.filename }
  }
  await findChart('traefik', { ...offline, packaged })
  assert.equal(asked, 0)
  const { path, standIn, imitated } = await findChart('metallb', { ...offline, packaged })
  assert.deepEqual([path, standIn, imitated], [import.meta.filename, false, false])
  await assert.rejects(findChart('metallb', offline), /the chart metallb has no stand-in/)
})
