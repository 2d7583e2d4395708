// The two states of the repository that are compared, and what Git knows of them without reading files.
import { posix } from 'node:path'
import { exit, HomelabError } from '../errors.ts'
import { run } from '../shell.ts'

/** One commit of the repository. */
export interface Side {
  /** As people say it: `main`, `HEAD`. */
  name: string
  commit: string
  /** Path → mode and hash of the file. */
  files: ReadonlyMap<string, string>
  /** Folder → the paths outside of it that its kustomization or chart names. */
  outward: ReadonlyMap<string, readonly string[]>
}

/**
 * The commit that both have come from, and HEAD.
 * @param base a branch, tag or commit; one that is only at the remote counts too, as in a workflow's checkout
 * @throws HomelabError (exit 2) when Git does not know it
 */
export async function sidesOf(top: string, base: string): Promise<{ before: Side; after: Side }> {
  const [head, found] = await Promise.all([
    commitOf(top, 'HEAD'),
    commitOf(top, base).then(known => known ?? commitOf(top, `origin/${base}`)),
  ])
  if (head === undefined || found === undefined) throw await unknown(top, base)
  const fork = (await git(top, 'merge-base', found, head)).stdout.trim()
  const [before, after] = await Promise.all([sideOf(top, base, fork || found), sideOf(top, 'HEAD', head)])
  return { before, after }
}

/** HEAD alone. */
export async function headOf(top: string): Promise<Side> {
  const head = await commitOf(top, 'HEAD')
  if (head === undefined) throw await unknown(top, 'HEAD')
  return sideOf(top, 'HEAD', head)
}

async function unknown(top: string, revision: string): Promise<HomelabError> {
  const shallow = (await git(top, 'rev-parse', '--is-shallow-repository')).stdout.trim() === 'true'
  return new HomelabError({
    what: `Git knows no revision ${revision}`,
    why: shallow
      ? 'this is a shallow clone: only its newest commits are here'
      : 'no branch, tag or commit has that name',
    fix: shallow
      ? 'git fetch --unshallow   (in a workflow: actions/checkout with fetch-depth: 0)'
      : 'git branch --all shows the branches; git fetch origin brings the newer ones; then: make diff BASE=main',
    code: exit.usage,
  })
}

async function commitOf(top: string, revision: string): Promise<string | undefined> {
  const { code, stdout } = await git(
    top,
    'rev-parse',
    '--verify',
    '--quiet',
    '--end-of-options',
    `${revision}^{commit}`,
  )
  return code === 0 ? stdout.trim() : undefined
}

async function sideOf(top: string, name: string, commit: string): Promise<Side> {
  const named = ['*kustomization.yaml', '*kustomization.yml', '*Kustomization', '*Chart.yaml']
  const [listed, lines] = await Promise.all([
    git(top, 'ls-tree', '-r', '-z', '--full-tree', commit),
    git(top, 'grep', '-I', '-z', '-o', '-E', `[^][ "'{},:]*\\.\\./[^][ "'{},]*`, commit, '--', ...named),
  ])
  const files = listed.stdout.split('\0').flatMap(line => {
    const [about, path] = line.split('\t')
    return path === undefined ? [] : [[path, about] as const]
  })
  const outward = new Map<string, string[]>()
  for (const line of lines.stdout.split('\n')) {
    const [file = '', target] = line.split('\0')
    if (target === undefined) continue
    const folder = posix.dirname(file.slice(commit.length + 1))
    outward.set(folder, [...(outward.get(folder) ?? []), posix.join(folder, target.replace(/^\/\//, ''))])
  }
  return { name, commit, files: new Map(files as [string, string][]), outward }
}

const git = (top: string, ...args: string[]) => run('git', ['-C', top, ...args], { timeout: 60 })
