// Ctrl-C in the middle: what is under way is brought to an end, nothing stays behind, the same command finishes the job.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { sandboxProcesses } from '../../scripts/lib/sandbox/processes.ts'
import { Lab, sandboxFor } from './support.ts'

let lab: Lab

before(async () => {
  lab = new Lab(await sandboxFor('e2e-interrupt'))
})
after(() => lab.end())

const ours = () =>
  sandboxProcesses(lab.sandbox.dir).filter(({ command }) => /\/helm | proxy --unix-socket/.test(command))

test('an interrupted run ends with 130, leaves no helm and no pending release', async () => {
  const kill = { after: /installing cert-manager/, signal: 'SIGINT' } as const
  const ended = await lab.run('bootstrap/bootstrap-all.ts', [], { kill })
  assert.equal(ended.code, 130, ended.stdout)
  assert.deepEqual(ours(), [])
  const records = await lab.cluster.list('secrets', { labels: 'owner=helm', metadataOnly: true })
  assert.deepEqual(
    records.filter(record => record.metadata.labels?.status?.startsWith('pending')).map(record => record.metadata.name),
    [],
  )
})

test('the same command finishes the job, and then there is nothing more to do', async () => {
  const finished = await lab.run('bootstrap/bootstrap-all.ts')
  assert.equal(finished.code, 0, finished.stdout)
  assert.deepEqual((await lab.run('bootstrap/bootstrap-all.ts')).writes, [])
})

test('one step after the other is the same as all at once', async () => {
  const sequential = await lab.run('bootstrap/bootstrap-all.ts', ['--sequential'])
  assert.equal(sequential.code, 0, sequential.stdout)
  assert.deepEqual(sequential.writes, [])
})
