// Modules brought here and packages compiled, with a progress line: what the builds of the sandbox's programs share.
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { checkNetwork, type Go, runGo } from './go.ts'
import { elapsed, type Report } from './report.ts'

export interface Compilation {
  go: Go
  /** The folder of the module whose go.mod counts. */
  module: string
  packages: readonly string[]
  /** Tags, by which a package may need fewer modules. */
  flags?: readonly string[]
  report: Report
  /** When it began, milliseconds since 1970. */
  begin: number
}

/** Bring the modules here. What is in the cache needs no network, and the network is tried before Go waits for it. */
export async function download({ go, module, packages, flags = [], report, begin }: Compilation): Promise<void> {
  const args = ['list', '-deps', '-f', '{{.ImportPath}}', ...flags, ...packages]
  const offline = { GOPROXY: 'off' }
  if (
    await runGo(go, module, args, undefined, offline).then(
      () => true,
      () => false,
    )
  )
    return
  await checkNetwork(go)
  let modules = 0
  const timer = setInterval(() => report(`programs: download · ${modules} modules · ${elapsed(begin)}`), 1000)
  await runGo(go, module, args, line => {
    if (line.startsWith('go: downloading')) modules++
  }).finally(() => clearInterval(timer))
}

/**
 * One `go build` of all the packages into `out`, each named by Go after its folder.
 * @param where `-modfile` or `-overlay` and the like, given to every go command
 * @param ldflags what the linker is told besides leaving symbols out
 */
export async function compile(
  { go, module, packages, report, begin }: Compilation,
  out: string,
  where: readonly string[],
  ldflags: string,
): Promise<void> {
  const total = (await runGo(go, module, ['list', '-deps', ...where, ...packages])).trim().split('\n').length
  let compiled = 0
  const timer = setInterval(async () => {
    const files = await Promise.all((await readdir(out)).map(name => stat(join(out, name)))).catch(() => [])
    const linked = files.filter(({ mtimeMs }) => mtimeMs > begin).length
    report(
      `programs: compile · ${compiled} of ${total} packages, ${linked} of ${packages.length} programs · ${elapsed(begin)}`,
    )
  }, 1000)
  const flags = ['-trimpath', '-ldflags', `-s -w ${ldflags}`, ...where]
  await runGo(go, module, ['build', '-v', ...flags, '-o', `${out}/`, ...packages], line => {
    if (/^[\w./~-]+$/.test(line)) compiled++ // -v names a package when it is compiled
  }).finally(() => clearInterval(timer))
}

/** `go build` names a program after its folder, without a major version at the end. */
export function builtName(path: string): string {
  return (
    path
      .replace(/\/v\d+$/, '')
      .split('/')
      .at(-1) ?? path
  )
}
