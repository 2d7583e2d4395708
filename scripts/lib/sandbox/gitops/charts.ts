// The chart repositories of a rehearsal: the real charts where the network or the cache gives them, else stand-ins.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { parse } from 'yaml'
import { aboutChart } from '../../chart-file.ts'
import { sha256 } from '../../chart-lock.ts'
import { archiveName, type Chart, type ChartFiles, type ChartSource, findPinned } from '../../charts.ts'
import { exit, HomelabError } from '../../errors.ts'
import { type Archive, indexText } from '../../mirror/files.ts'
import type { Report } from '../report.ts'
import { upstream } from '../upstream.ts'
import { folderOf, type WantedChart } from './addresses.ts'

interface Options {
  /** The chart server's folder. */
  folder: string
  helm: string
  source: ChartSource
  mirror?: string
  /** Other places for digests and archives than the usual ones. */
  files?: ChartFiles
  report: Report
}

/** A chart that lies in its program's module, some a few numbers behind: the release writes them afterwards. */
export const inModules: Readonly<Record<string, { module: string; path: string; version: string }>> = {
  gatekeeper: {
    module: 'github.com/open-policy-agent/gatekeeper/v3',
    path: 'charts/gatekeeper',
    version: '3.23.1',
  },
  'sealed-secrets': {
    module: 'github.com/bitnami-labs/sealed-secrets',
    path: 'helm/sealed-secrets',
    version: '2.18.5',
  },
}

/**
 * Fills the chart server's folder: one Helm repository for each repository that is asked.
 * @returns the charts as they were found
 * @throws HomelabError when one cannot be had
 */
export async function fillChartServer(wanted: readonly WantedChart[], options: Options): Promise<Chart[]> {
  await rm(options.folder, { recursive: true, force: true })
  const work = await mkdtemp(join(tmpdir(), 'homelab-charts-'))
  try {
    const packed = await Promise.all(
      wanted.map(async one => {
        const found = await find(one, options, work)
        const into = join(options.folder, folderOf(one.repository))
        const file = archiveName(one.name, one)
        await mkdir(into, { recursive: true })
        if (found.path.endsWith('.tgz')) await cp(found.path, join(into, file))
        else await pack(found.path, one.version, into, options, work)
        const digest = sha256(await readFile(join(into, file)))
        return { into, found, archive: { file, digest, about: aboutChart(join(into, file)) } satisfies Archive }
      }),
    )
    for (const into of new Set(packed.map(one => one.into))) {
      const archives = packed.filter(one => one.into === into).map(one => one.archive)
      await writeFile(join(into, 'index.yaml'), indexText(archives))
    }
    return packed.map(one => one.found)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

function find(one: WantedChart, options: Options, work: string): Promise<Chart> {
  const packaged = async (): Promise<Record<string, string>> => {
    const own = inModules[one.name]
    if (!own) return {}
    if (own.version !== one.version)
      throw new HomelabError({
        what: `the chart ${one.name} ${one.version} is not at hand: the module ${own.module} has ${own.version}`,
        fix: 'bring infrastructure/sandbox/upstream/go.mod and gitops/charts.ts to the same release',
        code: exit.usage,
      })
    return { [one.name]: await fromModule(own, work, options) }
  }
  return findPinned(one.name, one, { ...options, packaged })
}

/** The module's chart with the version of chart and program that its release writes into it. */
async function fromModule(
  { module, path, version }: { module: string; path: string; version: string },
  work: string,
  options: Options,
): Promise<string> {
  const found = await upstream(module, options.report)
  const folder = join(await mkdtemp(join(work, 'module-')), 'chart')
  await writable(join(found.dir, path), folder)
  const app = found.version.slice(1)
  const values = join(folder, 'values.yaml')
  await writeFile(values, (await readFile(values, 'utf8')).replace(/^( {2}tag: )[\d.]+$/m, `$1${app}`))
  return helmPackage(folder, ['--version', version, '--app-version', app], work, options)
}

/** A stand-in as an archive, with the CRDs that its annotation `homelab/crds` names: `MODULE:FOLDER`, several with blanks. */
async function pack(path: string, version: string, into: string, options: Options, work: string): Promise<void> {
  const folder = join(await mkdtemp(join(work, 'stand-in-')), 'chart')
  await writable(path, folder)
  const about = parse(await readFile(join(path, 'Chart.yaml'), 'utf8')) as { annotations?: Record<string, string> }
  for (const place of (about.annotations?.['homelab/crds'] ?? '').split(' ').filter(Boolean)) {
    const [module = '', crds = ''] = place.split(':')
    const [from, to] = [join((await upstream(module, options.report)).dir, crds), join(folder, 'crds')]
    await mkdir(to, { recursive: true })
    for (const file of (await readdir(from)).filter(name => name.endsWith('.yaml') && !existsSync(join(to, name))))
      await writeFile(join(to, file), bare(await readFile(join(from, file), 'utf8'), file))
  }
  await helmPackage(folder, ['--version', version], into, options)
}

async function helmPackage(folder: string, args: string[], into: string, { helm }: Options): Promise<string> {
  const home = join(into, '.helm')
  const env = { PATH: '', HOME: home, HELM_CACHE_HOME: home, HELM_CONFIG_HOME: home, HELM_DATA_HOME: home }
  const { stdout } = await promisify(execFile)(helm, ['package', folder, ...args, '--destination', into], { env })
  await rm(home, { recursive: true, force: true })
  return /saved it to: (.+)$/m.exec(stdout)?.[1] ?? ''
}

/**
 * A CRD without the sentences of its schema: two thirds of its text, on which nothing depends, while Argo CD and the API server
 * read all of it again after each new kind. The kind Prometheus keeps them: with them it is too large for a client-side apply, and
 * an application that forgets `ServerSideApply` fails here as it would at home.
 * @param crd as controller-gen writes it: block style, each sentence under a key `description`
 */
export function bare(crd: string, file: string): string {
  if (file.includes('_prometheuses.')) return crd
  return crd.replace(/^( *)description: .*\n(?:\1 +.*\n|\n)*/gm, '')
}

/** Copies the files of a folder (Go's module cache is read-only, and a copy would be so too). */
async function writable(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) await writable(source, target)
    else await writeFile(target, await readFile(source))
  }
}
