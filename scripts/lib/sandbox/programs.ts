// The programs of the sandbox, built once from the pinned Go modules in infrastructure/sandbox/tools.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { chmod, cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { HomelabError } from '../errors.ts'
import { withFileLock } from './filelock.ts'
import { checkNetwork, diskFull, findGo, type Go, runGo } from './go.ts'
import { programsRoot, sources } from './paths.ts'
import { isRunning } from './processes.ts'
import { sandboxRecords } from './record.ts'
import { elapsed, type Report } from './report.ts'

/** Package → our name for the program. All come from one `go build`, so that what they share compiles once. */
const packages = {
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

export type ProgramName = (typeof packages)[keyof typeof packages]

export interface Programs {
  /** The folder that holds them. */
  dir: string
  /** Full path of each program. */
  paths: Record<ProgramName, string>
  /** `v1.36.3`: what the API server calls itself. */
  kubernetesVersion: string
  /** Version of a module in go.mod, e.g. `v0.16.2`. */
  versions: Record<'kubernetes' | 'helm' | 'metallb' | 'cert-manager' | 'adguard', string>
  /** Upstream's own charts, packaged from the module cache: real charts that need no internet. */
  charts: Record<'metallb' | 'cert-manager', string>
}

/**
 * Every program of the sandbox, built now if it is not there yet (4–8 minutes on two cores, then never again until
 * go.mod, our Go sources or the Go version change).
 * @throws HomelabError without Go, network, or disk space
 */
export async function ensurePrograms(report: Report): Promise<Programs> {
  const go = await findGo()
  const tools = join(sources, 'tools')
  const goMod = await readFile(join(tools, 'go.mod'), 'utf8')
  const dir = join(programsRoot(), await fingerprint(tools, go))
  if (!existsSync(dir))
    await withFileLock(
      `${dir}.lock`,
      pid => report(`programs: another process (${pid}) is building them; waiting`),
      async () => {
        if (!existsSync(dir)) await build(go, tools, goMod, dir, report)
      },
    ).catch((error: NodeJS.ErrnoException) => {
      if (error instanceof HomelabError || !error.code) throw error
      if (/ENOSPC|EDQUOT/.test(error.code)) throw diskFull(error.message)
      throw new HomelabError({
        what: `the programs of the sandbox cannot be kept in ${programsRoot()}`,
        why: error.message,
        fix: 'make that folder writable, or choose another: XDG_CACHE_HOME',
      })
    })
  return describe(dir, goMod)
}

function describe(dir: string, goMod: string): Programs {
  const version = (module: string) => moduleVersion(goMod, module)
  const names = Object.values(packages)
  return {
    dir,
    paths: Object.fromEntries(names.map(name => [name, join(dir, name)])) as Record<ProgramName, string>,
    kubernetesVersion: version('k8s.io/kubernetes'),
    versions: {
      kubernetes: version('k8s.io/kubernetes'),
      helm: version('helm.sh/helm/v4'),
      metallb: version('go.universe.tf/metallb'),
      'cert-manager': version('github.com/cert-manager/cert-manager'),
      adguard: version('github.com/AdguardTeam/AdGuardHome'),
    },
    charts: {
      metallb: join(dir, 'charts', `metallb-${version('go.universe.tf/metallb').slice(1)}.tgz`),
      'cert-manager': join(dir, 'charts', `cert-manager-${version('github.com/cert-manager/cert-manager')}.tgz`),
    },
  }
}

/** The version that go.mod requires of a module. */
export function moduleVersion(goMod: string, module: string): string {
  const line = goMod.split('\n').find(text => text.trim().startsWith(`${module} v`))
  const version = line?.trim().split(/\s+/)[1]
  if (!version)
    throw new HomelabError({
      what: `go.mod does not require ${module}`,
      fix: 'restore infrastructure/sandbox/tools/go.mod',
    })
  return version
}

/** What decides whether built programs are still right: modules, our sources, this recipe, compiler, platform. */
async function fingerprint(tools: string, go: Go): Promise<string> {
  const hash = createHash('sha256')
  hash.update(
    JSON.stringify([go.version, go.platform, packages, patches.map(({ from, ...rest }) => [String(from), rest])]),
  )
  const files = (await readdir(tools, { recursive: true })).filter(name => /\.go$|go\.(mod|sum)$/.test(name)).sort()
  for (const name of files) hash.update(`${name}\n`).update(await readFile(join(tools, name)))
  return hash.digest('hex').slice(0, 16)
}

async function build(go: Go, tools: string, goMod: string, dir: string, report: Report): Promise<void> {
  const start = Date.now()
  await removeDead(dirname(dir))
  const work = `${dir}.part-${process.pid}` // ours alone, even if a Go that a killed build left behind still writes
  process.once('exit', () => rmSync(work, { recursive: true, force: true })) // also when it fails
  await mkdir(join(work, 'out'), { recursive: true })
  report('programs: building them from Go modules, once · about five minutes on two cores, longer on a slow line')
  await download(go, tools, report, start)

  const modfile = join(work, 'go.mod')
  await writeFile(modfile, goMod + (await patchModules(go, goMod, work)))
  await cp(join(tools, 'go.sum'), join(work, 'go.sum'))
  const version = moduleVersion(goMod, 'k8s.io/kubernetes')
  // Unstamped, the API server says v0.0.0 and Helm refuses charts for it.
  const stamps = [
    `k8s.io/component-base/version.gitVersion=${version}`,
    `k8s.io/client-go/pkg/version.gitVersion=${version}`,
    `helm.sh/helm/v4/internal/version.version=${moduleVersion(goMod, 'helm.sh/helm/v4')}`,
    `github.com/AdguardTeam/AdGuardHome/internal/version.version=${moduleVersion(goMod, 'github.com/AdguardTeam/AdGuardHome')}`,
  ]
  const flags = [
    '-trimpath',
    '-ldflags',
    ['-s -w', ...stamps.map(stamp => `-X ${stamp}`)].join(' '),
    '-modfile',
    modfile,
  ]
  const list = await runGo(go, tools, ['list', '-deps', '-modfile', modfile, ...Object.keys(packages)])
  const total = new Set(list.trim().split('\n')).size
  await reuseEarlier(join(work, 'out'))
  let done = 0
  const tick = () => report(`programs: compile · ${done} of ${total} packages · ${elapsed(start)}`)
  const timer = setInterval(tick, 1000)
  try {
    await runGo(go, tools, ['build', '-v', ...flags, '-o', `${join(work, 'out')}/`, ...Object.keys(packages)], line => {
      if (/^[\w./~-]+$/.test(line)) done++ // -v names a package when it is compiled
    })
  } finally {
    clearInterval(timer)
  }
  for (const [path, name] of Object.entries(packages))
    await rename(join(work, 'out', builtName(path)), join(work, name))
  report('programs: package charts')
  await packageCharts(go, goMod, work)
  for (const leftover of ['out', 'go.mod', 'go.sum', 'modules'])
    await rm(join(work, leftover), { recursive: true, force: true })
  await rename(work, dir) // all or nothing
  report(`programs: built in ${elapsed(start)}`)
}

/** Remove what killed builds left. */
async function removeDead(root: string): Promise<void> {
  for (const name of await readdir(root)) {
    const [, pid] = /\.part-(\d+)$/.exec(name) ?? []
    if (pid && !isRunning(Number(pid))) await rm(join(root, name), { recursive: true, force: true })
  }
}

/** What an earlier build made lies ready: Go links again only what has changed. Builds beyond the newest two go. */
async function reuseEarlier(out: string): Promise<void> {
  const root = programsRoot()
  const folders = (await readdir(root)).filter(name => /^[0-9a-f]{16}$/.test(name))
  const aged = await Promise.all(
    folders.map(async name => ({ path: join(root, name), time: (await stat(join(root, name))).mtimeMs })),
  )
  aged.sort((a, b) => b.time - a.time)
  const [newest] = aged
  if (newest)
    for (const [path, name] of Object.entries(packages))
      await cp(join(newest.path, name), join(out, builtName(path)), { force: true }).catch(() => {})
  const used = new Set((await sandboxRecords()).map(record => dirname(record.programs.kubectl)))
  for (const { path } of aged.slice(2)) if (!used.has(path)) await rm(path, { recursive: true, force: true })
}

/** `go build` names a program after its folder, without a major version at the end. */
function builtName(path: string): string {
  const parts = path.split('/')
  const last = parts.pop() ?? ''
  return /^v\d+$/.test(last) ? (parts.pop() ?? '') : last
}

/** Bring the modules here. What is in the cache already needs no network, and the network is tried before Go waits on it. */
async function download(go: Go, tools: string, report: Report, start: number): Promise<void> {
  const args = ['list', '-deps', '-f', '{{.ImportPath}}', ...Object.keys(packages)]
  const offline = await runGo(go, tools, args, undefined, { GOPROXY: 'off' }).then(
    () => true,
    () => false,
  )
  if (offline) return
  await checkNetwork(go)
  let modules = 0
  const tick = () => report(`programs: download · ${modules} modules · ${elapsed(start)}`)
  const timer = setInterval(tick, 1000)
  try {
    await runGo(go, tools, args, line => {
      if (line.startsWith('go: downloading')) modules++
    })
  } finally {
    clearInterval(timer)
  }
}

/** Copy the modules that we patch, patch them, and return the `replace` lines that lead Go to the copies. */
async function patchModules(go: Go, goMod: string, work: string): Promise<string> {
  let replaces = ''
  for (const module of new Set(patches.map(patch => patch.module))) {
    const copy = join(work, 'modules', module)
    await cp(moduleDir(go, goMod, module), copy, { recursive: true, filter: path => !path.endsWith('_test.go') })
    await makeWritable(copy) // the module cache is read-only
    for (const patch of patches.filter(patch => patch.module === module)) {
      const file = join(copy, patch.file)
      await writeFile(file, patched(await readFile(file, 'utf8'), patch))
    }
    replaces += `\nreplace ${module} => ${JSON.stringify(copy)}\n`
  }
  return replaces
}

/** The text with the one line changed. @throws HomelabError unless there is exactly one */
export function patched(text: string, { module, file, from, to }: Patch): string {
  const found = text.match(from)?.length ?? 0
  if (found === 1) return text.replace(from, to)
  throw new HomelabError({
    what: `the patch of ${module} does not fit: ${file} has ${found} lines like ${from}, not one`,
    why: 'the module was updated and its source changed',
    fix: 'read that file and correct `patches` in scripts/lib/sandbox/programs.ts',
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
  const helm = (args: string[]) =>
    promisify(execFile)(join(work, 'helm'), ['package', ...args, '--destination', join(work, 'charts')], {
      env: {
        ...process.env,
        HELM_CACHE_HOME: join(work, 'out'),
        HELM_CONFIG_HOME: join(work, 'out'),
        HELM_DATA_HOME: join(work, 'out'),
      },
    })
  const version = moduleVersion(goMod, 'github.com/cert-manager/cert-manager')
  await mkdir(join(work, 'charts'))
  await helm([join(moduleDir(go, goMod, 'go.universe.tf/metallb'), 'charts/metallb')])
  const chart = join(moduleDir(go, goMod, 'github.com/cert-manager/cert-manager'), 'deploy/charts/cert-manager')
  await helm([chart, '--version', version, '--app-version', version])
}
