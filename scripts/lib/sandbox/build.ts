// One `go build` of all the sandbox's programs from the pinned modules in infrastructure/sandbox/tools.
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { chmod, cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { HomelabError } from '../errors.ts'
import { isRunning } from '../process.ts'
import { checkNetwork, type Go, runGo } from './go.ts'
import { sandboxRecords } from './record.ts'
import { elapsed, type Report } from './report.ts'

/** Package → our name for the program. One build for all, so that what they share compiles once. */
export const packages = {
  'go.etcd.io/etcd/server/v3': 'etcd',
  'sigs.k8s.io/kwok/cmd/kwok': 'kwok',
  'sigs.k8s.io/kwok/cmd/kwokctl': 'kwokctl',
  'k8s.io/kubernetes/cmd/kube-apiserver': 'kube-apiserver',
  'k8s.io/kubernetes/cmd/kube-controller-manager': 'kube-controller-manager',
  'k8s.io/kubernetes/cmd/kube-scheduler': 'kube-scheduler',
  'k8s.io/kubernetes/cmd/kubectl': 'kubectl',
  'helm.sh/helm/v4/cmd/helm': 'helm',
  'go.universe.tf/metallb/controller': 'metallb-controller',
  'github.com/cert-manager/cert-manager/homelab-sandbox': 'cert-manager',
  'github.com/AdguardTeam/AdGuardHome': 'adguardhome',
} as const

interface Patch {
  module: string
  file: string
  /** With the flags g and m. */
  from: RegExp
  to: string
}

/**
 * Lines that we change in a copy of a module, because no flag reaches them: what listens on every interface listens on
 * loopback here, and two sandboxes do not fight for one port. Each must be found exactly once.
 */
const patches: readonly Patch[] = [
  {
    module: 'go.universe.tf/metallb',
    file: 'internal/k8s/k8s.go',
    from: /^\t\tPort: +9443,$/gm,
    to: '\t\tHost: "127.0.0.1", Port: func() int { var n int; _, _ = fmt.Sscan(os.Getenv("METALLB_WEBHOOK_PORT"), &n); return n }(),',
  },
  {
    module: 'go.universe.tf/metallb',
    file: 'controller/main.go',
    from: /^(\t\tHealthProbeBindAddress: fmt\.Sprintf\()":%d"(, \*healthProbePort\),)$/gm,
    to: '$1"127.0.0.1:%d"$2',
  },
  {
    module: 'github.com/cert-manager/cert-manager',
    file: 'pkg/webhook/server/server.go',
    from: /^\t\tPort: s\.ListenAddr,$/gm,
    to: '\t\tHost: "127.0.0.1", Port: s.ListenAddr,',
  },
  {
    module: 'github.com/cert-manager/cert-manager',
    file: 'pkg/webhook/server/server.go',
    from: /^(\t\thealthzListener, err := .*fmt\.Sprintf\()":%d"(, \*s\.HealthzAddr\)\))$/gm,
    to: '$1"127.0.0.1:%d"$2',
  },
]

/** Changes whenever something in this file changes what is built. */
export const recipe = JSON.stringify([packages, patches.map(({ from, ...rest }) => [String(from), rest])])

/** The version that go.mod requires of a module. */
export function moduleVersion(goMod: string, module: string): string {
  const line = goMod.split('\n').find(text => text.trim().startsWith(`${module} v`))
  const version = line?.trim().split(/\s+/)[1]
  if (version) return version
  throw new HomelabError({
    what: `go.mod does not require ${module}`,
    why: 'the sandbox takes versions from there',
    fix: 'restore infrastructure/sandbox/tools/go.mod',
  })
}

interface Build {
  go: Go
  tools: string
  goMod: string
  /** Where the programs come to lie, all or none. */
  dir: string
  report: Report
}

/** Build everything into `dir`. @throws HomelabError for network, disk, or a patch that does not fit */
export async function build(how: Build): Promise<void> {
  const { go, tools, goMod, dir, report } = how
  const begin = Date.now()
  await removeDead(dirname(dir))
  const work = `${dir}.part-${process.pid}` // ours alone, even if a Go that a killed build left behind still writes
  const out = join(work, 'out')
  process.once('exit', () => rmSync(work, { recursive: true, force: true })) // also when it fails
  await mkdir(out, { recursive: true })
  report('programs: building them from Go modules, once · minutes, then never again')
  await download(how, begin)

  const modfile = join(work, 'go.mod')
  await writeFile(modfile, goMod + (await patchModules(go, goMod, work)))
  await cp(join(tools, 'go.sum'), join(work, 'go.sum'))
  await reuseEarlier(dirname(dir), out)
  const all = Object.keys(packages)
  const total = (await runGo(go, tools, ['list', '-deps', '-modfile', modfile, ...all])).trim().split('\n').length
  let compiled = 0
  const timer = setInterval(async () => {
    const files = await Promise.all((await readdir(out)).map(name => stat(join(out, name)))).catch(() => [])
    const linked = files.filter(({ mtimeMs }) => mtimeMs > begin).length
    report(
      `programs: compile · ${compiled} of ${total} packages, ${linked} of ${all.length} programs · ${elapsed(begin)}`,
    )
  }, 1000)
  const flags = ['-trimpath', '-ldflags', `-s -w ${stamps(goMod)}`, '-modfile', modfile]
  await runGo(go, tools, ['build', '-v', ...flags, '-o', `${out}/`, ...all], line => {
    if (/^[\w./~-]+$/.test(line)) compiled++ // -v names a package when it is compiled
  }).finally(() => clearInterval(timer))

  for (const [path, name] of Object.entries(packages)) await rename(join(out, builtName(path)), join(work, name))
  await packageCharts(go, goMod, work)
  for (const used of ['out', 'go.mod', 'go.sum', 'modules'])
    await rm(join(work, used), { recursive: true, force: true })
  await rename(work, dir)
  report(`programs: built in ${elapsed(begin)}`)
}

/** Unstamped, the API server says v0.0.0 and Helm refuses charts for it. */
function stamps(goMod: string): string {
  const variables = {
    'k8s.io/component-base/version.gitVersion': 'k8s.io/kubernetes',
    'k8s.io/client-go/pkg/version.gitVersion': 'k8s.io/kubernetes',
    'helm.sh/helm/v4/internal/version.version': 'helm.sh/helm/v4',
    'github.com/AdguardTeam/AdGuardHome/internal/version.version': 'github.com/AdguardTeam/AdGuardHome',
  }
  return Object.entries(variables)
    .map(([variable, module]) => `-X ${variable}=${moduleVersion(goMod, module)}`)
    .join(' ')
}

/** `go build` names a program after its folder, without a major version at the end. */
function builtName(path: string): string {
  return (
    path
      .replace(/\/v\d+$/, '')
      .split('/')
      .at(-1) ?? path
  )
}

/** Remove what killed builds left. */
async function removeDead(root: string): Promise<void> {
  for (const name of await readdir(root)) {
    const [, pid] = /\.part-(\d+)$/.exec(name) ?? []
    if (pid && !isRunning(Number(pid))) await rm(join(root, name), { recursive: true, force: true })
  }
}

/** What the latest build made lies ready: Go links again only what has changed. Those before the last two go, if unused. */
async function reuseEarlier(root: string, out: string): Promise<void> {
  const folders = (await readdir(root)).filter(name => /^[0-9a-f]{16}$/.test(name)).map(name => join(root, name))
  const aged = await Promise.all(folders.map(async path => ({ path, time: (await stat(path)).mtimeMs })))
  const [newest, ...older] = aged.sort((a, b) => b.time - a.time)
  if (!newest) return
  for (const [path, name] of Object.entries(packages))
    await cp(join(newest.path, name), join(out, builtName(path)), { preserveTimestamps: true }).catch(() => {})
  const used = new Set((await sandboxRecords()).map(({ programs }) => dirname(programs.kubectl)))
  for (const { path } of older.slice(1)) if (!used.has(path)) await rm(path, { recursive: true, force: true })
}

/** Bring the modules here. What is in the cache needs no network, and the network is tried before Go waits for it. */
async function download({ go, tools, report }: Build, begin: number): Promise<void> {
  const args = ['list', '-deps', '-f', '{{.ImportPath}}', ...Object.keys(packages)]
  const offline = { GOPROXY: 'off' }
  if (
    await runGo(go, tools, args, undefined, offline).then(
      () => true,
      () => false,
    )
  )
    return
  await checkNetwork(go)
  let modules = 0
  const timer = setInterval(() => report(`programs: download · ${modules} modules · ${elapsed(begin)}`), 1000)
  await runGo(go, tools, args, line => {
    if (line.startsWith('go: downloading')) modules++
  }).finally(() => clearInterval(timer))
}

/** Copy the modules that we patch, patch them, and return the `replace` lines that lead Go to the copies. */
async function patchModules(go: Go, goMod: string, work: string): Promise<string> {
  const replaces: string[] = []
  for (const module of new Set(patches.map(patch => patch.module))) {
    const copy = join(work, 'modules', module)
    await cp(moduleDir(go, goMod, module), copy, { recursive: true, filter: path => !path.endsWith('_test.go') })
    await makeWritable(copy) // the module cache is read-only
    for (const patch of patches.filter(patch => patch.module === module)) {
      const file = join(copy, patch.file)
      await writeFile(file, patched(await readFile(file, 'utf8'), patch))
    }
    replaces.push(`\nreplace ${module} => ${JSON.stringify(copy)}\n`)
  }
  return replaces.join('')
}

/** The text with the one line changed. @throws HomelabError unless there is exactly one */
export function patched(text: string, { module, file, from, to }: Patch): string {
  const found = text.match(from)?.length ?? 0
  if (found === 1) return text.replace(from, to)
  throw new HomelabError({
    what: `the patch of ${module} does not fit: ${file} has ${found} lines like ${from}, not one`,
    why: 'the module was updated and its source changed',
    fix: 'read that file and correct `patches` in scripts/lib/sandbox/build.ts',
  })
}

async function makeWritable(path: string): Promise<void> {
  const info = await stat(path)
  await chmod(path, info.mode | 0o200)
  if (info.isDirectory()) for (const name of await readdir(path)) await makeWritable(join(path, name))
}

/** A module's folder in Go's cache, where an upper-case letter is written as `!` and the lower-case one. */
function moduleDir(go: Go, goMod: string, module: string): string {
  const escaped = module.replace(/[A-Z]/g, letter => `!${letter.toLowerCase()}`)
  return join(go.modCache, `${escaped}@${moduleVersion(goMod, module)}`)
}

/** MetalLB's and cert-manager's own charts lie inside their modules; cert-manager's carries no version there. */
async function packageCharts(go: Go, goMod: string, work: string): Promise<void> {
  const charts = join(work, 'charts')
  const env = { PATH: '', HOME: work, HELM_CACHE_HOME: charts, HELM_CONFIG_HOME: charts, HELM_DATA_HOME: charts }
  const helm = (...args: string[]) =>
    promisify(execFile)(join(work, 'helm'), ['package', ...args, '--destination', charts], { env })
  const certManager = 'github.com/cert-manager/cert-manager'
  const version = moduleVersion(goMod, certManager)
  await mkdir(charts)
  await helm(join(moduleDir(go, goMod, 'go.universe.tf/metallb'), 'charts/metallb'))
  await helm(
    join(moduleDir(go, goMod, certManager), 'deploy/charts/cert-manager'),
    '--version',
    version,
    '--app-version',
    version,
  )
}
