// The programs with which our files are checked. Where one is not there the check is one visible line; in a workflow it fails.
import { execFile, execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder } from '../../scripts/lib/cache.ts'
import { root } from '../../scripts/lib/root.ts'
import { builtExtra, ensureExtra } from '../../scripts/lib/sandbox/extra-build.ts'
import { type ExtraName, extras } from '../../scripts/lib/sandbox/extras.ts'

const inWorkflow = process.env.CI === 'true'

/** The folder of an optional group, or why its check is left out here. */
export async function toolsOf(name: ExtraName): Promise<{ dir: string; skip: string | false }> {
  const found = inWorkflow ? await ensureExtra(name, line => process.stderr.write(`${line}\n`)) : await builtExtra(name)
  const skip = `${extras[name].title} is not built here: scripts/sandbox.ts programs --with ${name} (minutes, once)`
  return { dir: found?.dir ?? '', skip: found ? false : skip }
}

/** zizmor, which is on PyPI only: installed by digest into the cache, once. */
export function zizmor(): { path: string; skip: string | false } {
  const wanted = join(root, 'infrastructure/sandbox/checks/requirements.txt')
  const version = /^zizmor==(\S+)/m.exec(readFileSync(wanted, 'utf8'))?.[1] ?? ''
  const folder = join(cacheFolder('checks'), `zizmor-${version}`)
  const path = join(folder, 'bin/zizmor')
  if (existsSync(path)) return { path, skip: false }
  try {
    execFileSync('python3', ['-m', 'venv', folder], { stdio: 'pipe', timeout: 120_000 })
    const install = ['install', '--quiet', '--disable-pip-version-check', '--require-hashes', '--only-binary=:all:']
    execFileSync(join(folder, 'bin/pip'), [...install, '-r', wanted], { stdio: 'pipe', timeout: 120_000 })
    return { path, skip: false }
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    if (inWorkflow) throw error
    return {
      path,
      skip: `zizmor ${version} could not be installed: it wants python3 with venv, and a network the first time`,
    }
  }
}

/** Runs a program over the repository. @returns its exit code and everything that it said */
export async function looked(program: string, args: readonly string[]): Promise<{ code: number; said: string }> {
  const options = { cwd: root, maxBuffer: 2 ** 26, env: { ...process.env, NO_COLOR: '1' } }
  return promisify(execFile)(program, args, options).then(
    ({ stdout, stderr }) => ({ code: 0, said: stdout + stderr }),
    ({ code, stdout = '', stderr = '', message }) => ({
      code: typeof code === 'number' ? code : 1,
      said: stdout + stderr || String(message),
    }),
  )
}

export const tracked = (...patterns: string[]): string[] =>
  execFileSync('git', ['-C', root, 'ls-files', '--cached', '--others', '--exclude-standard', '--', ...patterns], {
    encoding: 'utf8',
  })
    .split('\n')
    .filter(Boolean)
