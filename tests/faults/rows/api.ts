// A: the API server is away, busy, slow, or dies.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type K8sObject, listAt } from '../../../scripts/lib/k8s.ts'
import { isRunning, signal } from '../../../scripts/lib/process.ts'
import { clusterFolder } from '../../../scripts/lib/sandbox/paths.ts'
import { sandboxProcesses } from '../../../scripts/lib/sandbox/processes.ts'
import { readRecord } from '../../../scripts/lib/sandbox/record.ts'
import { kwokctl } from '../../../scripts/lib/sandbox/start.ts'
import type { Event } from '../../e2e/support.ts'
import { BusyLink } from '../link.ts'
import { Fails, type Row } from '../row.ts'
import { bootstrap, type Ended, sleepSeconds, type Trial } from '../trial.ts'

/** Runs a bootstrap, and something beside it once an event has come. */
async function during(
  trial: Trial,
  when: (event: Event) => boolean,
  action: () => Promise<void>,
  args: readonly string[] = [],
): Promise<Ended> {
  let acting: Promise<void> | undefined
  const ended = await trial.run(bootstrap, args, {
    onEvent: event => {
      if (!acting && when(event)) acting = action()
    },
  })
  if (!acting) throw new Fails('void', 'the moment never came')
  await acting
  return ended
}

const installing = (name: string) => (event: Event) => event.text?.startsWith(`installing ${name}`) ?? false

/** One run with the line cut while charts are installed. */
async function cutFor(trial: Trial, seconds: number): Promise<Ended> {
  const link = await trial.link()
  return during(trial, installing('cert-manager'), async () => {
    trial.fired(`refused for ${seconds} s, ${await link.cut()} open connections broken`)
    await sleepSeconds(seconds)
    await link.mend()
  })
}

/** The process of the control plane. */
function server(trial: Trial, name: string): number {
  const found = sandboxProcesses(trial.sandbox.dir).find(({ command }) => command.includes(`/${name} `))
  if (!found) throw new Error(`no ${name} runs`)
  return found.pid
}

async function pkiOf(trial: Trial): Promise<string> {
  return (await readRecord(trial.sandbox.dir))?.pki ?? ''
}

/** Starts what is missing of the control plane. */
async function restart(trial: Trial, name: string): Promise<void> {
  const record = await readRecord(trial.sandbox.dir)
  if (!record) throw new Error('the sandbox has no record')
  await rm(join(clusterFolder(record.dir, record.name), 'pids', `${name}.pid`), { force: true })
  await kwokctl(record, ['start', 'cluster'])
}

/** Ends the API server in the middle of a run, and starts it again. @param moment waits until it is time, from that event on */
async function killServer(trial: Trial, from: (event: Event) => boolean, moment: () => Promise<void>): Promise<Ended> {
  return during(trial, from, async () => {
    await moment()
    const pid = server(trial, 'kube-apiserver')
    signal(pid, 'SIGKILL')
    await sleepSeconds(3)
    trial.fired(`kube-apiserver ${pid} killed`)
    await restart(trial, 'kube-apiserver')
  })
}

/** It survived; or it was refused for nothing but these words, and the same command converges. */
async function survived(trial: Trial, ended: Ended, but: RegExp): Promise<void> {
  if (ended.code === 0) return trial.converged(ended)
  trial.refused(ended, 1, but)
  await trial.converged(await trial.run())
}

// Twice in 170 trials the Job of a chart's hook stood still after the restart, for longer than a rehearsal waits.
const standingHook = /Job \S+ not ready\. status: InProgress/

/** Changes a definition of a kind in etcd itself, where the API server is not asked. Its values are JSON. */
async function changeKind(trial: Trial, name: string, change: (definition: K8sObject) => void): Promise<void> {
  const found = sandboxProcesses(trial.sandbox.dir).find(({ command }) => command.includes('/etcd '))
  const url = /--advertise-client-urls=(\S+)/.exec(found?.command ?? '')?.[1]
  // The gateway of its gRPC API: https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/
  const ask = async (what: 'range' | 'put', body: object) => {
    const answer = await fetch(`${url}/v3/kv/${what}`, { method: 'POST', body: JSON.stringify(body) })
    return (await answer.json()) as { kvs?: { value: string }[] }
  }
  const key = Buffer.from(`/registry/apiextensions.k8s.io/customresourcedefinitions/${name}`).toString('base64')
  const [kept] = (await ask('range', { key })).kvs ?? []
  const definition = JSON.parse(Buffer.from(kept?.value ?? '', 'base64').toString()) as K8sObject
  change(definition)
  await ask('put', { key, value: Buffer.from(JSON.stringify(definition)).toString('base64') })
}

const frozen = (seconds: number): Row => ({
  id: `A4-${seconds}s`,
  fault: `etcd stands still for ${seconds} s while charts are installed`,
  expect: 'the run waits and converges',
  async run(trial) {
    const pid = server(trial, 'etcd')
    const ended = await during(trial, installing('cert-manager'), async () => {
      signal(pid, 'SIGSTOP')
      try {
        await sleepSeconds(seconds)
        trial.fired(`etcd ${pid} stopped for ${seconds} s`)
      } finally {
        signal(pid, 'SIGCONT')
      }
    })
    for (const name of ['kube-controller-manager', 'kube-scheduler'])
      if (!isRunning(server(trial, name))) await restart(trial, name)
    await trial.converged(ended)
  },
})

export const api: readonly Row[] = [
  {
    id: 'A1-5s-each',
    fault: 'the API server refuses for 5 s in each of the seven steps, one after the other',
    expect: 'one run survives all of them',
    async run(trial) {
      const link = await trial.link()
      const hit = new Set<string>()
      let busy: Promise<void> = Promise.resolve()
      const ended = await trial.run(bootstrap, ['--sequential'], {
        onEvent: ({ event, step = '' }) => {
          if (event !== 'did' || hit.has(step)) return
          hit.add(step)
          busy = busy.then(async () => {
            await link.cut()
            await sleepSeconds(5)
            await link.mend()
          })
        },
      })
      await busy
      trial.expect(hit.size === 7, `${hit.size} outages instead of 7`)
      trial.fired(`7 outages: ${[...hit].join(', ')}`)
      await trial.converged(ended)
    },
  },
  {
    id: 'A1-5s',
    fault: 'the API server refuses for 5 s while charts are installed',
    expect: 'the run survives',
    quick: true,
    async run(trial) {
      await trial.converged(await cutFor(trial, 5))
    },
  },
  {
    id: 'A1-30s',
    fault: 'the API server refuses for 30 s while charts are installed',
    expect: 'the run survives',
    async run(trial) {
      await trial.converged(await cutFor(trial, 30))
    },
  },
  {
    id: 'A1-120s',
    fault: 'the API server refuses for 120 s, longer than anybody waits',
    expect: 'ends with a named cause; the same command converges once it is back',
    ends: 'refused',
    async run(trial) {
      trial.refused(await cutFor(trial, 120), 1, /refused/)
      await trial.converged(await trial.run())
    },
  },
  {
    id: 'A3',
    fault: 'the API server answers every request of ours with 429 for 8 s',
    expect: 'the run backs off and converges',
    async run(trial) {
      // The sandbox's own API server has no limits (kwokctl turns them off), so somebody in between says it.
      const link = await BusyLink.between(trial.sandbox, await pkiOf(trial))
      const ended = await during(trial, installing('cert-manager'), async () => {
        link.busy(true)
        await sleepSeconds(8)
        link.busy(false)
      })
      if (link.refused === 0) throw new Fails('void', 'no request was answered with 429')
      trial.fired(`${link.refused} requests answered with 429`)
      await trial.converged(ended)
    },
  },
  frozen(4),
  frozen(12),
  {
    id: 'A5',
    fault: 'SIGKILL to the API server while helm works, started again 3 s later',
    expect: 'the run survives; or a chart’s hook is named that stood still, and the same command converges',
    quick: true,
    async run(trial) {
      const ended = await killServer(trial, installing('cert-manager'), () => sleepSeconds(0.5))
      await survived(trial, ended, standingHook)
    },
  },
  {
    id: 'A5-record',
    fault: 'SIGKILL to the API server while a release is pending, started again 3 s later',
    expect: 'the run mends the release itself and survives, but for a hook as in A5',
    quick: true,
    async run(trial) {
      const query = { namespace: 'cert-manager', labels: 'owner=helm,status=pending-install' }
      const pending = () =>
        trial.until('its release is pending', async () => (await trial.admin.list('secrets', query)).length > 0)
      await survived(trial, await killServer(trial, installing('cert-manager'), pending), standingHook)
    },
  },
  {
    id: 'A5-any',
    fault: 'SIGKILL to the API server at a moment of chance, started again 3 s later',
    expect: 'the run survives; or it says why it does not, and the same command converges',
    async run(trial) {
      const seconds = (trial.random() * 0.8 * trial.control.milliseconds) / 1000
      const ended = await killServer(
        trial,
        ({ event }) => event === 'doing',
        () => sleepSeconds(seconds),
      )
      // cert-manager's cainjector may have read half of the kinds; it ends after two minutes, and a kubelet starts it anew.
      await survived(trial, ended, /"why"/)
    },
  },
  {
    id: 'A5-kind',
    on: 'built',
    fault: 'SIGKILL to the API server between accepting a kind’s names and serving it',
    expect: 'a run has it look at the kind again',
    quick: true,
    async run(trial) {
      const kind = 'certificates.cert-manager.io'
      const pid = server(trial, 'kube-apiserver')
      signal(pid, 'SIGKILL')
      await trial.until('it is gone', async () => !isRunning(pid))
      await changeKind(trial, kind, ({ status }) => {
        for (const one of listAt(status, 'conditions') as { type: string; status: string; reason: string }[])
          if (one.type === 'Established') Object.assign(one, { status: 'False', reason: 'Installing' })
      })
      await restart(trial, 'kube-apiserver')
      await sleepSeconds(2)
      const served = await trial.admin.api.ask('/apis/cert-manager.io/v1')
      if (served.stdout.includes('"certificates"')) throw new Fails('void', 'the kind is served')
      trial.fired(`${kind} was not served`)
      await trial.converged(await trial.run())
    },
  },
]
