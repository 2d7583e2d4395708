// The start of a sandbox: its files, the agent, the control plane by kwokctl, the nodes.
import { execFile, spawn } from 'node:child_process'
import { existsSync, openSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { HomelabError } from '../errors.ts'
import { Api, type KubeObject } from './api.ts'
import type { UpOptions } from './cluster.ts'
import { egressConfig, kwokctlConfig, type Ports, type Stage, stagesFor } from './config.ts'
import { destroy } from './down.ts'
import { kubeconfigAs } from './kubeconfig.ts'
import { nodeObjects } from './nodes.ts'
import { clusterFolder, egressSocket } from './paths.ts'
import { freePort } from './ports.ts'
import { lazyGarbage, sandboxProcesses } from './processes.ts'
import type { Programs } from './programs.ts'
import { type SandboxRecord, writeJson, writeRecord } from './record.ts'
import type { Report } from './report.ts'

/** What a start is made of, beside what the caller asked for. */
export interface Parts {
  dir: string
  programs: Programs
  optional: NonNullable<SandboxRecord['extras']>
  stages: readonly Stage[]
}

/**
 * Start a sandbox on ports that are free now. Somebody may take one before it is used: then again on others.
 * @throws HomelabError with the control plane's own last words; the logs are kept beside the sandbox's folder
 */
export async function start(options: UpOptions, parts: Parts): Promise<SandboxRecord> {
  for (let attempts = 3; ; ) {
    const { record, ports } = await chosen(options, parts)
    try {
      await attempt(record, ports, parts.stages, options)
      return record
    } catch (error) {
      if (--attempts === 0 || !(await inUse(keptLogs(parts.dir)))) throw error
      options.report(`sandbox ${options.name}: somebody took one of its ports meanwhile; again with others`)
    }
  }
}

async function chosen(
  { name, nodes, readyAfter = 1000 }: UpOptions,
  { dir, programs, optional }: Parts,
): Promise<{ record: SandboxRecord; ports: Ports }> {
  const ports: Ports = {
    etcd: await freePort(),
    etcdPeer: await freePort(),
    apiserver: await freePort(),
    controllerManager: await freePort(),
    scheduler: await freePort(),
    kubelet: await freePort(),
  }
  const record: SandboxRecord = {
    name,
    dir,
    server: `https://127.0.0.1:${ports.apiserver}`,
    pki: join(clusterFolder(dir, name), 'pki'),
    kubeletPort: ports.kubelet,
    programs: programs.paths,
    versions: programs.versions,
    charts: programs.charts,
    extras: optional,
    chartServer: await freePort(),
    nodes: [...nodes],
    readyAfter,
    ownerPid: process.pid, // until we are done: killed half-way, the agent clears everything away
    ready: false,
    forwards: [
      { namespace: 'adguard', pod: 'adguard-0', port: 3000, local: await freePort() },
      { namespace: 'adguard', pod: 'adguard-1', port: 3000, local: await freePort() },
    ],
  }
  return { record, ports }
}

async function attempt(
  record: SandboxRecord,
  ports: Ports,
  stages: readonly Stage[],
  { without = [], report }: UpOptions,
): Promise<void> {
  const { dir, name } = record
  const kept = keptLogs(dir)
  await rm(kept, { recursive: true, force: true })
  // kwokctl would wait a minute for a program that has ended for that.
  const taken = new AbortController()
  const logs = join(clusterFolder(dir, name), 'logs')
  const looking = setInterval(() => void inUse(logs).then(found => found && taken.abort()), 500)
  try {
    await writeFiles(record, kwokctlConfig(record, ports, stagesFor(stages, without, record.readyAfter)), without)
    startAgent(dir)
    await kwokctl(
      record,
      ['--config', join(dir, 'kwokctl.yaml'), 'create', 'cluster', '--kubeconfig', ''],
      taken.signal,
    )
    report(`sandbox ${name}: registering ${record.nodes.length} nodes`)
    await registerNodes(record)
    await startDead(record, report)
  } catch (error) {
    const text = await readFile(join(logs, 'kube-apiserver.log'), 'utf8').catch(() => '')
    await cp(logs, kept, { recursive: true }).catch(() => undefined)
    await cp(join(dir, 'logs'), kept, { recursive: true }).catch(() => undefined)
    await destroy(dir)
    throw new HomelabError({
      what: `sandbox ${name} does not start`,
      why: [(error as Error).message, ...text.trim().split('\n').slice(-3)].join('\n').trim(),
      fix: `read the logs in ${kept}, then again: ./scripts/sandbox.ts up --name ${name}`,
      cause: error,
    })
  } finally {
    clearInterval(looking)
  }
}

/** The logs of a start that failed. */
const keptLogs = (dir: string) => `${dir}.logs`

/** Whether one of the programs found its port taken. */
async function inUse(logs: string): Promise<boolean> {
  const names = (await readdir(logs).catch(() => [])).filter(name => name.endsWith('.log') && name !== 'audit.log')
  const texts = await Promise.all(names.map(name => readFile(join(logs, name), 'utf8').catch(() => '')))
  return texts.some(text => text.includes('address already in use'))
}

async function writeFiles(record: SandboxRecord, kwokctlYaml: string, off: readonly string[]): Promise<void> {
  const { dir, name } = record
  const context = contextOf(name)
  const owner = kubeconfigAs(record, context, { user: 'homelab-owner', groups: ['system:masters'] })
  await mkdir(join(dir, 'logs'), { recursive: true, mode: 0o700 })
  await writeRecord(record)
  await writeJson(join(dir, 'off.json'), off)
  await writeJson(join(dir, 'routes.json'), {})
  await writeFile(join(dir, 'egress.yaml'), egressConfig(dir))
  await writeFile(join(dir, 'kwokctl.yaml'), kwokctlYaml)
  await writeFile(join(dir, 'kubeconfig'), owner, { mode: 0o600 })
  await writeFile(join(dir, 'admin.kubeconfig'), kubeconfigAs(record, context), { mode: 0o600 })
}

export const contextOf = (name: string): string => `homelab-sandbox-${name}`

function startAgent(dir: string): void {
  const log = openSync(join(dir, 'logs', 'agent.log'), 'a')
  const script = fileURLToPath(new URL('agent.ts', import.meta.url))
  const typescript = import.meta.resolve('../typescript.mjs')
  spawn(process.execPath, ['--import', typescript, script, '--dir', `${dir}/`], {
    detached: true, // it outlives us, and a Ctrl-C in our terminal is not for it
    stdio: ['ignore', log, log],
    cwd: dir,
  }).unref()
}

/** Run kwokctl on this sandbox. */
export async function kwokctl(record: SandboxRecord, args: string[], signal?: AbortSignal): Promise<void> {
  // A KWOK_… variable of the person's would change what is built here. And kwokctl takes kubectl from PATH.
  const own = Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith('KWOK_')))
  const env = {
    ...own,
    PATH: `${dirname(record.programs.kubectl)}:${own.PATH}`,
    KWOK_WORKDIR: join(record.dir, 'kwok'),
    ...lazyGarbage,
  }
  await new Promise<void>((done, fail) =>
    execFile(
      record.programs.kwokctl,
      ['--name', record.name, ...args],
      { env, cwd: record.dir, timeout: 60_000, ...(signal ? { signal } : {}) },
      (error, _, words) =>
        error ? fail(new Error(words.trim().split('\n').slice(-3).join('\n') || error.message)) : done(),
    ),
  )
}

/**
 * The API server's own word that it is ready. Without its last hook, the default roles: it sleeps a second before it
 * begins, nobody of ours needs them in that second (we are system:masters), and the controllers come with them.
 */
export const readyPath = '/readyz?exclude=poststarthook/rbac/bootstrap-roles'

/**
 * On a machine with much else to do the controller manager gives up on an API server that takes longer than ten seconds,
 * and nobody would start it again.
 */
async function startDead(record: SandboxRecord, report: Report): Promise<void> {
  const running = sandboxProcesses(record.dir).map(({ command }) => command)
  const dead = ['kube-controller-manager', 'kube-scheduler'].filter(
    name => !running.some(command => command.includes(`/${name} `)),
  )
  if (!dead.length) return
  report(`sandbox ${record.name}: ${dead.join(' and ')} gave up waiting: starting it again`)
  for (const name of dead)
    await rm(join(clusterFolder(record.dir, record.name), 'pids', `${name}.pid`), { force: true })
  await kwokctl(record, ['start', 'cluster']) // starts what is missing
}

/** Nodes in, nodes Ready, and the one account that the controller manager makes late: then a pod can be made. */
async function registerNodes(record: SandboxRecord): Promise<void> {
  const api = await Api.open(record.server, record.pki)
  const make = async (path: string, object: object) => {
    const { status, body } = await api.request<{ message?: string }>('POST', path, object)
    if (status !== 201 && status !== 409) throw new Error(`POST ${path}: ${status} ${body.message}`)
  }
  for (const node of nodeObjects(record.nodes, record.versions.kubernetes)) await make('/api/v1/nodes', node)
  type Node = KubeObject & { status: { conditions?: { type: string; status: string }[] } }
  for (const end = Date.now() + 30_000; ; await sleep(30)) {
    const nodes = await api.request<{ items: Node[] }>('GET', '/api/v1/nodes')
    const ready = nodes.body.items.filter(node =>
      node.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
    ).length
    const server = await api.request('GET', readyPath)
    const agent = existsSync(egressSocket(record.dir))
    if (ready === record.nodes.length && server.status === 200 && agent) break
    if (Date.now() < end) continue
    if (!agent) throw new Error('the agent did not start (agent.log)')
    if (server.status !== 200) throw new Error(`the API server is not ready: ${server.body}`)
    throw new Error(`after 30 s only ${ready} of ${record.nodes.length} nodes are Ready (kwok-controller.log)`)
  }
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace: 'default' } }
  await make('/api/v1/namespaces/default/serviceaccounts', account)
}
