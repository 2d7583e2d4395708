// A Git repository on this machine that Argo CD follows by its file:// address: what is committed is there at once.
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { exit, HomelabError } from '../../errors.ts'

/** Neither settings nor signing of the person. */
const env = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' }

export class GitFolder {
  readonly folder: string
  readonly branch: string

  /** Makes it, empty. What was in the folder is gone. @throws HomelabError (2) without git */
  constructor(folder: string, branch = 'main') {
    this.folder = folder
    this.branch = branch
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    this.#git('init', '-q', '-b', branch)
  }

  get url(): string {
    return `file://${this.folder}`
  }

  /** What Git has from now on; without files, what the folder has. @param files path → text, or undefined to remove it */
  commit(message: string, files: Readonly<Record<string, string | undefined>> = {}): string {
    for (const [file, text] of Object.entries(files)) {
      const path = join(this.folder, file)
      mkdirSync(dirname(path), { recursive: true })
      if (text === undefined) rmSync(path, { recursive: true })
      else writeFileSync(path, text)
    }
    this.#git('add', '-A')
    this.#git('commit', '-q', '--allow-empty', '-m', message)
    return this.#git('rev-parse', 'HEAD').trim()
  }

  #git(...args: string[]): string {
    const who = ['-c', 'user.name=homelab', '-c', 'user.email=homelab@lab.invalid']
    try {
      return execFileSync('git', [...who, '-C', this.folder, ...args], {
        env,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      })
    } catch (error) {
      const { code, stderr = '' } = error as { code?: string; stderr?: string }
      if (code !== 'ENOENT') throw new HomelabError({ what: `git ${args[0]} failed in ${this.folder}`, why: stderr })
      throw new HomelabError({
        what: 'git is not installed',
        why: 'Argo CD reads its applications from a Git repository, in a rehearsal too',
        fix: 'install git, or leave that part out: make rehearse FAST=1',
        code: exit.usage,
      })
    }
  }
}
