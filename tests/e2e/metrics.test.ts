// The lists of tests/fixtures/metrics are what the programs serve: those that run here by themselves are started, given
// something to measure, and asked. `make metrics-list ALL=1` writes the lists instead of holding the programs to them.
import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { Resolver } from 'node:dns/promises'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { parseExposition } from '../../scripts/lib/dashboards/metrics-file.ts'
import { at, type K8sObject, listAt } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import { builtExtra, notBuilt } from '../../scripts/lib/sandbox/extra-build.ts'
import type { ExtraName } from '../../scripts/lib/sandbox/extras.ts'
import { findGo } from '../../scripts/lib/sandbox/go.ts'
import { moduleDir, moduleVersion } from '../../scripts/lib/sandbox/modules.ts'
import { freePort } from '../../scripts/lib/sandbox/ports.ts'
import { readRecord } from '../../scripts/lib/sandbox/record.ts'
import { appCharts } from '../manifests/application-charts.ts'
import { lokiConfig } from '../manifests/loki-config.ts'
import { lists, used } from '../manifests/metrics-named.ts'
import { temporaryFolder } from '../temporary.ts'
import { Lab, sandboxFor, script } from './support.ts'

const write = process.env.METRICS_LIST === '1'
/** The programs' lists, and where each is built. */
const wanted = {
  ...({ 'node-exporter': 'exporters', blackbox: 'exporters', 'kube-state-metrics': 'exporters' } as const),
  ...({ coredns: 'exporters', prometheus: 'prometheus', loki: 'loki' } as const),
}
const goMod = (group: ExtraName) => readFileSync(join(root, 'infrastructure/sandbox', group, 'go.mod'), 'utf8')

/** A program that runs by itself. */
interface Program {
  /** Its list in tests/fixtures/metrics. */
  list: string
  /** Where it is built (extras.ts), and its name there. */
  group: ExtraName
  name: string
  module: string
  args: readonly string[]
  /** What it is asked besides /metrics. */
  paths?: readonly string[]
  /** What has to happen before it has something to show. */
  event?: () => Promise<unknown>
  env?: Record<string, string>
  /** What it measured, when that is not this machine. */
  note?: string
}

/** Every program, listening on its port. */
async function programs(lab: Lab, dir: string, ports: readonly number[]): Promise<Program[]> {
  const [node = 0, other = 0, blackbox = 0, state = 0, prometheus = 0, coredns = 0, loki = 0] = ports
  const file = (name: string, text: string) => {
    writeFileSync(join(dir, name), text)
    return join(dir, name)
  }
  const record = await readRecord(lab.sandbox.dir)
  assert.ok(record)
  const listen = (port: number) => `--web.listen-address=127.0.0.1:${port}`

  const exporter = {
    ...({ list: 'node-exporter', group: 'exporters', name: 'node_exporter' } as const),
    module: 'github.com/prometheus/node_exporter',
  }
  const source = moduleDir(await findGo(), goMod('exporters'), exporter.module)
  const recorded = join(source, 'collector/fixtures')
  execFileSync('bash', [join(source, 'ttar'), '-C', dir, '-x', '-f', join(recorded, 'sys.ttar')])

  const values = (chart: string) => appCharts('prod').find(one => one.chart === chart)?.values
  const modules = structuredClone(at(values('prometheus-blackbox-exporter'), 'config', 'modules')) as {
    dns_lab: { dns: { query_name?: string } }
  }
  modules.dns_lab.dns.query_name = 'lab.test' // the site's, in a cluster
  const dns = await freePort()
  const resolver = new Resolver()
  resolver.setServers([`127.0.0.1:${dns}`])

  const alert = { alert: 'Always', expr: 'vector(1)', labels: { severity: 'none' } }
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [file('rules.yaml', stringify({ groups: [{ name: 'own', rules: [alert] }] }))],
    scrape_configs: [{ job_name: 'own', static_configs: [{ targets: [`127.0.0.1:${prometheus}`] }] }],
  }
  const tooOld = {
    streams: [{ stream: { app: 'old' }, values: [[`${Date.now() - 365 * 86400_000}000000`, 'a line of last year']] }],
  }
  const ours = lokiConfig(join(dir, 'loki'))
  const loopback = {
    ...ours,
    server: {
      ...{ http_listen_address: '127.0.0.1', http_listen_port: loki },
      ...{ grpc_listen_address: '127.0.0.1', grpc_listen_port: await freePort() },
    },
    common: { ...Object(ours.common), instance_addr: '127.0.0.1', ring: { kvstore: { store: 'inmemory' } } },
    memberlist: { bind_addr: ['127.0.0.1'], bind_port: await freePort() },
  }
  return [
    { ...exporter, args: [listen(node)] },
    {
      ...exporter,
      note: 'sensors, arrays and pools on the machine that its own tests record',
      args: [
        ...[listen(other), `--path.procfs=${recorded}/proc`, `--path.sysfs=${join(dir, 'sys')}`],
        ...['--collector.disable-defaults', '--collector.hwmon', '--collector.mdadm', '--collector.zfs'],
      ],
    },
    {
      ...{ list: 'blackbox', group: 'exporters', name: 'blackbox_exporter' },
      module: 'github.com/prometheus/blackbox_exporter',
      args: [listen(blackbox), `--config.file=${file('blackbox.yaml', stringify({ modules }))}`],
      paths: [`probe?module=https&target=${record.server}/version`, `probe?module=dns_lab&target=127.0.0.1:${dns}`],
      env: { SSL_CERT_FILE: join(record.pki, 'ca.crt') },
    },
    {
      ...{ list: 'kube-state-metrics', group: 'exporters', name: 'kube-state-metrics' },
      module: 'k8s.io/kube-state-metrics/v2',
      args: [
        ...[
          '--host=127.0.0.1',
          `--port=${state}`,
          '--telemetry-host=127.0.0.1',
          `--telemetry-port=${await freePort()}`,
        ],
        `--kubeconfig=${lab.sandbox.adminKubeconfig}`,
        `--resources=${listAt(values('kube-prometheus-stack'), 'kube-state-metrics', 'collectors').join(',')}`,
      ],
    },
    {
      ...{ list: 'prometheus', group: 'prometheus', name: 'prometheus', module: 'github.com/prometheus/prometheus' },
      args: [
        listen(prometheus),
        `--config.file=${file('prometheus.yaml', stringify(config))}`,
        `--storage.tsdb.path=${join(dir, 'tsdb')}`,
      ],
      paths: ['federate?match[]=up&match[]={__name__=~"ALERTS.*"}'],
    },
    {
      ...{ list: 'coredns', group: 'exporters', name: 'coredns', module: 'github.com/coredns/coredns' },
      args: [
        '-conf',
        file(
          'Corefile',
          `.:${dns} {\n bind 127.0.0.1\n errors\n prometheus 127.0.0.1:${coredns}\n cache\n hosts {\n  192.0.2.1 lab.test\n }\n}`,
        ),
      ],
      event: () => resolver.resolve4('lab.test'),
    },
    {
      ...{ list: 'loki', group: 'loki', name: 'loki', module: 'github.com/grafana/loki/v3' },
      args: [`-config.file=${file('loki.yaml', stringify(loopback))}`],
      event: () =>
        fetch(`http://127.0.0.1:${loki}/loki/api/v1/push`, {
          ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(tooOld) },
        }),
    },
  ]
}

/** A pod of each kind of trouble, as the API has it when a kubelet reports it. */
const troubled: K8sObject[] = ['waits', 'too-large'].flatMap(name => {
  const resources = { requests: { memory: name === 'too-large' ? '1000Gi' : '1Mi' }, limits: { memory: '1000Gi' } }
  const containers = [{ name, image: 'example.org/none:v1.0.0', resources }]
  return [
    {
      ...{ apiVersion: 'v1', kind: 'Pod', spec: { containers } },
      metadata: { name, namespace: 'default', annotations: { 'sandbox.homelab/ready-after': '1h' } },
    },
    {
      ...{ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name, namespace: 'default' } },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    },
  ] as K8sObject[]
})
const waiting = {
  ...{ name: 'waits', image: 'example.org/none:v1.0.0', imageID: '', ready: false, restartCount: 1 },
  state: { waiting: { reason: 'CrashLoopBackOff' } },
  lastState: { terminated: { reason: 'OOMKilled', exitCode: 137 } },
}

/** An application whose repository answers which commits it has, and cannot hand them out. */
function unreadable(folder: string): K8sObject {
  const git = (...args: string[]) => execFileSync('git', ['-C', folder, ...args], { encoding: 'utf8' }).trim()
  execFileSync('git', ['init', '--quiet', folder])
  writeFileSync(join(folder, 'a.yaml'), '{}')
  git('add', '.')
  git('-c', 'user.name=lab', '-c', 'user.email=lab@example.org', 'commit', '--quiet', '-m', 'one')
  const file = git('rev-parse', 'HEAD:a.yaml')
  rmSync(join(folder, '.git/objects', file.slice(0, 2), file.slice(2)))
  const source = { repoURL: `file://${folder}`, path: '.', targetRevision: 'HEAD' }
  const destination = { server: 'https://kubernetes.default.svc', namespace: 'default' }
  return {
    ...{
      apiVersion: 'argoproj.io/v1alpha1',
      kind: 'Application',
      metadata: { name: 'unreadable', namespace: 'argocd' },
    },
    spec: { project: 'default', source, destination },
  } as K8sObject
}

describe('metrics', { skip: await notBuilt('exporters') }, async () => {
  const dir = temporaryFolder('metrics')
  const children: ChildProcess[] = []
  const running: (Program & { url: string })[] = []
  let lab: Lab

  before(async () => {
    lab = new Lab(await sandboxFor('e2e-metrics', { extras: write ? ['argocd'] : [] }))
    await lab.cluster.apply(troubled)
    // Addresses, certificates, an application: MetalLB, cert-manager and Argo CD count them, and Lab.end() asks all three.
    if (write) {
      assert.equal((await lab.run('bootstrap/bootstrap-all.ts')).code, 0)
      await lab.cluster.apply([unreadable(join(dir, 'unreadable'))])
    }
    mkdirSync(join(dir, 'tsdb'))
    const ports = await Promise.all(Array.from({ length: 7 }, freePort))
    for (const [i, program] of (await programs(lab, dir, ports)).entries()) {
      const path = join((await builtExtra(program.group))?.dir ?? '', program.name)
      if (!existsSync(path)) continue
      children.push(spawn(path, program.args, { stdio: 'ignore', cwd: dir, env: { ...process.env, ...program.env } }))
      running.push({ ...program, url: `http://127.0.0.1:${ports[i]}` })
    }
    await sleep(2000) // the pod is on its node
    const status = JSON.stringify({ status: { containerStatuses: [waiting] } })
    await lab.cluster.kubectl(['patch', 'pod/waits', '-n', 'default', '--subresource=status', '-p', status])
  })
  after(async () => {
    for (const child of children) child.kill()
    await lab?.end()
  })

  for (const [name, group] of Object.entries(wanted))
    test(`${name} serves what dashboards and rules name of it`, { skip: await notBuilt(group) }, async () => {
      const instances = running.filter(({ list }) => list === name)
      const module = instances[0]?.module ?? ''
      const version = moduleVersion(goMod(group), module).replace(/^v0\.3(\d\d)\./, 'v3.$1.') // Prometheus' modules
      const known = lists.filter(({ program }) => program.split(',')[0] === name)
      const named = known.flatMap(({ metrics }) => [...metrics.keys()].filter(metric => used.has(metric)))
      let text = ''
      let missing = named
      for (const end = Date.now() + 40_000; missing.length && Date.now() < end; await sleep(1000)) {
        text = ''
        for (const { url, paths = [], event } of instances) {
          await event?.().catch(() => {})
          for (const path of ['metrics', ...paths])
            text += await fetch(`${url}/${path}`).then(
              async answer => (await answer.text()).replaceAll(/instance="",?|,instance=""/g, ''), // federation's own
              () => '',
            )
        }
        const now = parseExposition(text)
        missing = named.filter(metric => !now.has(metric))
      }
      assert.deepEqual(missing, [], `not among what ${name} ${version} serves`)
      if (write) {
        const notes = instances.flatMap(({ note }) => (note ? ['--note', note] : []))
        const args = ['--program', name, '--version', version, ...notes]
        const { code, stderr } = await script('scripts/metrics-list.ts', args, { stdin: text })
        return assert.equal(code, 0, stderr)
      }
      const [list] = known
      assert.equal(list?.version, version, 'make metrics-list ALL=1 writes the lists of the new version')
      const now = parseExposition(text)
      for (const metric of named)
        assert.deepEqual(
          [...(list?.metrics.get(metric) ?? [])].filter(label => !now.get(metric)?.has(label)),
          [],
          `labels of ${metric}`,
        )
    })
})
