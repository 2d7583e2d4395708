// One run at a time writes to a cluster: a Lease in it, taken before the first write and gone after the last.
// A run that changes nothing never takes it, and so writes nothing at all.
import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, userInfo } from 'node:os'
import { join } from 'node:path'
import { cacheFolder } from './cache.ts'
import type { Cluster } from './cluster.ts'
import { exit, HomelabError } from './errors.ts'
import { type K8sObject, textAt, timeAt } from './k8s.ts'
import { endGroup, isAlive, startedAt } from './process.ts'
import { ourLabels } from './verbs.ts'

// Seconds. A holder that has not renewed for so long is dead or cut off (k0sctl uses the same two).
const renewEvery = 10
const staleAfter = 30

const where = { namespace: 'kube-system', name: 'homelab' }
const run = 'homelab/run'

// What the mending writes does not wait for the lock that waits for the mending.
const mending = new AsyncLocalStorage<true>()

/**
 * What a run keeps on its own machine, so that the next one there knows at once whether it is dead. Written before the Lease is:
 * a run that is killed in the moment between would otherwise have a lock that only its silence makes void.
 */
interface Note {
  run: string
  pid: number
  /** As `ps` says it: a process id alone is soon somebody else's. */
  started: string
  /** Process groups of helm that it has started and not yet seen end. */
  children: { pid: number; started: string }[]
}

export class Lock {
  readonly #cluster: Cluster
  readonly #id: string
  readonly #notice: (text: string) => void
  readonly #mend: (run: string) => Promise<string[]>
  readonly #note: Note = { run: randomUUID(), pid: process.pid, started: '', children: [] }
  #taken: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #lost: HomelabError | undefined

  /**
   * @param uid of the cluster, which is in the name of the notes on this machine
   * @param notice told when a dead run's lock is taken over
   * @param mend what that run left half-written, by its id; says what it was
   */
  constructor(cluster: Cluster, uid: string, notice: (text: string) => void, mend: (run: string) => Promise<string[]>) {
    this.#cluster = cluster
    this.#id = uid
    this.#notice = notice
    this.#mend = mend
  }

  /** Marks what this run writes, so that a later one knows a dead run's half-written release from somebody else's. */
  get run(): string {
    return this.#note.run
  }

  /**
   * Before a run begins. What a dead run has left is taken over at once, also by a run that then finds nothing to write:
   * otherwise it would stay for ever.
   * @throws HomelabError (exit 3) while another run that is alive holds it
   */
  async look(): Promise<void> {
    const lease = await this.#cluster.find(`lease/${where.namespace}/${where.name}`)
    if (!lease) return
    if (!(await this.#isDead(lease))) throw held(lease)
    await this.take()
  }

  /**
   * Before every write; only the first one takes it.
   * @throws HomelabError (exit 3) when somebody else has it, or has taken it from us while we were cut off
   */
  async take(): Promise<void> {
    if (mending.getStore()) return
    this.#taken ??= this.#take()
    await this.#taken
    if (this.#lost) throw this.#lost
  }

  /** Gives it back. What was never taken needs nothing. */
  async release(): Promise<void> {
    clearInterval(this.#timer)
    if (!this.#taken || this.#lost) return
    this.#cluster.lock = undefined // the last write needs none
    try {
      await this.#taken
      const lease = await this.#cluster.find(`lease/${where.namespace}/${where.name}`)
      if (!lease || !ours(lease, this.#note.run)) return // the note is somebody else's too
      await this.#cluster.delete(lease)
      rmSync(this.#file(), { force: true })
    } catch {
      // Never got, or an API server that is away: a lock is void after half a minute, and what the run came to stands.
    }
  }

  /** A helm of ours: whoever takes the lock over from us, should we die, ends it first. */
  child(pid: number): () => void {
    if (!this.#timer) return () => {} // not ours yet: the note is still that of whoever held it last
    const entry = { pid, started: startedAt(pid) }
    this.#note.children.push(entry)
    this.#keep()
    return () => {
      this.#note.children.splice(this.#note.children.indexOf(entry), 1)
      this.#keep()
    }
  }

  #file(run = this.#note.run): string {
    return join(cacheFolder('locks'), `${this.#id || 'unknown'}.${run}.json`)
  }

  async #take(): Promise<void> {
    this.#note.started = startedAt(process.pid)
    let dead: { run: string; notice: string } | undefined
    this.#keep()
    const refuse = (holder: K8sObject): never => {
      rmSync(this.#file(), { force: true })
      throw held(holder)
    }
    for (let attempt = 0; ; attempt++) {
      const found = await this.#cluster.find(`lease/${where.namespace}/${where.name}`)
      if (found && ours(found, this.#note.run)) break // made, and the answer was lost
      if (found && !(await this.#isDead(found))) refuse(found)
      if (found) {
        const { whose, children } = this.#remembered(found)
        await Promise.all(children.map(child => endGroup(child.pid, 30)))
        dead = {
          run: found.metadata.annotations?.[run] ?? '',
          notice: `${describe(found)} has ended without giving its lock back${whose}: taken over`,
        }
      }
      if (await this.#cluster.create(this.#lease(found), found !== undefined)) break
      if (attempt === 5) refuse(found ?? this.#lease())
    }
    this.#clear()
    this.#timer = setInterval(() => void this.#renew(), renewEvery * 1000)
    this.#timer.unref()
    if (!dead) return
    // Under our lock: nobody else can be at work on what it left.
    const id = dead.run
    const mended = await mending.run(true, () => this.#mend(id)).catch(() => []) // whatever is not mended now is met by the step itself
    this.#notice(dead.notice + (mended.length ? `; repaired what it left half-written: ${mended.join(', ')}` : ''))
  }

  /** As long as the API server is away nobody else can take it either. */
  async #renew(): Promise<void> {
    const lease = await this.#cluster.find(`lease/${where.namespace}/${where.name}`).catch(() => 'away' as const)
    if (lease === 'away') return
    if (lease && ours(lease, this.#note.run))
      return void (await this.#cluster.create(this.#lease(lease), true).catch(() => {}))
    clearInterval(this.#timer)
    this.#lost = new HomelabError({
      what: 'the lock of this run is no longer ours',
      why: lease
        ? `${describe(lease)} has taken it over: this run was cut off from the cluster`
        : 'somebody deleted it',
      fix: 'when the other run has ended: the same command again',
      code: exit.refused,
    })
  }

  /**
   * @param before the one that it replaces. By its uid too: the API server makes a Lease anew that is put in the place of
   *   one that is gone, and a renewal that was on its way when the lock was given back would leave one that nobody holds
   */
  #lease(before?: K8sObject): K8sObject {
    const now = new Date(this.#cluster.serverTime()).toISOString().replace('Z', '000Z')
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: {
        ...where,
        labels: { ...ourLabels },
        annotations: { [run]: this.#note.run },
        ...(before ? { uid: before.metadata.uid, resourceVersion: before.metadata.resourceVersion } : {}),
      } as K8sObject['metadata'],
      spec: {
        holderIdentity: `${userInfo().username}@${hostname()}, process ${process.pid}`,
        leaseDurationSeconds: staleAfter,
        renewTime: now,
      },
    }
  }

  /** On its own machine a dead process is known at once; elsewhere its silence tells, by the API server's clock. */
  async #isDead(lease: K8sObject): Promise<boolean> {
    const note = this.#noteOf(lease)
    if (note) return !isAlive(note.pid, note.started)
    const renewed = timeAt(lease.spec, 'renewTime') ?? 0
    return this.#cluster.serverTime() - renewed > staleAfter * 1000
  }

  #remembered(lease: K8sObject): { whose: string; children: Note['children'] } {
    const note = this.#noteOf(lease)
    if (!note) return { whose: ' (not renewed any more)', children: [] }
    const children = note.children.filter(child => isAlive(child.pid, child.started))
    return { whose: children.length ? ', its helm was still at work and has been ended' : '', children }
  }

  /** Of the run that holds the lease, when it is one of this machine. */
  #noteOf(lease: K8sObject): Note | undefined {
    const holder = lease.metadata.annotations?.[run] ?? ''
    return /^[0-9a-f-]{36}$/.test(holder) ? readNote(this.#file(holder)) : undefined
  }

  #keep(): void {
    writeFileSync(`${this.#file()}.new`, JSON.stringify(this.#note), { mode: 0o600 })
    renameSync(`${this.#file()}.new`, this.#file())
  }

  /** Notes of runs that are dead: the lock is ours now, so nobody needs them any more. */
  #clear(): void {
    const folder = cacheFolder('locks')
    for (const name of readdirSync(folder).filter(
      one => one.startsWith(`${this.#id || 'unknown'}.`) && one.endsWith('.json'),
    )) {
      const note = readNote(join(folder, name))
      if (!note || !isAlive(note.pid, note.started)) rmSync(join(folder, name), { force: true })
    }
  }
}

function readNote(file: string): Note | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Note
  } catch {
    return undefined // never held from here
  }
}

function ours(lease: K8sObject, id: string): boolean {
  return lease.metadata.annotations?.[run] === id
}

function describe(lease: K8sObject): string {
  return `the run of ${textAt(lease.spec, 'holderIdentity') ?? 'somebody'}`
}

function held(lease: K8sObject): HomelabError {
  return new HomelabError({
    what: 'another run is at work on this cluster',
    why: `${describe(lease)} holds its lock (Lease ${where.namespace}/${where.name}, renewed ${textAt(lease.spec, 'renewTime') ?? '?'})`,
    fix: `wait until it has ended; if nothing of it is left, its lock is void ${staleAfter} s after its last sign of life`,
    code: exit.refused,
  })
}
