// The owner's gitops/ and infrastructure/ as a Git repository for a rehearsal, in which only addresses differ.
import { execFileSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Chart, chartsMirror, readChartSource } from '../../charts.ts'
import { siteFile, withSiteChanges } from '../../gitops/site-file.ts'
import type { K8sObject } from '../../k8s.ts'
import { root } from '../../root.ts'
import { environments } from '../../site/examine.ts'
import type { Site } from '../../site/site.ts'
import { parseManifest } from '../../yaml/manifest.ts'
import type { Sandbox } from '../cluster.ts'
import type { Report } from '../report.ts'
import { type Addresses, folderOf, wantedCharts, withAddresses } from './addresses.ts'
import { fillChartServer } from './charts.ts'
import { GitFolder } from './git-folder.ts'

/** What stands in Git for applications; nothing else is read by Argo CD. */
const parts = ['gitops', 'infrastructure']

export interface Snapshot {
  git: GitFolder
  charts: Chart[]
  /** Old address → that of the rehearsal: the chart repositories, and this repository. */
  addresses: Addresses
  /** A file as it is in it. */
  read: (file: string) => string
}

/**
 * Makes it, and fills the sandbox's chart server with what it asks for.
 * @throws HomelabError without git, when an environment does not build, or when a chart cannot be had
 */
export async function makeSnapshot(sandbox: Sandbox, site: Site, report: Report): Promise<Snapshot> {
  const git = new GitFolder(join(sandbox.dir, 'git', 'homelab'), site.git.revision)
  for (const part of parts) cpSync(join(root, part), join(git.folder, part), { recursive: true })
  const applications = environments.flatMap(one => built(sandbox, git.folder, one))
  const wanted = wantedCharts(applications)
  report(`gitops: ${wanted.length} charts`)
  const charts = await fillChartServer(wanted, {
    folder: sandbox.chartServer.folder,
    helm: sandbox.programs.helm,
    source: readChartSource(process.env.CHARTS, 'auto'),
    ...chartsMirror(site),
    report,
  })
  const repositories = [...new Set(wanted.map(chart => chart.repository))]
  const addresses = {
    ...Object.fromEntries(repositories.map(one => [one, `${sandbox.chartServer.url}/${folderOf(one)}`])),
    [site.git.repository]: git.url,
  }
  readdress(git, addresses, site)
  git.commit('the lab as it is in the working tree')
  return { git, charts, addresses, read: file => readFileSync(join(git.folder, file), 'utf8') }
}

/** The Applications of an environment, as Kustomize builds them. */
export function built(sandbox: Sandbox, folder: string, environment: string): K8sObject[] {
  const args = ['kustomize', join(folder, 'gitops/environments', environment)]
  return parseManifest(execFileSync(sandbox.programs.kubectl, args, { encoding: 'utf8', maxBuffer: 2 ** 26 }))
}

/** Writes the new addresses into the files of gitops/, and into nothing else. */
function readdress(git: GitFolder, addresses: Addresses, site: Site): void {
  const change = (file: string, by: (text: string) => string) => {
    const path = join(git.folder, file)
    writeFileSync(path, by(readFileSync(path, 'utf8')))
  }
  for (const file of readdirSync(join(git.folder, 'gitops'), { recursive: true, encoding: 'utf8' }))
    if (file.endsWith('.yaml')) change(`gitops/${file}`, text => withAddresses(text, addresses))
  const here = [
    { key: 'repository', to: git.url },
    { key: 'revision', to: site.git.revision },
  ]
  for (const file of environments.map(siteFile)) change(file, text => withSiteChanges(text, file, here))
}
