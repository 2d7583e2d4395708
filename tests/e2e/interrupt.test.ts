// Ctrl-C in the middle: what is under way is brought to an end, nothing stays behind, the same command finishes the job.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from '../../scripts/lib/cluster.ts'
import { Lock } from '../../scripts/lib/lock.ts'
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

const lockOn = (cluster: Cluster) =>
  new Lock(
    cluster,
    'e2e-interrupt',
    () => {},
    async () => [],
  )

test('a renewal that was on its way when the lock is given back leaves none', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let read: (() => void) | undefined
  const cluster = new (class extends Cluster {
    slow = false
    override async find(ref: string) {
      const found = await super.find(ref)
      if (this.slow)
        await new Promise<void>(done => {
          this.slow = false
          read = done
        })
      return found
    }
  })(lab.sandbox)
  t.after(() => cluster.close())
  const lock = lockOn(cluster)
  await lock.take()
  cluster.slow = true
  t.mock.timers.tick(10_000)
  while (!read) await sleep(20)
  await lock.release()
  read()
  await sleep(1000) // it would have written by then
  assert.equal(await lab.cluster.find('lease/kube-system/homelab'), undefined)
})

test('a lock that was made, but whose answer was lost, is ours', async t => {
  const cluster = new (class extends Cluster {
    lost = 0
    override async create(...args: Parameters<Cluster['create']>) {
      const made = await super.create(...args)
      return this.lost++ > 0 && made // the same request again then finds it there
    }
  })(lab.sandbox)
  t.after(() => cluster.close())
  const lock = lockOn(cluster)
  await lock.take()
  assert.equal(cluster.lost, 1)
  await lock.release()
  assert.equal(await lab.cluster.find('lease/kube-system/homelab'), undefined)
})
