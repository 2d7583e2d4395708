// A throw-away Kubernetes: bring one up, find it, take it down, switch parts of it off.
import { execFile, spawn } from 'node:child_process'
import { existsSync, openSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { exit, HomelabError } from '../errors.ts'
import { Api, type KubeObject } from './api.ts'
import { egressConfig, kwokctlConfig, type Ports, readStages, stagesFor } from './config.ts'
import { destroy } from './down.ts'
import { withFileLock } from './filelock.ts'
import { kubeconfigAs } from './kubeconfig.ts'
import { localPrograms, provisionerName } from './local-programs.ts'
import { type NodeSize, nodeObjects } from './nodes.ts'
import { egressSocket, sandboxesRoot } from './paths.ts'
import { freePort } from './ports.ts'
import { sandboxProcesses, signal } from './processes.ts'
import { ensurePrograms, type Programs } from './programs.ts'
import { readOff, readRecord, type SandboxRecord, writeJson, writeRecord } from './record.ts'
import { elapsed, type Report } from './report.ts'

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
}

const pieces = (dir: string, name: string) => ({
  kwok: join(dir, 'kwok'),
  cluster: join(dir, 'kwok', 'clusters', name),
  pki: join(dir, 'kwok', 'clusters', name, 'pki'),
})

function folder(name: string): string {
  if (!/^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$/.test(name))
    throw new HomelabError({
      what: `not a name for a sandbox: "${name}"`,
      why: 'lower-case letters, digits and hyphens, at most 30',
      code: exit.usage,
    })
  return join(sandboxesRoot(), name)
}

/**
 * Bring a sandbox up; one of that name that runs already is returned as it is.
 * @throws HomelabError when the programs cannot be built, a name in `without` is unknown, or the control plane does not start
 */
export async function sandboxUp(options: UpOptions): Promise<Sandbox> {
  const { name, nodes, report } = options
  const dir = folder(name)
  const stages = await readStages()
  const known = [
    ...stages.map(({ metadata }) => metadata.name),
    ...localPrograms.map(local => local.name),
    provisionerName,
  ]
  checkNames(options.without ?? [], known)
  const programs = await ensurePrograms(report)
  const waiting = (pid: number) => report(`sandbox ${name}: process ${pid} is working on it; waiting`)
  return withFileLock(`${dir}.lock`, waiting, async () => {
    const running = await runningSandbox(name)
    if (running) {
      report(`sandbox ${name}: runs already`)
      return running
    }
    if (existsSync(dir)) {
      report(`sandbox ${name}: clearing away what is left of an earlier one`)
      await destroy(dir)
    }
    const start = Date.now()
    report(`sandbox ${name}: starting the control plane`)
    await mkdir(join(dir, 'logs'), { recursive: true, mode: 0o700 })
    const [etcd, etcdPeer, apiserver, controllerManager, scheduler, kubelet, ui0, ui1] = await Promise.all(
      Array.from({ length: 8 }, freePort),
    )
    const ports = { etcd, etcdPeer, apiserver, controllerManager, scheduler, kubelet } as Ports
    const record: SandboxRecord = {
      name,
      dir,
      server: `https://127.0.0.1:${apiserver}`,
      pki: pieces(dir, name).pki,
      kubeletPort: ports.kubelet,
      programs: programs.paths,
      versions: programs.versions,
      charts: programs.charts,
      nodes: [...nodes],
      readyAfter: options.readyAfter ?? 1000,
      ownerPid: process.pid, // until we are done: killed half-way, the agent clears everything away
      ready: false,
      forwards: [
        { namespace: 'adguard', pod: 'adguard-0', port: 3000, local: ui0 as number },
        { namespace: 'adguard', pod: 'adguard-1', port: 3000, local: ui1 as number },
      ],
    }
    const off = [...(options.without ?? [])]
    await writeRecord(record)
    await writeJson(join(dir, 'off.json'), off)
    await writeJson(join(dir, 'routes.json'), {})
    await writeFile(join(dir, 'egress.yaml'), egressConfig(dir))
    await writeFile(join(dir, 'kwokctl.yaml'), kwokctlConfig(record, ports, stagesFor(stages, off, record.readyAfter)))
    const context = `homelab-sandbox-${name}`
    const owner = kubeconfigAs(record, context, { user: 'homelab-owner', groups: ['system:masters'] })
    await writeFile(join(dir, 'kubeconfig'), owner, { mode: 0o600 })
    await writeFile(join(dir, 'admin.kubeconfig'), kubeconfigAs(record, context), { mode: 0o600 })
    startAgent(dir)
    await kwokctl(record, ['--config', join(dir, 'kwokctl.yaml'), 'create', 'cluster', '--kubeconfig', ''])
    report(`sandbox ${name}: registering ${nodes.length} nodes`)
    await registerNodes(record)
    const { ownerPid: _, ...rest } = record
    await writeRecord({
      ...rest,
      ready: true,
      ...(options.ownerPid === undefined ? {} : { ownerPid: options.ownerPid }),
    })
    report(`sandbox ${name}: up after ${((Date.now() - start) / 1000).toFixed(1)} s`)
    return describe(record)
  })
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
    fix: name === 'default' ? 'start it: make sandbox' : `start it: npx tsx scripts/sandbox.ts up --name ${name}`,
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
  const answer = await api?.request('GET', '/readyz').catch(() => undefined)
  return answer?.status === 200 ? describe(record) : undefined
}

/** The names of all sandboxes on this machine, running or not. */
export async function sandboxNames(): Promise<string[]> {
  const entries = await readdir(sandboxesRoot(), { withFileTypes: true }).catch(() => [])
  return entries.filter(entry => entry.isDirectory() && !entry.name.endsWith('.lock')).map(({ name }) => name)
}

/**
 * Switch stages and local programs off, and all others on. Programs follow within a second; for a stage KWOK starts anew.
 * @param off the names that are off from now on
 */
export async function sandboxSwitch(sandbox: Sandbox, off: readonly string[]): Promise<void> {
  const record = await readRecord(sandbox.dir)
  if (!record) throw new HomelabError({ what: `there is no sandbox ${sandbox.name}`, fix: 'make sandbox' })
  const stages = await readStages()
  const stageNames = stages.map(({ metadata }) => metadata.name)
  checkNames(off, [...stageNames, ...localPrograms.map(local => local.name), provisionerName])
  const before = await readOff(sandbox.dir)
  await writeJson(join(sandbox.dir, 'off.json'), off)
  if (!stageNames.some(name => before.includes(name) !== off.includes(name))) return
  const { cluster } = pieces(sandbox.dir, sandbox.name)
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

function checkNames(names: readonly string[], known: readonly string[]): void {
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
    context: `homelab-sandbox-${name}`,
    adminKubeconfig: join(dir, 'admin.kubeconfig'),
    auditLog: join(pieces(dir, name).cluster, 'logs', 'audit.log'),
    programs,
    versions,
    charts,
    routesFile: join(dir, 'routes.json'),
    env: { KUBECACHEDIR: join(dir, 'kube-cache') },
  }
}

function startAgent(dir: string): void {
  const log = openSync(join(dir, 'logs', 'agent.log'), 'a')
  const script = fileURLToPath(new URL('agent.ts', import.meta.url))
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), script, '--dir', `${dir}/`], {
    detached: true, // it outlives us, and a Ctrl-C in our terminal is not for it
    stdio: ['ignore', log, log],
    cwd: dir,
  })
  child.unref()
}

async function kwokctl(record: SandboxRecord, args: string[]): Promise<void> {
  // A KWOK_… variable of the person's would change what is built here. And kwokctl takes kubectl from PATH.
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('KWOK_')))
  await new Promise<void>((done, fail) =>
    execFile(
      record.programs.kwokctl,
      ['--name', record.name, ...args],
      {
        env: {
          ...env,
          PATH: `${dirname(record.programs.kubectl)}:${env.PATH}`,
          KWOK_WORKDIR: pieces(record.dir, record.name).kwok,
        },
        cwd: record.dir,
        timeout: 60_000,
      },
      async (error, _, stderr) => (error ? fail(await startError(record, stderr)) : done()),
    ),
  )
}

async function startError(record: SandboxRecord, words: string): Promise<HomelabError> {
  const logs = join(pieces(record.dir, record.name).cluster, 'logs')
  const text = await readFile(join(logs, 'kube-apiserver.log'), 'utf8').catch(() => '')
  const last = text.trim().split('\n').slice(-3).join('\n')
  return new HomelabError({
    what: `the control plane of sandbox ${record.name} does not start`,
    why: `${words.trim().split('\n').slice(-4).join('\n')}\n${last}`.trim(),
    fix: `the logs are in ${logs}; start again with: npx tsx scripts/sandbox.ts up --name ${record.name}`,
  })
}

/** Nodes in, nodes Ready, and what the controller manager makes first: then a pod can be made. */
async function registerNodes(record: SandboxRecord): Promise<void> {
  const api = await Api.open(record.server, record.pki)
  const start = Date.now()
  for (const node of nodeObjects(record.nodes, record.versions.kubernetes)) {
    const { status, body } = await api.request<{ message?: string }>('POST', '/api/v1/nodes', node)
    if (status !== 201)
      throw new HomelabError({ what: `sandbox ${record.name}: a node is refused`, why: `${status} ${body.message}` })
  }
  type Node = KubeObject & { status: { conditions?: { type: string; status: string }[] } }
  for (;;) {
    const nodes = await api.request<{ items: Node[] }>('GET', '/api/v1/nodes')
    const ready = nodes.body.items.filter(node =>
      node.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
    )
    const account = await api.request('GET', '/api/v1/namespaces/default/serviceaccounts/default')
    if (ready.length === record.nodes.length && account.status === 200 && existsSync(egressSocket(record.dir))) return
    if (Date.now() - start > 30_000)
      throw new HomelabError({
        what: `sandbox ${record.name}: after ${elapsed(start)} only ${ready.length} of ${record.nodes.length} nodes are Ready`,
        why: existsSync(egressSocket(record.dir))
          ? 'see kwok-controller.log'
          : 'the agent did not start: see logs/agent.log',
        fix: `the logs are in ${record.dir}`,
      })
    await sleep(30)
  }
}

async function replaceStages(file: string, stages: readonly object[]): Promise<void> {
  const { parseAllDocuments, stringify } = await import('yaml')
  const documents = parseAllDocuments(await readFile(file, 'utf8')).map(document => document.toJS() as { kind: string })
  const kept = documents.filter(({ kind }) => kind !== 'Stage')
  await writeFile(file, [...kept, ...stages].map(document => stringify(document, { lineWidth: 0 })).join('---\n'))
}
