// The owner of the suite: a fork of this checkout with a .env of its own, from which every script is run.
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { root } from '../../scripts/lib/root.ts'
import type { Ended, Event, Summary } from '../e2e/support.ts'
import { script, writeSiteFile } from '../e2e/support.ts'
import type { Target } from './target.ts'

export const domain = 'lab.home.arpa'

export class Owner {
  readonly folder = mkdtempSync(join(tmpdir(), 'homelab-owner-'))
  readonly target: Target
  readonly #env: Record<string, string>

  private constructor(target: Target, more: Readonly<Record<string, string>>) {
    this.target = target
    this.#env = {
      CHARTS: target.charts,
      PATH: [...(target.bin ? [target.bin] : []), process.env.PATH].join(':'),
      KUBECONFIG: target.kubeconfig,
    }
    for (const file of this.git(root, 'ls-files', '-co', '--exclude-standard')
      .split('\n')
      .filter(file => existsSync(join(root, file)) && file !== ''))
      cpSync(join(root, file), join(this.folder, file), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(this.folder, 'node_modules'))
    const env = {
      DOMAIN: domain,
      METALLB_POOL: target.pool,
      KUBE_CONTEXT: target.context,
      GIT_REPOSITORY: 'http://git.git.svc/cgi-bin/git/homelab',
      GIT_REVISION: 'main',
      ...more,
    }
    const lines = Object.entries(env).map(([key, value]) => `${key}=${value}\n`)
    writeFileSync(join(this.folder, '.env'), lines.join(''), { mode: 0o600 })
    // The node lab has no internet: of the applications, only those that lie in this repository.
    if (target.kind === 'node')
      this.edit('gitops/applications/kustomization.yaml', text =>
        text.replace(
          /^resources:\n(?: .*\n)+/m,
          'resources: [network-policies.yaml, welcome.yaml] # they need no chart\n',
        ),
      )
    this.git(this.folder, 'init', '-q', '-b', 'main')
  }

  /** A fork as `make configure` leaves it, with everything in Git. @param more further keys of .env */
  static async of(target: Target, more: Readonly<Record<string, string>> = {}): Promise<Owner> {
    const owner = new Owner(target, more)
    await writeSiteFile(owner.folder)
    owner.commit('the fork')
    return owner
  }

  /** Runs a script of the fork; with `--json` its events and its account. */
  async run(file: string, args: readonly string[] = [], env: Record<string, string> = {}): Promise<Told> {
    const ended = await script(join(this.folder, file), args, { cwd: this.folder, env: { ...this.#env, ...env } })
    const events = ended.stdout
      .split('\n')
      .filter(line => line.startsWith('{'))
      .map(line => JSON.parse(line) as Event)
    const summary = events.find(event => event.event === 'summary') as unknown as Summary | undefined
    return { ...ended, events, summary }
  }

  /** kubectl as the owner types it. */
  kubectl(args: readonly string[], input?: string | Buffer): Promise<string> {
    const child = spawn('kubectl', [`--context=${this.target.context}`, ...args], {
      env: { ...process.env, ...this.#env },
    })
    child.stdin.on('error', () => {}) // it may end before it has read all
    child.stdin.end(input)
    let out = ''
    let err = ''
    child.stdout.on('data', chunk => (out += chunk))
    child.stderr.on('data', chunk => (err += chunk))
    return new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', code =>
        code === 0
          ? resolve(out)
          : reject(new Error(`kubectl ${args.join(' ')}: ${err.trim() || `exit code ${code}`}`)),
      )
    })
  }

  /** Changes a file of the fork. */
  edit(file: string, change: (text: string) => string): void {
    const path = join(this.folder, file)
    const before = readFileSync(path, 'utf8')
    const after = change(before)
    if (after === before) throw new Error(`${file}: the change changes nothing`)
    writeFileSync(path, after)
  }

  /** As it is in this checkout. */
  restore(file: string): void {
    cpSync(join(root, file), join(this.folder, file))
  }

  commit(message: string): string {
    this.git(this.folder, 'add', '-A')
    const who = ['-c', 'user.name=owner', '-c', 'user.email=owner@home.arpa', '-c', 'commit.gpgsign=false']
    this.git(this.folder, ...who, 'commit', '-q', '--no-verify', '-m', message)
    return this.git(this.folder, 'rev-parse', 'HEAD').trim()
  }

  /** Brings the branch to the Git server in the cluster. */
  async push(): Promise<void> {
    const bundle = execFileSync('git', ['-C', this.folder, 'bundle', 'create', '-q', '-', 'HEAD'], {
      maxBuffer: 64 * 1024 * 1024,
    })
    const exec = ['exec', '-i', '-n', 'git', 'deployment/git', '-c', 'git', '--', 'git-take', 'main']
    await this.kubectl(exec, bundle)
  }

  git(folder: string, ...args: string[]): string {
    return execFileSync('git', ['-C', folder, ...args], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  }

  end(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export type Told = Ended & { events: Event[]; summary: Summary | undefined }

/** The folder of the suite's own manifests. */
export const manifests = dirname(new URL(import.meta.url).pathname)
