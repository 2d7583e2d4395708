// One `go build` of all the sandbox's programs from the pinned modules in infrastructure/sandbox/tools.
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { cp, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { isRunning } from '../process.ts'
import { builtName, compile, download } from './compile.ts'
import type { Go } from './go.ts'
import { moduleDir, moduleVersion, type Patch, patchModules } from './modules.ts'
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
    file: 'internal/k8s/k8s.go',
    from: /"0\.0\.0\.0:%d"/g, // its metrics
    to: '"127.0.0.1:%d"',
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
  const compilation = { go, module: tools, packages: Object.keys(packages), report, begin }
  await download(compilation)

  const modfile = join(work, 'go.mod')
  await writeFile(modfile, goMod + (await patchModules(go, goMod, work, patches)))
  await cp(join(tools, 'go.sum'), join(work, 'go.sum'))
  await reuseEarlier(dirname(dir), out)
  await compile(compilation, out, ['-modfile', modfile], stamps(goMod))

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

/** Remove what killed builds left. */
export async function removeDead(root: string): Promise<void> {
  for (const name of await readdir(root)) {
    const [, pid] = /\.part-(\d+)$/.exec(name) ?? []
    if (pid && !isRunning(Number(pid))) await rm(join(root, name), { recursive: true, force: true })
  }
}

/** The folders of earlier builds, the newest first. */
export async function earlierBuilds(root: string, names: RegExp): Promise<string[]> {
  const folders = (await readdir(root)).filter(name => names.test(name)).map(name => join(root, name))
  const aged = await Promise.all(folders.map(async path => ({ path, time: (await stat(path)).mtimeMs })))
  return aged.sort((a, b) => b.time - a.time).map(({ path }) => path)
}

/** All but the newest two go, unless a sandbox runs from them: who goes back and forth between two branches builds each once. */
export async function keepTwo(builds: readonly string[], used: ReadonlySet<string>): Promise<void> {
  for (const path of builds.slice(2)) if (!used.has(path)) await rm(path, { recursive: true, force: true })
}

/** What the latest build made lies ready: Go links again only what has changed. */
async function reuseEarlier(root: string, out: string): Promise<void> {
  const builds = await earlierBuilds(root, /^[0-9a-f]{16}$/)
  const [newest] = builds
  if (!newest) return
  for (const [path, name] of Object.entries(packages))
    await cp(join(newest, name), join(out, builtName(path)), { preserveTimestamps: true }).catch(() => {})
  await keepTwo(builds, new Set((await sandboxRecords()).map(({ programs }) => dirname(programs.kubectl))))
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
