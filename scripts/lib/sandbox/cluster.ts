// A throw-away Kubernetes: bring one up, find it, take it down, switch parts of it off.
import { existsSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseAllDocuments, stringify } from 'yaml'
import { exit, HomelabError } from '../errors.ts'
import { signal } from '../process.ts'
import { Api } from './api.ts'
import { s3Name } from './backup/s3.ts'
import { readStages, type Stage, stagesFor } from './config.ts'
import { destroy } from './down.ts'
import { ensureExtra } from './extra-build.ts'
import { type Extra, type ExtraName, extras } from './extras.ts'
import { withFileLock } from './filelock.ts'
import { localPrograms, provisionerName } from './local-programs.ts'
import type { NodeSize } from './nodes.ts'
import { clusterFolder, sandboxesRoot } from './paths.ts'
import { freePort } from './ports.ts'
import { sandboxProcesses } from './processes.ts'
import { ensurePrograms, type Programs } from './programs.ts'
import { readOff, readPrograms, readRecord, type SandboxRecord, writeJson, writeRecord } from './record.ts'
import type { Report } from './report.ts'
import { contextOf, kwokctl, readyPath, start } from './start.ts'

/** A running sandbox, for whoever works with it. */
export interface Sandbox {
  name: string
  dir: string
  /** Acts as `homelab-owner` of system:masters, so that the audit log tells our requests from the cluster's own. */
  kubeconfig: string
  context: string
  /** The control plane's own identity. */
  adminKubeconfig: string
  /** One JSON object a line, written by the API server. */
  auditLog: string
  /** kubectl, helm and all others. */
  programs: Programs['paths']
  versions: Programs['versions']
  /** Upstream's own charts that need no internet. */
  charts: Programs['charts']
  /** JSON: load balancer address → real local port, where a real program stands behind it. */
  routesFile: string
  /** Chart repositories for a rehearsal: what lies in the folder is served at the address, while the sandbox lives. */
  chartServer: { folder: string; url: string }
  /** To be added to the environment of kubectl and helm: their caches belong to this sandbox alone. */
  env: Record<string, string>
}

export interface UpOptions {
  name: string
  nodes: readonly NodeSize[]
  report: Report
  /** Milliseconds until a pod is Ready, 1000 unless said. */
  readyAfter?: number
  /** Stages and local programs that are off from the start; `sandboxSwitch` changes them later. */
  without?: readonly string[]
  /** The sandbox ends by itself when this process is gone. */
  ownerPid?: number
  /** Optional real programs that run where their pods are Ready: built first if they are not there yet. */
  extras?: readonly ExtraName[]
}

function folder(name: string): string {
  if (!/^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$/.test(name))
    throw new HomelabError({
      what: `not a name for a sandbox: "${name}"`,
      why: 'lower-case letters, digits and hyphens, at most 30',
      code: exit.usage,
    })
  const dir = join(sandboxesRoot(), name)
  if (/\s/.test(dir))
    throw new HomelabError({
      what: `the sandbox's folder has a space in its path: ${dir}`,
      why: 'kwokctl reads its folder from an environment variable, up to the first space',
      fix: 'HOMELAB_SANDBOX_DIR=/tmp/homelab (any folder without one)',
      code: exit.usage,
    })
  return dir
}

/**
 * Bring a sandbox up; one of that name that runs already is returned as it is.
 * @throws HomelabError when the programs cannot be built, a name in `without` is unknown, or the control plane does not start
 */
export async function sandboxUp(options: UpOptions): Promise<Sandbox> {
  const { name, report } = options
  const dir = folder(name)
  const stages = await readStages()
  checkNames(options.without ?? [], stages)
  const programs = await ensurePrograms(report)
  const optional = await withExtras(options.extras ?? [], report)
  const waiting = (pid: number) => report(`sandbox ${name}: process ${pid} is working on it; waiting`)
  return withFileLock(`${dir}.lock`, waiting, async () => {
    const running = await runningSandbox(name)
    if (running) {
      const has = (await readRecord(dir))?.extras ?? {}
      const without = options.extras?.find(one => !has[one])
      if (without)
        throw new HomelabError({
          what: `the sandbox ${name} runs already, without ${extras[without].title}`,
          fix: `end it first: ./scripts/sandbox.ts down --name ${name}`,
          code: exit.usage,
        })
      report(`sandbox ${name}: runs already`)
      return running
    }
    if (existsSync(dir)) {
      report(`sandbox ${name}: clearing away what is left of an earlier one`)
      await destroy(dir)
    }
    const begin = Date.now()
    report(`sandbox ${name}: starting the control plane`)
    const record = await start(options, { dir, programs, optional, stages })
    const { ownerPid: _, ...rest } = record
    await writeRecord({
      ...rest,
      ready: true,
      ...(options.ownerPid === undefined ? {} : { ownerPid: options.ownerPid }),
    })
    report(`sandbox ${name}: up after ${((Date.now() - begin) / 1000).toFixed(1)} s`)
    return describe(record)
  })
}

async function withExtras(names: readonly ExtraName[], report: Report): Promise<SandboxRecord['extras'] & object> {
  const found: SandboxRecord['extras'] = {}
  for (const name of names) {
    const { ports = [] }: Extra = extras[name]
    const local = await Promise.all(ports.map(async port => [port, await freePort()] as const))
    found[name] = { ...(await ensureExtra(name, report)), ports: Object.fromEntries(local) }
  }
  return found
}

/** Take a sandbox down, whatever state it is in; without one of that name nothing happens. @returns whether there was one */
export async function sandboxDown(name: string): Promise<boolean> {
  const dir = folder(name)
  const there = existsSync(dir) || sandboxProcesses(dir).length > 0
  await destroy(dir)
  return there
}

/**
 * The sandbox of that name.
 * @throws HomelabError (2) when it is not up
 */
export async function findSandbox(name: string): Promise<Sandbox> {
  const sandbox = await runningSandbox(name)
  if (sandbox) return sandbox
  throw new HomelabError({
    what: `the sandbox ${name} is not up`,
    ...(existsSync(folder(name)) ? { why: 'it crashed, or its start was interrupted' } : {}),
    fix: name === 'default' ? 'start it: make sandbox' : `start it: ./scripts/sandbox.ts up --name ${name}`,
    code: exit.usage,
  })
}

/** The sandbox of that name, if it is up and answers. */
export async function runningSandbox(name: string): Promise<Sandbox | undefined> {
  const record = await readRecord(folder(name))
  if (!record?.ready) return undefined
  const commands = sandboxProcesses(record.dir).map(({ command }) => command)
  const needed = [
    '/etcd ',
    '/kube-apiserver ',
    '/kube-controller-manager ',
    '/kube-scheduler ',
    '/kwok-controller ',
    '/sandbox/agent.ts ',
  ]
  if (!needed.every(part => commands.some(command => command.includes(part)))) return undefined
  const api = await Api.open(record.server, record.pki).catch(() => undefined)
  const answer = await api?.request('GET', readyPath).catch(() => undefined)
  return answer?.status === 200 ? describe(record) : undefined
}

/** The names of all sandboxes on this machine, running or not. */
export async function sandboxNames(): Promise<string[]> {
  const entries = await readdir(sandboxesRoot(), { withFileTypes: true }).catch(() => [])
  return entries.filter(entry => entry.isDirectory() && !entry.name.includes('.')).map(({ name }) => name)
}

/** What is switched off in a sandbox. */
export const switchedOff = (name: string): Promise<string[]> => readOff(folder(name))

/** The real programs that run in a sandbox at the moment, in the place of fake pods. */
export const programsRunning = (name: string): Promise<string[]> => readPrograms(folder(name))

/**
 * Switch stages and local programs off, and all others on. Programs follow within a second; for a stage KWOK starts anew.
 * @param off the names that are off from now on
 */
export async function sandboxSwitch(sandbox: Sandbox, off: readonly string[]): Promise<void> {
  const record = await readRecord(sandbox.dir)
  if (!record) throw new HomelabError({ what: `there is no sandbox ${sandbox.name}`, fix: 'make sandbox' })
  const stages = await readStages()
  const stageNames = stages.map(({ metadata }) => metadata.name)
  checkNames(off, stages)
  const before = await readOff(sandbox.dir)
  await writeJson(join(sandbox.dir, 'off.json'), off)
  if (!stageNames.some(name => before.includes(name) !== off.includes(name))) return
  const cluster = clusterFolder(record.dir, record.name)
  await replaceStages(join(cluster, 'kwok.yaml'), stagesFor(stages, off, record.readyAfter))
  const kwok = sandboxProcesses(sandbox.dir).filter(({ command }) => command.includes('/kwok-controller '))
  for (const { pid } of kwok) signal(pid, 'SIGKILL')
  await rm(join(cluster, 'pids', 'kwok-controller.pid'), { force: true })
  // The new KWOK is another holder of the nodes' leases, and would wait minutes for those of the old one to lapse.
  const api = await Api.open(record.server, record.pki)
  await api.request('DELETE', '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases')
  await kwokctl(record, ['start', 'cluster']) // starts what is missing
  const healthy = () =>
    fetch(`http://127.0.0.1:${record.kubeletPort}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    )
  for (const end = Date.now() + 15_000; !(await healthy()) && Date.now() < end; ) await sleep(50)
}

function checkNames(names: readonly string[], stages: readonly Stage[]): void {
  const known = [
    ...stages.map(({ metadata }) => metadata.name),
    ...localPrograms.map(local => local.name),
    ...[provisionerName, s3Name],
  ]
  const wrong = names.filter(name => !known.includes(name))
  if (wrong.length > 0)
    throw new HomelabError({
      what: `the sandbox has no ${wrong.join(', ')} to switch off`,
      fix: `it has: ${known.join(', ')}`,
      code: exit.usage,
    })
}

function describe(record: SandboxRecord): Sandbox {
  const { name, dir, programs, versions, charts } = record
  return {
    name,
    dir,
    kubeconfig: join(dir, 'kubeconfig'),
    context: contextOf(name),
    adminKubeconfig: join(dir, 'admin.kubeconfig'),
    auditLog: join(clusterFolder(dir, name), 'logs', 'audit.log'),
    programs,
    versions,
    charts,
    routesFile: join(dir, 'routes.json'),
    chartServer: { folder: join(dir, 'charts'), url: `http://127.0.0.1:${record.chartServer}` },
    env: { KUBECACHEDIR: join(dir, 'kube-cache') },
  }
}

async function replaceStages(file: string, stages: readonly object[]): Promise<void> {
  const documents = parseAllDocuments(await readFile(file, 'utf8')).map(document => document.toJS() as { kind: string })
  const kept = documents.filter(({ kind }) => kind !== 'Stage')
  await writeFile(file, [...kept, ...stages].map(document => stringify(document, { lineWidth: 0 })).join('---\n'))
}
