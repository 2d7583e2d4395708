// Runs each local program exactly while its pod is Ready: start, restart with back-off, stop.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Api, KubeObject } from './api.ts'
import { kubeconfigAs } from './kubeconfig.ts'
import { localProgramOf } from './local-programs.ts'
import { type Container, isReady, type Launch, type LocalProgram, type Pod, splitImage } from './pod.ts'
import { lazyGarbage } from './processes.ts'
import type { SandboxRecord } from './record.ts'

interface Running {
  pod: Pod
  local: LocalProgram
  child?: ChildProcess
  launch?: Launch
  stop: AbortController
}

interface Parts {
  record: SandboxRecord
  api: Api
  /** The folder that stands for a claim of this pod. */
  volume: (pod: Pod, claim: string) => string | undefined
  /** Called when a program starts or ends, so that routes follow. */
  changed: () => void
  log: (text: string) => void
}

export class Supervisor {
  readonly #running = new Map<string, Running>()
  readonly #parts: Parts

  constructor(parts: Parts) {
    this.#parts = parts
  }

  /** Make what runs equal to what should: every Ready pod that a local program stands for, but those switched off. */
  reconcile(pods: Iterable<Pod>, off: ReadonlySet<string>): void {
    const wanted = new Set<string>()
    for (const pod of pods) {
      const found = isReady(pod) ? localProgramOf(pod) : undefined
      if (!found || off.has(found.local.name) || !this.#has(found.local)) continue
      wanted.add(pod.metadata.uid)
      const running = this.#running.get(pod.metadata.uid)
      if (running) running.pod = pod
      else void this.#run(pod, found.local, found.container)
    }
    for (const [uid, running] of this.#running) if (!wanted.has(uid)) this.#end(uid, running)
  }

  /** Whether this sandbox can run it. */
  #has(local: LocalProgram): boolean {
    return local.extra === undefined || this.#parts.record.extras?.[local.extra] !== undefined
  }

  /** The local port behind a pod's port, while its program runs. @param port `9443/tcp` */
  portOf(pod: Pod, port: string): number | undefined {
    const running = this.#running.get(pod.metadata.uid)
    return running?.child ? running.launch?.ports[port] : undefined
  }

  /** The names of those that run. */
  names(): string[] {
    return [...this.#running.values()].flatMap(({ child, local }) => (child ? [local.name] : [])).sort()
  }

  /** End every program and wait until they are gone (three seconds, then they are killed). */
  async stop(): Promise<void> {
    const children = [...this.#running.values()].flatMap(({ child }) => (child ? [child] : []))
    for (const [uid, running] of this.#running) this.#end(uid, running)
    await Promise.all(
      children.map(child =>
        child.exitCode === null && child.signalCode === null
          ? new Promise(done => child.once('exit', done))
          : undefined,
      ),
    )
  }

  #end(uid: string, running: Running): void {
    this.#running.delete(uid)
    running.stop.abort()
    const { child, pod, local } = running
    if (child) {
      this.#parts.log(
        `${local.name}: pod ${pod.metadata.namespace}/${pod.metadata.name} is not Ready any more: stopping`,
      )
      child.kill('SIGTERM')
      setTimeout(() => child.kill('SIGKILL'), 3000).unref()
    }
    this.#parts.changed()
  }

  async #run(pod: Pod, local: LocalProgram, container: Container): Promise<void> {
    const running: Running = { pod, local, stop: new AbortController() }
    this.#running.set(pod.metadata.uid, running)
    const name = `${pod.metadata.namespace}/${pod.metadata.name}`
    const { tag } = splitImage(container.image)
    const version = local.version && this.#parts.record.versions[local.version]
    if (tag && version && tag.replace(/^v/, '') !== version.replace(/^v/, ''))
      this.#parts.log(`${local.name}: ${name} asks for ${tag}; here it is ${version}`)
    const dir = join(this.#parts.record.dir, 'run', `${local.name}-${pod.metadata.uid}`)
    for (let failures = 0; !running.stop.signal.aborted; failures++) {
      const started = Date.now()
      try {
        await this.#once(running, container, dir)
      } catch (error) {
        this.#parts.log(`${local.name}: ${name}: ${(error as Error).message}`)
      }
      if (running.stop.signal.aborted) break
      if (Date.now() - started > 30_000) failures = 0
      // As a kubelet does, only faster: its first back-off is ten seconds.
      const pause = Math.min(200 * 2 ** failures, 10_000)
      this.#parts.log(`${local.name}: again in ${pause} ms`)
      await new Promise(done => {
        const timer = setTimeout(done, pause)
        running.stop.signal.addEventListener('abort', () => done(clearTimeout(timer)), { once: true })
      })
    }
    await rm(dir, { recursive: true, force: true })
  }

  /** One life of the process; returns when it ended. */
  async #once(running: Running, container: Container, dir: string): Promise<void> {
    const { pod, local, stop } = running
    const namespace = pod.metadata.namespace ?? ''
    await mkdir(dir, { recursive: true, mode: 0o700 })
    const kubeconfig = join(dir, 'kubeconfig')
    const user = `system:serviceaccount:${namespace}:${pod.spec.serviceAccountName ?? 'default'}`
    await writeFile(kubeconfig, kubeconfigAs(this.#parts.record, 'sandbox', { user }), { mode: 0o600 })
    const launch = await local.launch({
      record: this.#parts.record,
      api: this.#parts.api,
      pod: pod as Pod & { metadata: { namespace: string } },
      container,
      dir,
      kubeconfig,
      volume: claim => this.#parts.volume(pod, claim),
    })
    if (stop.signal.aborted) return
    const closeMounts = new AbortController()
    for (const secret of launch.secrets ?? []) this.#mount(namespace, secret.name, secret.dir, closeMounts.signal)
    const file = openSync(
      join(this.#parts.record.dir, 'logs', `${local.name === 'adguard' ? pod.metadata.name : local.name}.log`),
      'a',
    )
    const { HOME = '/', PATH = '' } = process.env
    const program = launch.path ?? (local.program && this.#parts.record.programs[local.program])
    if (!program) throw new Error('nothing says which program it is')
    const child = spawn(program, launch.args, {
      cwd: dir,
      // Nothing of the person's environment: a proxy setting or KUBECONFIG must not change what a rehearsal shows.
      env: { HOME, PATH, ...lazyGarbage, ...launch.env },
      stdio: ['ignore', file, file],
    })
    closeSync(file)
    running.child = child
    running.launch = launch
    this.#parts.log(
      `${local.name}: started for ${namespace}/${pod.metadata.name} (pid ${child.pid}, ports ${JSON.stringify(launch.ports)})`,
    )
    this.#parts.changed()
    await new Promise<void>(done => {
      child.once('error', error => {
        this.#parts.log(`${local.name}: ${error.message}`)
        done()
      })
      child.once('exit', (code, sign) => {
        this.#parts.log(`${local.name}: ended (${sign ?? code})`)
        done()
      })
    })
    closeMounts.abort()
    delete running.child
    this.#parts.changed()
  }

  /** What a kubelet does with a Secret volume: files in a folder, replaced when the Secret changes. */
  #mount(namespace: string, name: string, dir: string, signal: AbortSignal): void {
    const path = `/api/v1/namespaces/${namespace}/secrets?fieldSelector=metadata.name%3D${encodeURIComponent(name)}`
    const secrets = this.#parts.api.mirror<KubeObject & { data?: Record<string, string> }>(
      path,
      () => void write().catch(() => undefined),
      signal,
    )
    const write = async () => {
      for (const { data = {} } of secrets.values())
        for (const [key, value] of Object.entries(data)) {
          const file = join(dir, key)
          await writeFile(`${file}.new`, Buffer.from(value, 'base64'), { mode: 0o600 })
          await rename(`${file}.new`, file)
        }
    }
  }
}
