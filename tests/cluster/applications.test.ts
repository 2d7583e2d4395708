// The applications on a real cluster with the publishers' charts and images: what no rehearsal and no node without internet
// can show. With S3_ENDPOINT, S3_BUCKET, S3_ACCESS_KEY and S3_SECRET_KEY a backup is made and a namespace comes back from it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { text as all } from 'node:stream/consumers'
import { after, test } from 'node:test'
import { parse } from 'yaml'
import { Cluster } from '../../scripts/lib/cluster.ts'
import { readManifest } from '../../scripts/lib/fill.ts'
import { type K8sObject, listAt, mapAt, textAt } from '../../scripts/lib/k8s.ts'
import { type ClaimId, sentence } from '../../scripts/lib/proof.ts'
import { root } from '../../scripts/lib/root.ts'
import { domain, manifests, Owner } from './owner.ts'
import { addresses, eventually, install, ofApplications, takeOff, tellingOf } from './support.ts'
import { findTarget, type Target } from './target.ts'

const keys = ['S3_ENDPOINT', 'S3_BUCKET', 'S3_ACCESS_KEY', 'S3_SECRET_KEY'] as const
const s3 = Object.fromEntries(keys.flatMap(key => (process.env[key] ? [[key, process.env[key] ?? '']] : [])))
// Asked before the target: a node lab would be started for nothing.
const found = process.env.CLUSTER ? findTarget() : 'their charts and images need internet: CLUSTER, CONTEXT, POOL'
if (typeof found === 'string') test('the applications on a real cluster', t => t.skip(found))
else story(found, await Owner.of(found, s3))

function story(target: Target, owner: Owner): void {
  const cluster = new Cluster(target)
  const [traefik] = addresses(target.pool)

  after(async () => {
    await cluster.close()
    owner.end()
    target.end()
  })

  const shown = new Set<ClaimId>()
  /** After a failure the rest is still looked at: these do not build on each other. */
  const show = (id: ClaimId, body: () => Promise<void>, skip: string | false = false) =>
    test(sentence(id), { skip }, async () => {
      await body()
      shown.add(id)
    })

  /** What a program says through the API server. */
  const asked = async (namespace: string, service: string, path: string): Promise<unknown> =>
    JSON.parse(
      await owner.kubectl(['get', '--raw', `/api/v1/namespaces/${namespace}/services/${service}/proxy/${path}`]),
    )
  const secret = async (ref: string, key: string): Promise<string> =>
    Buffer.from(mapAt(await cluster.find(`secret/${ref}`), 'data')[key] ?? '', 'base64').toString()

  test('the platform and its applications are brought up', async () => {
    await install(owner, cluster)
  })

  show('real-applications', async () => {
    await eventually('every application is well', 2400, async () => {
      const told = await owner.run('scripts/test-applications.ts', ['--json'])
      return told.code === 0 ? undefined : tellingOf(told)
    })
    const { applications = [] } = JSON.parse((await owner.run('scripts/test-applications.ts', ['--json'])).stdout)
    const unseen = applications.filter((one: object) => Object.values(one).includes('unmeasurable'))
    assert.deepEqual(unseen, [], 'what a rehearsal cannot measure can be measured here')
  })

  show('targets', async () => {
    const targets = async () => {
      const answer = await asked('monitoring', 'monitoring-prometheus:9090', 'api/v1/targets?state=active')
      return listAt(answer, 'data', 'activeTargets')
    }
    await eventually('every target is up', 300, async () => {
      const down = (await targets()).filter(one => textAt(one, 'health') !== 'up')
      return down.length
        ? down
            .map(one => `${textAt(one, 'scrapePool')} ${textAt(one, 'scrapeUrl')}: ${textAt(one, 'lastError')}`)
            .join('\n')
        : undefined
    })
    // A job whose rules match nothing is down as well, and nobody sees it.
    const text = readFileSync(
      join(root, 'infrastructure/monitoring/kube-prometheus-stack/manifests/base/additional-scrape-configs.yaml'),
      'utf8',
    )
    const jobs = (parse(text) as { job_name: string; file_sd_configs?: object }[])
      .filter(one => !one.file_sd_configs) // the owner's own hosts
      .map(one => one.job_name)
    const pools = new Set((await targets()).map(one => textAt(one, 'scrapePool')))
    assert.deepEqual(
      jobs.filter(job => !pools.has(job)),
      [],
      'jobs without a target',
    )
    // Its firing alerts on a cluster that is well are alerts too many.
    const alerts = await asked(
      'monitoring',
      'monitoring-prometheus:9090',
      'api/v1/query?query=ALERTS%7Balertstate%3D%22firing%22%7D',
    )
    const names = listAt(alerts, 'data', 'result').map(one => textAt(one, 'metric', 'alertname') ?? '')
    console.log(`# firing: ${names.join(', ')}`)
    assert.ok(names.includes('Watchdog'))
  })

  show('logs', async () => {
    const values = async (label: string): Promise<string[]> =>
      listAt(await asked('loki', 'loki:3100', `loki/api/v1/label/${label}/values?since=6h`), 'data').map(String)
    const talking = new Set<string>()
    for (const { metadata } of await cluster.list('pods')) {
      const { namespace = '', name } = metadata
      if (talking.has(namespace)) continue
      const said = await owner.kubectl(['logs', '-n', namespace, name, '--all-containers', '--tail=1']).catch(() => '')
      if (said.trim()) talking.add(namespace)
    }
    assert.ok(talking.size > 8, [...talking].join(', '))
    await eventually('the lines of each namespace', 300, async () => {
      const arrived = await values('namespace')
      const missing = [...talking].filter(one => !arrived.includes(one))
      return missing.length ? `nothing of ${missing.join(', ')}` : undefined
    })
    const jobs = await values('job')
    for (const job of ['journal', 'events']) assert.ok(jobs.includes(job), `${job} is not among ${jobs.join(', ')}`)
  })

  /** InfluxDB as Proxmox VE reaches it: by its name, through Traefik, with the lab's certificate. */
  const influx = async (token: string, method: 'GET' | 'POST', path: string, body = '', type = 'text/plain') => {
    const host = `influxdb.${domain}`
    const ca = await secret('cert-manager/internal-ca', 'tls.crt')
    const headers = { host, authorization: `Token ${token}`, 'content-type': type, accept: '*/*' }
    const where = { host: traefik, port: 443, servername: host, path, timeout: 15_000 }
    return new Promise<{ status: number; text: string }>((done, fail) => {
      const call = request({ ...where, method, headers, ca }, async answer =>
        done({ status: answer.statusCode ?? 0, text: await all(answer) }),
      )
      call.on('timeout', () => call.destroy(new Error('silent'))).on('error', fail)
      call.end(body)
    })
  }

  show('series', async () => {
    const [proxmox, admin] = [
      await secret('influxdb/proxmox-token', 'token'),
      await secret('influxdb/influxdb-admin', 'admin-token'),
    ]
    const written = await influx(
      proxmox,
      'POST',
      '/api/v2/write?org=homelab&bucket=proxmox',
      'suite,host=pve value=42\n',
    )
    assert.equal(written.status, 204, written.text)
    const flux = 'from(bucket: "proxmox") |> range(start: -1h) |> filter(fn: (r) => r._measurement == "suite")'
    const query = (token: string) => influx(token, 'POST', '/api/v2/query?org=homelab', flux, 'application/vnd.flux')
    const read = await query(admin)
    assert.equal(read.status, 200, read.text)
    assert.match(read.text, /,42,value,suite,pve/)
    const spied = await query(proxmox)
    assert.doesNotMatch(spied.text, /42/, 'the token of Proxmox VE reads nothing')
    const elsewhere = await influx(proxmox, 'POST', '/api/v2/write?org=homelab&bucket=house', 'suite value=1\n')
    assert.ok(elsewhere.status >= 400, 'and writes into its own bucket only')
    const { buckets } = JSON.parse((await influx(admin, 'GET', '/api/v2/buckets?org=homelab')).text) as {
      buckets: { name: string; retentionRules: { everySeconds: number }[] }[]
    }
    const kept = Object.fromEntries(buckets.map(({ name, retentionRules: [rule] }) => [name, rule?.everySeconds]))
    assert.deepEqual([kept.proxmox, kept['proxmox-hourly']], [30 * 86_400, 5 * 365 * 86_400])
    const { tasks } = JSON.parse((await influx(admin, 'GET', '/api/v2/tasks?org=homelab')).text) as {
      tasks: { name: string; status: string }[]
    }
    for (const name of ['proxmox-hourly', 'house-hourly'])
      assert.equal(tasks.find(one => one.name === name)?.status, 'active', name)
  })

  const withoutS3 = keys.every(key => s3[key]) ? false : `not shown without ${keys.join(', ')}`
  show(
    'restore',
    async () => {
      const token = `kept ${Date.now()}`
      const pod = (name: string, command: string): K8sObject[] =>
        readManifest(join(manifests, 'pods.yaml'), { name, command })
      const phase = (name: string, wanted: string) =>
        eventually(`pod ${name} is ${wanted}`, 120, async () => {
          const now = textAt((await cluster.find(`pod/suite/${name}`))?.status, 'phase')
          return now === wanted ? undefined : now
        })
      // What is on a volume is read while a pod has it. The pod itself writes nothing: it would do so again.
      await cluster.apply(pod('keeper', 'sleep 3600'), { manager: 'kubectl' })
      await phase('keeper', 'Running')
      const inPod = (command: string) => owner.kubectl(['exec', '-n', 'suite', 'keeper', '--', 'sh', '-c', command])
      await inPod(`echo ${token} > /data/token`)
      const backup = await owner.run('scripts/backup.ts', ['--json', '--namespaces', 'suite'])
      assert.equal(backup.code, 0, tellingOf(backup))
      await owner.kubectl(['delete', 'namespace', 'suite', '--timeout=120s'])
      const back = await owner.run('scripts/restore.ts', [
        '--json',
        '--namespace',
        'suite',
        '--confirm',
        target.context,
      ])
      assert.equal(back.code, 0, tellingOf(back))
      await phase('keeper', 'Running')
      assert.equal((await inPod('cat /data/token')).trim(), token)
    },
    withoutS3,
  )

  test('every claim about the applications has been shown', () => {
    assert.deepEqual(
      ofApplications.filter(id => !shown.has(id) && !(id === 'restore' && withoutS3)),
      [],
    )
  })

  test('taken off with its data, the cluster is as it was', async () => {
    await takeOff(owner)
  })
}
