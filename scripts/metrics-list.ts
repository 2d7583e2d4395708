#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make metrics-list: which metrics a running program serves, written down for the checks of dashboards and rules.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { type RequestOptions, request } from 'node:https'
import { basename, join } from 'node:path'
import { text as all } from 'node:stream/consumers'
import { command, common } from './lib/command.ts'
import { parseExposition, readMetrics, together, writeMetrics } from './lib/dashboards/metrics-file.ts'
import { exit, HomelabError } from './lib/errors.ts'
import { print } from './lib/output.ts'
import { root } from './lib/root.ts'
import { readRecord, type SandboxRecord } from './lib/sandbox/record.ts'

const folder = 'tests/fixtures/metrics'

/** The body of an address, or undefined where nobody answers with metrics. */
async function scrape(url: string, credentials: RequestOptions = {}): Promise<string | undefined> {
  const read = url.startsWith('https:')
    ? new Promise<string>((resolve, reject) => {
        const asked = request(url, { ...credentials, rejectUnauthorized: false, timeout: 5000 }, answer =>
          answer.statusCode === 200 ? resolve(all(answer)) : reject(new Error(String(answer.statusCode))),
        )
        asked.on('error', reject).on('timeout', () => asked.destroy(new Error('silent')))
        asked.end()
      })
    : fetch(url, { signal: AbortSignal.timeout(5000) }).then(answer => (answer.ok ? answer.text() : ''))
  const body = await read.catch(() => '')
  return /^# TYPE /m.test(body) ? body : undefined
}

const scraped = 'scraped from the running program'
const notRun = 'not run here: '

/** Writes down what was seen. What was known from elsewhere, and no look has seen yet, stays in a list of its own. */
function keep(program: string, version: string, exposition: string, source = scraped): void {
  const [path, rest] = [join(root, folder, `${program}.txt`), join(root, folder, `${program}-rest.txt`)]
  const read = (file: string) => (existsSync(file) ? readMetrics(readFileSync(file, 'utf8')) : undefined)
  const seen = { program, version, source, metrics: parseExposition(exposition) }
  if (!seen.metrics.size) return
  const before = read(path)
  const foreign = before?.source.startsWith(notRun) && !source.startsWith(notRun) ? before : undefined
  const now = together(foreign ? undefined : before, seen)
  if (before?.version === version && before.source.startsWith(source)) now.source = before.source // with its note
  writeFileSync(path, writeMetrics(now))
  print(`${folder}/${program}.txt  ${now.metrics.size} names of ${program} ${version}`)
  const unseen = [...(foreign?.metrics ?? []), ...(read(rest)?.metrics ?? [])].filter(
    ([name]) => !now.metrics.has(name),
  )
  rmSync(rest, { force: true })
  if (!unseen.length) return
  const left = {
    ...{ program: `${program}, what had not happened yet`, version, source: `${notRun}names from its source code` },
    metrics: new Map(unseen),
  }
  writeFileSync(rest, writeMetrics(left))
  print(`${folder}/${program}-rest.txt  ${unseen.length} that it has not shown yet`)
}

/** Of a process that may have ended since it was listed. */
function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}

/** Some programs show theirs only to whom the API server knows by a token. */
function token(record: SandboxRecord): string {
  const kubectl = (args: readonly string[], input = '') =>
    execFileSync(record.programs.kubectl, ['--kubeconfig', join(record.dir, 'admin.kubeconfig'), ...args], {
      ...{ input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'inherit'] },
    }).trim()
  const [name, namespace] = ['metrics-list', 'kube-system']
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } }
  const binding = {
    ...{ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRoleBinding', metadata: { name } },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ kind: 'ServiceAccount', name, namespace }],
  }
  for (const object of [account, binding]) kubectl(['apply', '-f', '-'], JSON.stringify(object))
  return kubectl(['create', 'token', name, '-n', namespace])
}

/** Every program of a sandbox that serves metrics on some port of this machine. */
async function fromSandbox(record: SandboxRecord): Promise<number> {
  const credentials = {
    cert: readFileSync(join(record.pki, 'admin.crt')),
    key: readFileSync(join(record.pki, 'admin.key')),
  }
  const bearer = { headers: { authorization: `Bearer ${token(record)}` } }
  const { kubernetes } = record.versions
  const versions: Record<string, string> = { ...record.versions, etcd: `as in Kubernetes ${kubernetes}` }
  /** Of an optional program that of its group: in the sandbox's folder it is a link to it. */
  const versionOf = (path: string, program: string) =>
    Object.values(record.extras ?? {}).find(({ dir }) => realpathSync(path).startsWith(`${dir}/`))?.version ??
    versions[program] ??
    versions[program.replace(/-.*/, '')] ??
    kubernetes
  const found = new Set<string>()
  for (const line of execFileSync('ss', ['-ltnpH'], { encoding: 'utf8' }).split('\n')) {
    const [, port, pid] = /[:\]](\d+) .*pid=(\d+)/.exec(line) ?? []
    const [path = ''] = pid ? commandLine(pid) : []
    const ours = path.includes(`/${record.name}/`) || Object.values(record.programs).includes(path)
    if (!ours || basename(path) === 'node') continue
    const name = basename(path)
    const program = name === 'cert-manager' ? name : name.replace(/^(argocd)-.*|-controller$/, '$1')
    const body =
      (await scrape(`http://127.0.0.1:${port}/metrics`)) ??
      (await scrape(`https://127.0.0.1:${port}/metrics`, credentials)) ??
      (await scrape(`https://127.0.0.1:${port}/metrics`, bearer))
    if (!body) continue
    keep(program, versionOf(path, program), body)
    found.add(program)
  }
  return found.size
}

await command(
  {
    line: 'scripts/metrics-list.ts [--program NAME --version VERSION [--url URL] [--note TEXT] [--source TEXT]]',
    about:
      `Writes ${folder}/PROGRAM.txt: the names and labels of the metrics that a program serves. Dashboards and rules may\n` +
      'name no other ones. Without options it asks the programs of the running sandbox (make sandbox WITH=backup,…);\n' +
      'with them any program, at an address or from standard input, so also one that only a real node has:\n\n' +
      '  kubectl get --raw /api/v1/nodes/NODE/proxy/metrics/cadvisor | make metrics-list PROGRAM=kubelet VERSION=…\n\n' +
      'make metrics-list ALL=1 starts all that can run without one (make programs builds them), makes happen what they\n' +
      'count, and asks them: minutes.',
    options: {
      program: { type: 'string', value: 'NAME', help: 'what it is, e.g. traefik' },
      version: { type: 'string', value: 'VERSION', help: 'which version runs' },
      url: { type: 'string', value: 'URL', help: 'where it serves them; without it they come by standard input' },
      note: { type: 'string', value: 'TEXT', help: 'what it measured, when that was not this machine' },
      source: { type: 'string', value: 'TEXT', help: 'when it cannot run here: why, and where the names are from' },
      ...common,
    },
  },
  async ({ program, version, url, note, source }) => {
    if (typeof program !== 'string' || typeof version !== 'string') {
      if (program ?? version ?? url)
        throw new HomelabError({ what: 'name both --program and --version', fix: 'see --help', code: exit.usage })
      const { findSandbox } = await import('./lib/sandbox/cluster.ts')
      const record = await readRecord((await findSandbox(process.env.SANDBOX || 'default')).dir)
      return record && (await fromSandbox(record)) > 0 ? exit.done : exit.failed
    }
    const body = typeof url === 'string' ? await scrape(url) : await all(process.stdin)
    if (!body)
      throw new HomelabError({ what: `${url} serves no metrics`, fix: 'is it running, and is the path right?' })
    const seen = typeof note === 'string' ? `${scraped}; ${note}` : scraped
    keep(program, version, body, typeof source === 'string' ? `${notRun}${source}` : seen)
    return exit.done
  },
)
