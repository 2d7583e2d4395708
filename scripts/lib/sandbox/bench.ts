// The contenders of `make bench` and their race.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder } from '../cache.ts'
import { type Chart, findChart } from '../charts.ts'
import { exit, HomelabError } from '../errors.ts'
import { fileText, readManifest, readValues } from '../fill.ts'
import { print, seconds } from '../output.ts'
import { root } from '../root.ts'
import { vars } from '../site/site.ts'
import { type Sandbox, sandboxDown, sandboxUp } from './cluster.ts'
import { parseNodes } from './nodes.ts'
import { sandboxSite } from './site.ts'

const run = promisify(execFile)
const platform = 'infrastructure/platform'
const charts = ['metallb', 'traefik', 'cert-manager', 'rancher', 'argo-cd'] as const

// What our steps apply themselves, for those who know charts only.
const manifests: Record<string, readonly string[]> = {
  'local-path': [`${platform}/local-path/provisioner.yaml`, `${platform}/local-path/storage-class.yaml`],
  'metallb-pool': [`${platform}/metallb/pool.yaml`],
  adguard: ['seed', 'services', 'statefulset', 'ingress'].map(name => `${platform}/adguard/${name}.yaml`),
  issuers: [`${platform}/cert-manager/issuers.yaml`],
  wildcard: [`${platform}/cert-manager/wildcard.yaml`],
  'argocd-project': [`${platform}/argocd/project.yaml`],
}

// name, namespace, chart: in the order of our steps.
const releases = [
  ['local-path', 'local-path-storage', 'local-path'],
  ['metallb', 'metallb-system', 'metallb'],
  ['metallb-pool', 'metallb-system', 'metallb-pool'],
  ['adguard', 'adguard', 'adguard'],
  ['traefik', 'traefik', 'traefik'],
  ['cert-manager', 'cert-manager', 'cert-manager'],
  ['issuers', 'cert-manager', 'issuers'],
  ['wildcard', 'traefik', 'wildcard'],
  ['rancher', 'cattle-system', 'rancher'],
  ['argocd', 'argocd', 'argo-cd'],
  ['argocd-project', 'argocd', 'argocd-project'],
] as const

interface Track {
  sandbox: Sandbox
  folder: string
  charts: Record<string, Chart>
}

type Contender = (track: Track) => Promise<void>

const contenders: Record<string, Contender> = {
  'bootstrap-all': async ({ sandbox }) => {
    await run(join(root, 'bootstrap/bootstrap-all.ts'), ['--sandbox', '--json'], {
      env: { ...process.env, SANDBOX: sandbox.name, CHARTS: 'stand-in' },
      maxBuffer: 1e9,
    })
  },
  'helmfile sync (needs)': async track => {
    const { sandbox, folder } = track
    const paths = Object.fromEntries(
      charts.map(name => [`BENCH_${name.replace('-', '_').toUpperCase()}`, track.charts[name]?.path ?? '']),
    )
    await again(() =>
      run(
        built.path,
        [
          '--helm-binary',
          sandbox.programs.helm,
          '-f',
          join(root, 'infrastructure/sandbox/bench/helmfile.yaml.gotmpl'),
          'sync',
          '--skip-deps',
        ],
        {
          env: { ...process.env, ...sandbox.env, ...paths, BENCH: folder, KUBECONFIG: sandbox.kubeconfig },
          maxBuffer: 1e9,
        },
      ),
    )
  },
  'seven helm at once': async track => {
    const first = releases.filter(([name]) => !(name in manifests) || name === 'local-path' || name === 'adguard')
    await Promise.all(first.map(release => helm(track, release, false)))
  },
  'helm one after another': async track => {
    for (const release of releases) await again(() => helm(track, release, true))
  },
}

// Built on request, see `helmfile` below.
const built = { path: '' }

/** Runs the race and prints it. */
export async function bench({ rounds, json }: { rounds: number; json: boolean }): Promise<number> {
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new HomelabError({ what: `--rounds ${rounds}: a number from 1`, code: exit.usage })
  built.path = await helmfile()
  const times: Record<string, number[]> = Object.fromEntries(Object.keys(contenders).map(name => [name, []]))
  for (let round = 0; round < rounds; round++)
    for (const [name, contender] of Object.entries(contenders)) {
      const took = await race(contender)
      times[name]?.push(took)
      if (!json) print(`round ${round + 1}  ${name.padEnd(24)} ${seconds(took)}`)
    }
  const median = (name: string) => (times[name] ?? []).sort((a, b) => a - b)[Math.floor(rounds / 2)] ?? Number.NaN
  const ours = median('bootstrap-all')
  const ratios = Object.fromEntries(
    Object.keys(contenders).map(name => [name, Number((ours / median(name)).toFixed(2))]),
  )
  if (json) print(JSON.stringify({ event: 'bench', times, ratios }))
  else
    for (const [name, ratio] of Object.entries(ratios))
      if (name !== 'bootstrap-all') print(`bootstrap-all takes ${ratio} × ${name}`)
  return exit.done
}

async function race(contender: Contender): Promise<number> {
  const name = 'bench'
  await sandboxDown(name)
  const sandbox = await sandboxUp({
    name,
    nodes: parseNodes(),
    readyAfter: 3000,
    report: () => {},
    ownerPid: process.pid,
  })
  const folder = await mkdtemp(join(tmpdir(), 'homelab-bench-'))
  try {
    const found = await Promise.all(
      charts.map(
        async chart =>
          [
            chart,
            await findChart(chart, {
              helm: sandbox.programs.helm,
              source: 'stand-in',
              packaged: async () => sandbox.charts,
            }),
          ] as const,
      ),
    )
    await prepare(folder, name)
    const start = Date.now()
    await contender({ sandbox, folder, charts: Object.fromEntries(found) })
    return Date.now() - start
  } finally {
    await rm(folder, { recursive: true, force: true })
    await sandboxDown(name)
  }
}

/** Values and charts made from the manifests, as the others need them. */
async function prepare(folder: string, name: string): Promise<void> {
  const { site } = await sandboxSite(name)
  const names = { ...vars(site), privateCA: true }
  const all = { ...names, adguardSeed: fileText(`${platform}/adguard/AdGuardHome.yaml`, names) }
  for (const chart of charts) {
    const file = `${platform}/${chart === 'argo-cd' ? 'argocd' : chart}/values.yaml`
    await writeFile(join(folder, `${chart}.json`), JSON.stringify(readValues(file, all)))
  }
  for (const [chart, files] of Object.entries(manifests)) {
    const at = join(folder, chart)
    await mkdir(join(at, 'templates'), { recursive: true })
    await writeFile(join(at, 'Chart.yaml'), JSON.stringify({ apiVersion: 'v2', name: chart, version: '1.0.0' }))
    const objects = files.flatMap(file => readManifest(file, all))
    for (const [i, object] of objects.entries()) {
      await writeFile(join(at, `${i}.json`), JSON.stringify(object))
      await writeFile(join(at, 'templates', `${i}.yaml`), `{{ .Files.Get "${i}.json" }}\n`)
    }
  }
}

async function helm(
  { sandbox, folder, charts: found }: Track,
  [name, namespace, chart]: (typeof releases)[number],
  wait: boolean,
): Promise<void> {
  const path = found[chart]?.path
  const values = path ? ['-f', join(folder, `${chart}.json`)] : []
  await run(
    sandbox.programs.helm,
    [
      'upgrade',
      '--install',
      name,
      path ?? join(folder, chart),
      '-n',
      namespace,
      '--create-namespace',
      ...values,
      ...(wait ? ['--wait', '--timeout', '5m'] : []),
    ],
    { env: { ...process.env, ...sandbox.env, KUBECONFIG: sandbox.kubeconfig }, maxBuffer: 1e9 },
  )
}

/** Where a webhook answers a moment after its pod is ready, those without patience are started again, on their own time. */
async function again(attempt: () => Promise<unknown>): Promise<void> {
  for (let tries = 1; ; tries++)
    try {
      await attempt()
      return
    } catch (error) {
      if (tries === 20) throw error
      await new Promise(resolve => setTimeout(resolve, 500))
    }
}

/** helmfile, built from its Go module the first time. */
async function helmfile(): Promise<string> {
  const path = join(cacheFolder('bench'), 'helmfile')
  if (existsSync(path)) return path
  print('building helmfile from its Go module (some minutes, once)')
  await run('go', ['build', '-trimpath', '-o', path, 'github.com/helmfile/helmfile'], {
    cwd: join(root, 'infrastructure/sandbox/bench'),
    env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' },
    maxBuffer: 1e9,
  })
  return path
}
