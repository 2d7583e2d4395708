// The S3 server of the sandbox's site: off the cluster, so no pod stands for it. A real one over a folder of the sandbox.
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdir, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Secret } from '../../secrets.ts'
import type { S3 } from '../../site/site.ts'
import type { SandboxRecord } from '../record.ts'

// The site file of dev has the same. The address is never contacted: Velero has the server for a proxy.
const address = '192.168.77.5:9000'
const bucket = 'homelab-backups'
const accessKey = 'sandbox'
const secretKey = 'only-for-the-sandbox'

/** Where a rehearsal's backups go. */
export const sandboxS3 = (): S3 => ({
  ...{ endpoint: `http://${address}`, bucket, region: 'us-east-1', accessKey },
  secretKey: new Secret(secretKey),
})

/** The name by which it is switched off. */
export const s3Name = 's3-server'

export class S3Server {
  readonly #record: SandboxRecord
  readonly #log: (text: string) => void
  #child: ChildProcess | undefined
  #starting = false

  constructor(record: SandboxRecord, log: (text: string) => void) {
    this.#record = record
    this.#log = log
  }

  /** Where it answers, for whoever looks from outside. */
  routes(): Record<string, string> {
    const port = this.#record.extras?.backup?.ports.s3
    return this.#child && port !== undefined ? { [`${address}/tcp`]: `127.0.0.1:${port}` } : {}
  }

  /** Runs unless it is switched off, in a sandbox that was asked for it. */
  reconcile(off: boolean): void {
    if (!this.#record.extras?.backup) return
    if (off) this.stop()
    else if (!this.#child && !this.#starting)
      void this.#start().catch(error => this.#log(`${s3Name}: ${(error as Error).message}`))
  }

  stop(): void {
    this.#child?.kill('SIGTERM')
  }

  async #start(): Promise<void> {
    this.#starting = true
    const { dir, extras } = this.#record
    const data = join(dir, 's3', 'buckets')
    for (const folder of [join(data, bucket), join(dir, 's3', 'attributes')]) await mkdir(folder, { recursive: true })
    const program = join(dir, 'run', s3Name, s3Name) // in the sandbox's folder, which says whose process it is
    await mkdir(dirname(program), { recursive: true })
    await symlink(join(extras?.backup?.dir ?? '', s3Name), program).catch(() => undefined)
    const file = openSync(join(dir, 'logs', `${s3Name}.log`), 'a')
    const port = `127.0.0.1:${extras?.backup?.ports.s3}`
    const child = spawn(
      program,
      ['--port', port, '--quiet', 'posix', '--sidecar', join(dir, 's3', 'attributes'), data],
      {
        cwd: dir,
        env: {
          HOME: dir,
          PATH: process.env.PATH,
          ROOT_ACCESS_KEY: accessKey,
          ROOT_SECRET_KEY: secretKey,
        },
        stdio: ['ignore', file, file],
      },
    )
    closeSync(file)
    this.#child = child
    this.#starting = false
    const ended = (how: string) => {
      this.#log(`${s3Name}: ended (${how})`)
      this.#child = undefined
    }
    child.once('error', error => ended(error.message))
    child.once('exit', (code, sign) => ended(String(sign ?? code)))
    this.#log(`${s3Name}: started (pid ${child.pid}, ${port})`)
  }
}
