// A change of several files of this repository as one commit: made ready beside it, looked at, shown, asked about, written.
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { promisify } from 'node:util'
import type { Values } from '../command.ts'
import { exit, HomelabError } from '../errors.ts'
import { paint, print } from '../output.ts'
import { root } from '../root.ts'
import { isYes } from '../site/confirm.ts'
import { git } from '../site/git.ts'

/** Files by their place in the repository; undefined takes one away. */
export type Files = ReadonlyMap<string, string | undefined>

const execute = promisify(execFile)

/**
 * What is already changed would end up in the same commit.
 * @param fix what to do about it
 * @throws HomelabError (exit 2) when something is, or this is no checkout
 */
export async function refuseDirty(
  top = root,
  fix = 'git commit or git stash them first: this makes one commit of its own',
): Promise<void> {
  if ((await git(top, 'rev-parse', 'HEAD')) === undefined)
    throw new HomelabError({
      what: 'this folder is no Git checkout with a commit',
      why: 'applications come from Git: what is only on this disk reaches no cluster',
      fix: 'work in a clone of your fork',
      code: exit.usage,
    })
  const changed = await git(top, 'status', '--porcelain')
  if (changed)
    throw new HomelabError({
      what: 'the checkout has changes that are not committed',
      why: changed.split('\n').slice(0, 3).join(', '),
      fix,
      code: exit.usage,
    })
}

export const readText = (file: string, top = root): string => readFileSync(join(top, file), 'utf8')

/**
 * Builds folders with Kustomize as they would be.
 * @returns their text, in the same order
 * @throws HomelabError (exit 2) with kubectl's own words
 */
export async function buildWith(files: Files, folders: readonly string[], top = root): Promise<string[]> {
  if (files.size === 0) return Promise.all(folders.map(folder => build(join(top, folder), folder)))
  const copy = mkdtempSync(join(tmpdir(), 'homelab-change-'))
  try {
    cpSync(join(top, 'gitops'), join(copy, 'gitops'), { recursive: true })
    if (existsSync(join(top, 'infrastructure')))
      cpSync(join(top, 'infrastructure'), join(copy, 'infrastructure'), { recursive: true })
    put(files, copy)
    return await Promise.all(folders.map(folder => build(join(copy, folder), folder)))
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

async function build(path: string, shown: string): Promise<string> {
  try {
    return (await execute('kubectl', ['kustomize', path], { timeout: 60_000, maxBuffer: 64 * 1024 * 1024 })).stdout
  } catch (error) {
    const { code, stderr = '' } = error as { code?: string | number; stderr?: string }
    if (code === 'ENOENT')
      throw new HomelabError({
        what: 'kubectl is not installed',
        fix: 'https://kubernetes.io/docs/tasks/tools/',
        code: exit.usage,
      })
    throw new HomelabError({
      what: `${shown} cannot be built`,
      why: (/err="(.*)"$/.exec(stderr.trim())?.[1] ?? stderr.trim().split('\n').at(-1) ?? '')
        .replaceAll('\\', '')
        .replaceAll(/\/\S*(?=\/gitops\/)\//g, ''),
      fix: `kubectl kustomize ${shown}`,
      code: exit.usage,
    })
  }
}

function put(files: Files, top: string): void {
  for (const [file, text] of files) {
    const path = join(top, file)
    if (text === undefined) rmSync(path, { force: true, recursive: true })
    else {
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, text)
    }
  }
}

/**
 * Shows the files, asks, writes them and commits.
 * @param values `--plan` only shows, `--yes` does not ask
 * @returns whether there is a commit now
 * @throws HomelabError (exit 2) when nobody confirms it
 */
export async function commitFiles(files: Files, message: string, values: Values, top = root): Promise<boolean> {
  if (!values.json)
    for (const [file, text] of files) {
      const there = existsSync(join(top, file))
      const sign = text === undefined ? paint('red', '-') : there ? paint('yellow', '~') : paint('green', '+')
      print(`  ${sign} ${file}`)
    }
  if (values.plan) return false
  if (!values.yes) {
    if (!process.stdin.isTTY || values.json)
      throw new HomelabError({
        what: 'nobody confirmed the change: nothing was written',
        fix: 'the same command with --yes',
        code: exit.usage,
      })
    const terminal = createInterface({ input: process.stdin, output: process.stdout })
    const answer = await terminal.question(`\nWrite and commit this as "${message}"? [y/N] `)
    terminal.close()
    if (!isYes(answer)) throw new HomelabError({ what: 'not confirmed: nothing was written', code: exit.usage })
  }
  put(files, top)
  const paths = [...files.keys()]
  try {
    await execute('git', ['-C', top, 'add', '-A', '--', ...paths])
    await execute('git', ['-C', top, 'commit', '--quiet', '-m', message, '--', ...paths], { timeout: 300_000 })
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string }
    throw new HomelabError({
      what: 'the files are written and staged, and git did not commit them',
      why: stderr.trim().split('\n').slice(-3).join(' '),
      fix: `git commit -m '${message}'   (git restore --staged --worktree . takes them back)`,
    })
  }
  return true
}
