// K: the scripts are killed, interrupted, started twice, or have no room to write.
import { hostname } from 'node:os'
import { signal } from '../../../scripts/lib/process.ts'
import type { Event } from '../../e2e/support.ts'
import { Fails, type Row } from '../row.ts'
import { bootstrap, type Ended, shown, sleepSeconds, type Trial } from '../trial.ts'

// Where a run can be killed: in each step, and what stands between them. The eighth is Argo CD's root application.
const steps = [
  ...['01-storage-class', '02-metallb', '03-adguard', '04-traefik', '05-cert-manager', '06-rancher', '07-argocd'],
  'root',
]

/** The actions of a step in a run, without what it only waited for: the same ones in every clean run. */
function actions(step: string, events: readonly Event[]): Event[] {
  const id = step === 'root' ? '07-argocd' : step
  const own = events.filter(
    one => one.step === id && (one.event === 'doing' || one.event === 'did') && !/waiting|: pod /.test(one.text ?? ''),
  )
  const root = own.findIndex(({ text }) => text?.includes('bootstrap/applications.yaml'))
  return step === 'root' ? own.slice(root) : step === '07-argocd' ? own.slice(0, root) : own
}

interface KillPoint {
  id: string
  fault: string
  find(events: readonly Event[]): Moment
}

/** After which event a run is killed, how many milliseconds later at most, and what it must not get to before that. */
interface Moment {
  event: Event
  within: number
  next?: Event
}

const offsets = 8

const inside = steps.flatMap((step, s) =>
  Array.from(
    { length: offsets },
    (_, i): KillPoint => ({
      id: `K1-${s + 1}.${i + 1}`,
      fault: `SIGKILL at ${i}/${offsets} of ${step}`,
      find(events) {
        const own = actions(step, events)
        // Before the last one: after it the run may be over sooner than it can be killed.
        const index = Math.min(Math.floor((i * own.length) / offsets), own.length - 2)
        const event = own[index]
        if (!event) throw new Error(`a clean run has no action of ${step}`)
        const next = own[index + 1]
        const gap = Date.parse(next?.time ?? event.time ?? '') - Date.parse(event.time ?? '')
        // The last ones share an action: then the moment tells them apart.
        return { event, within: Math.min(Math.max(gap, 50), 3000), ...(next ? { next } : {}) }
      },
    }),
  ),
)

const between = [undefined, ...steps].map(
  (step, i): KillPoint => ({
    id: `K1-b${i}`,
    fault: step ? `SIGKILL right after ${step}` : 'SIGKILL before the first step',
    find(events) {
      const own = actions(step ?? '', events)
      const end = step === 'root' ? own.find(({ text }) => text?.startsWith('+ Application')) : undefined
      const event =
        step === undefined
          ? events.find(one => one.event === 'begin')
          : (end ?? events.find(one => one.step === step && one.state === 'done'))
      if (!event) throw new Error(`a clean run does not end ${step}`)
      return { event, within: 0 }
    },
  }),
)

const same = (a: Event, b: Event) =>
  a.event === b.event && a.step === b.step && a.state === b.state && (a.event === 'state' || a.text === b.text)

/** Kills a bootstrap at an event. @returns when it has ended */
async function killAt(trial: Trial, { event, within, next }: Moment): Promise<Ended> {
  const delay = Math.round(trial.random() * within)
  let ahead = false
  const ended = await trial.run(bootstrap, [], {
    onEvent: (one, child) => {
      if (ahead && next && same(one, next)) child.kill('SIGKILL')
      if (ahead || !same(one, event)) return
      ahead = true
      if (delay === 0) child.kill('SIGKILL')
      else setTimeout(() => child.kill('SIGKILL'), delay)
    },
  })
  if (ended.code !== 137)
    throw new Fails('void', `it ended with ${ended.code} before the kill (${event.text ?? event.state})`)
  trial.fired(`killed within ${delay} ms after ${event.step ?? ''} ${event.text ?? event.state ?? event.event}`)
  return ended
}

const killPoints: Row[] = [...inside, ...between].map(({ id, fault, find }) => ({
  id,
  fault,
  expect: 'the same command again converges, with at most one repair',
  ...(['K1-2.4', 'K1-5.3'].includes(id) ? { quick: true as const } : {}),
  async run(trial) {
    await killAt(trial, find(trial.control.events))
    await trial.converged(await trial.run())
  },
}))

/** Kills the helm of a chart while it works. */
async function killHelm(trial: Trial, release: string): Promise<Ended> {
  let over = false
  let watching: Promise<void> | undefined
  const hunt = async () => {
    while (!over) {
      // Once its record is written, so that it is left pending.
      const records = await trial.admin.list('secrets', {
        labels: 'owner=helm,status=pending-install',
        metadataOnly: true,
      })
      const [pid] = trial.helms(`upgrade --install ${release}`)
      if (records.some(one => one.metadata.labels?.name === release) && pid !== undefined) {
        signal(pid, 'SIGKILL')
        return trial.fired(`helm ${pid} killed while its release was pending-install`)
      }
    }
  }
  const ended = await trial.run('bootstrap/bootstrap-all.ts', ['--only', '01,02,04,05'], {
    onEvent: one => {
      if (one.step === '05-cert-manager' && one.text?.startsWith('installing')) watching ??= hunt()
    },
  })
  over = true
  await watching
  return ended
}

const holder = (who: string, age: number) => ({
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: { name: 'homelab', namespace: 'kube-system', annotations: { 'homelab/run': 'of-another-machine' } },
  spec: {
    holderIdentity: who,
    leaseDurationSeconds: 30,
    renewTime: new Date(Date.now() - age * 1000).toISOString().replace('Z', '000Z'),
  },
})

const interrupted = (name: 'SIGINT' | 'SIGTERM', code: number, twice: boolean): Row => ({
  id: `K3-${name}${twice ? '-twice' : ''}`,
  fault: `${name} to the scripts while helm works${twice ? ', and again a second later' : ''}`,
  expect: `exit code ${code}, no helm left behind, ${twice ? '' : 'no release left pending, '}the same command converges`,
  ...(name === 'SIGINT' && !twice ? { quick: true as const } : {}),
  async run(trial) {
    let sent = false
    let pid = 0
    const ended = await trial.run(bootstrap, [], {
      onEvent: (one, child) => {
        if (sent || !one.text?.startsWith('installing cert-manager')) return
        sent = true
        pid = child.pid ?? 0
        child.kill(name)
        if (twice) setTimeout(() => child.kill(name), 100)
      },
    })
    trial.expect(ended.code === code, `exit code ${ended.code} instead of ${code}`)
    trial.fired(`${name} to process ${pid}, exit code ${ended.code}`)
    await sleepSeconds(0.5)
    trial.expect(trial.helms().length === 0, 'a helm was left behind')
    if (!twice) {
      const records = await trial.admin.list('secrets', { labels: 'owner=helm', metadataOnly: true })
      const left = records.find(one => one.metadata.labels?.status?.startsWith('pending'))
      trial.expect(left === undefined, `${left?.metadata.name} was left pending`)
      trial.expect((await trial.admin.find('lease/kube-system/homelab')) === undefined, 'the lock was not given back')
    }
    await trial.converged(await trial.run())
  },
})

export const kills: readonly Row[] = [
  ...killPoints,
  {
    id: 'K2',
    fault: 'SIGKILL to the helm child only, its release pending',
    expect: 'the step repairs it and goes on; the same run ends well',
    quick: true,
    async run(trial) {
      const ended = await killHelm(trial, 'cert-manager')
      trial.expect(
        ended.events.some(({ text }) => /its release, pending-install, is mended/.test(text ?? '')),
        `the repair was not told: ${shown(ended)}`,
      )
      trial.expect(ended.code === 0, `it did not go on: ${shown(ended)}`)
      await trial.converged(await trial.run())
    },
  },
  interrupted('SIGINT', 130, false),
  interrupted('SIGTERM', 143, false),
  interrupted('SIGINT', 130, true),
  ...(['the same', 'different'] as const).map(
    (which): Row => ({
      id: `K5-${which === 'the same' ? 'same' : 'other'}`,
      fault: `two runs at once, of ${which} steps`,
      expect: 'one writes; the other refuses and names who holds the lock',
      ends: 'refused',
      ...(which === 'the same' ? { quick: true as const } : {}),
      async run(trial) {
        const args =
          which === 'the same' // else two that need nobody: the winner is to finish
            ? [[], []]
            : [
                ['--only', '01'],
                ['--only', '02'],
              ]
        const both = await Promise.all(args.map(one => trial.run(bootstrap, one)))
        const [winner, loser] = [...both].sort((a, b) => a.code - b.code)
        if (!winner || !loser) throw new Error('unreachable')
        if (loser.code === 0) throw new Fails('void', 'they were not at work at the same time')
        trial.expect(winner.code === 0, `neither finished: ${shown(winner)}\n${shown(loser)}`)
        trial.refused(loser, 3, /another run is at work on this cluster.*@.*process \d+/s)
        const begun = loser.events.some(({ event }) => event === 'did')
        trial.expect(!begun, 'the one that was refused had written something')
        trial.fired(`exit codes ${winner.code} and ${loser.code}`)
        await trial.converged(await trial.run())
      },
    }),
  ),
  {
    id: 'K6-elsewhere',
    fault: 'the lock of a run on another machine, not renewed for a minute',
    expect: 'taken over with a notice',
    quick: true,
    async run(trial) {
      await trial.others([holder('ada@elsewhere, process 7', 60)])
      const ended = await trial.run()
      const notice = ended.events.find(({ text }) => /ada@elsewhere.*taken over/.test(text ?? ''))?.text
      trial.expect(notice !== undefined, `nothing was told: ${shown(ended)}`)
      trial.fired(notice ?? '')
      await trial.converged(ended)
    },
  },
  {
    id: 'K6-done',
    on: 'built',
    fault: 'the lock of a run that was killed when everything was written',
    expect: 'taken over with a notice, and given back, although nothing else is to be written',
    quick: true,
    async run(trial) {
      await trial.others([holder('ada@elsewhere, process 7', 60)])
      const ended = await trial.run()
      const others = ended.writes.filter(({ object }) => !/leases/.test(object))
      trial.expect(others.length === 0, `${others.length} writes besides the lock, first ${others[0]?.object}`)
      trial.fired(ended.events.find(({ text }) => /taken over/.test(text ?? ''))?.text ?? '')
      await trial.converged(ended)
    },
  },
  {
    id: 'K6-here',
    fault: 'the lock of a run on this machine that was killed a moment ago',
    expect: 'taken over at once with a notice',
    async run(trial) {
      const begin = actions('01-storage-class', trial.control.events).find(({ event }) => event === 'did')
      if (!begin) throw new Error('a clean run writes something')
      await killAt(trial, { event: begin, within: 0 })
      const ended = await trial.run()
      const notice = ended.events.find(({ text }) => new RegExp(`@${hostname()}, .*taken over`).test(text ?? ''))
      trial.expect(notice !== undefined, `nothing was told: ${shown(ended)}`)
      await trial.converged(ended)
    },
  },
  {
    id: 'K6-alive',
    fault: 'the lock of a run on another machine, renewed just now',
    expect: 'refused, and nothing written',
    ends: 'refused',
    async run(trial) {
      await trial.others([holder('ada@elsewhere, process 7', 1)])
      const ended = await trial.run()
      trial.fired('the Lease was there')
      trial.refused(ended, 3, /ada@elsewhere, process 7 holds its lock/)
      trial.untouched(ended.writes)
      await trial.kubectl(['delete', 'lease', '-n', 'kube-system', 'homelab'])
    },
  },
]
