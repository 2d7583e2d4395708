// Applications rendered by Argo CD's own repo server code, at a commit of this repository; infrastructure/sandbox/argocd/render.
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type ChartFiles, ourFiles, readChartSource } from '../charts.ts'
import { HomelabError } from '../errors.ts'
import { sourcesOf } from '../gitops/application.ts'
import { at, type K8sObject } from '../k8s.ts'
import { ensureExtra } from '../sandbox/extra-build.ts'
import { folderOf, wantedCharts } from '../sandbox/gitops/addresses.ts'
import { fillChartServer } from '../sandbox/gitops/charts.ts'
import { ensurePrograms } from '../sandbox/programs.ts'
import type { Report } from '../sandbox/report.ts'
import { serveFolder } from '../sandbox/serve-folder.ts'
import { run } from '../shell.ts'
import type { Side } from './sides.ts'

export interface Wanted {
  side: Side
  application: K8sObject
  /** The sources that are this repository, as `ownSources` says. */
  own: ReadonlySet<string>
}

/** The objects, or Argo CD's own words why there are none. */
export type Rendered = { objects: K8sObject[] } | { failed: string }

export interface RenderOptions {
  top: string
  report: Report
  /** Objects carry Argo CD's mark of their application, as in the cluster. */
  tracking?: boolean
  /** Of the cluster; else those of the sandbox, with the kinds that the lab brings. */
  cluster?: { version: string; kinds: readonly string[] }
  mirror?: string
}

// Kinds that charts look for before they make an object of one. Those that ours bring: both sides get the same.
const labKinds = [
  ...['monitoring.coreos.com/v1', 'monitoring.coreos.com/v1/ServiceMonitor', 'monitoring.coreos.com/v1/PrometheusRule'],
  ...['cert-manager.io/v1', 'cert-manager.io/v1/Certificate', 'networking.k8s.io/v1/Ingress', 'policy/v1'],
  ...['policy/v1/PodDisruptionBudget', 'traefik.io/v1alpha1', 'bitnami.com/v1alpha1', 'velero.io/v1'],
]

/** Renders each; in the same order. @returns also the charts that were stand-ins */
export async function renderAll(
  wanted: readonly Wanted[],
  { top, report, tracking = false, cluster, mirror }: RenderOptions,
): Promise<{ rendered: Rendered[]; standIns: string[] }> {
  if (wanted.length === 0) return { rendered: [], standIns: [] }
  const [renderer, programs] = [await ensureExtra('render', report), await ensurePrograms(report)]
  const work = mkdtempSync(join(tmpdir(), 'homelab-diff-'))
  const served = join(work, 'charts')
  const server = serveFolder(served, 0)
  try {
    await new Promise(resolve => server.once('listening', resolve))
    const charts = wantedCharts(wanted.map(one => one.application)).filter(one => /^https?:/.test(one.repository))
    report(`diff: ${charts.length} charts`)
    const found = await fillChartServer(charts, {
      folder: served,
      helm: programs.paths.helm,
      source: readChartSource(process.env.CHARTS, 'auto'),
      ...(mirror === undefined ? {} : { mirror }),
      files: held(work),
      report,
    })
    // Environments often have an application in common: it is rendered once.
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const requests = wanted.map(one => JSON.stringify({ side: one.side.commit, application: placed(one, top, url) }))
    const once = [...new Set(requests)]
    report(`diff: Argo CD renders ${once.length} times`)
    const ran = await run(join(renderer.dir, 'argocd-render'), [], {
      timeout: 900,
      input: JSON.stringify({
        kubeVersion: cluster?.version ?? programs.kubernetesVersion,
        apiVersions: cluster?.kinds ?? labKinds,
        tracking: tracking ? 'app.kubernetes.io/instance' : '',
        requests: once.map(text => JSON.parse(text)),
      }),
      env: {
        PATH: [renderer.dir, dirname(programs.paths.helm), process.env.PATH].join(':'),
        HOME: work, // neither git's nor helm's settings of the person
        TMPDIR: work,
        ARGOCD_GPG_ENABLED: 'false',
        ...Object.fromEntries(['HELM_CACHE_HOME', 'HELM_CONFIG_HOME', 'HELM_DATA_HOME'].map(name => [name, work])),
      },
    })
    if (ran.code !== 0)
      throw new HomelabError({
        what: 'Argo CD could not render',
        why: ran.stderr.trim().split('\n').slice(-3).join(' '),
        fix: 'run again with --debug',
      })
    const all = answers(ran.stdout)
    const rendered = requests.map(text => all[once.indexOf(text)] ?? { failed: 'Argo CD said nothing of it' })
    return { rendered, standIns: found.filter(one => one.standIn).map(one => one.name) }
  } finally {
    server.close()
    server.closeAllConnections()
    rmSync(work, { recursive: true, force: true })
  }
}

/** A chart of a branch is held to the digests that are recorded, and none is recorded: a comparison writes nothing. */
function held(work: string): ChartFiles {
  const files = ourFiles()
  const lock = join(work, 'charts.lock.yaml')
  if (existsSync(files.lock)) copyFileSync(files.lock, lock)
  return { ...files, lock }
}

/** The Application with this repository at the side's commit, and the chart repositories on loopback. */
function placed({ side, application, own }: Wanted, top: string, charts: string): K8sObject {
  const copy = structuredClone(application)
  for (const { pointer, repository, revision, chart } of sourcesOf(application)) {
    const source = at(copy, ...pointer.slice(1).split('/')) as Record<string, unknown>
    if (chart !== undefined && /^https?:/.test(repository)) source.repoURL = `${charts}/${folderOf(repository)}`
    if (own.has(`${repository} ${revision}`))
      Object.assign(source, { repoURL: `file://${top}`, targetRevision: side.commit })
  }
  return copy
}

/** Where Argo CD keeps the files of a source meanwhile: one folder a side, one a repository. */
const checkout = /\/[0-9a-f]{40}\/[0-9a-f-]{36}\//g

function answers(text: string): Rendered[] {
  const all: Rendered[] = []
  for (const line of text.split('\n').filter(Boolean)) {
    const {
      index,
      manifests = [],
      error,
    } = JSON.parse(line) as {
      index: number
      manifests?: K8sObject[]
      error?: string
    }
    all[index] = error === undefined ? { objects: manifests } : { failed: error.replace(checkout, '') }
  }
  return all
}
