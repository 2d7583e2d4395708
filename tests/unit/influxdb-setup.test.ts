// infrastructure/influxdb/setup/setup.sh against an InfluxDB and an API server of the test's own: what it makes, that a
// second run makes nothing, and that no secret is in an argument. The real InfluxDB cannot be built here.
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { join } from 'node:path'
import { before, describe, test } from 'node:test'
import { root } from '../../scripts/lib/root.ts'
import { temporaryFolder } from '../temporary.ts'
import { listen, openssl } from './servers.ts'

const script = join(root, 'infrastructure/influxdb/setup/setup.sh')
const missing = ['bash', 'curl'].find(program => spawnSync(program, ['--version']).error)
const skip = missing ? `${missing} is not installed` : openssl ? false : 'openssl is not installed'

type Json = Record<string, unknown>

/** Keeps what it is given, and answers as InfluxDB 2.9's API does (its published OpenAPI description). */
class Influx {
  health = 'pass'
  buckets: Json[] = []
  tasks: Json[] = []
  authorizations: Json[] = []
  writes: string[] = []
  #id = 0

  answer(request: IncomingMessage, body: string, response: ServerResponse): unknown {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://influx')
    const [, , , kind = '', id] = pathname.split('/')
    const end = (status: number, value: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(value, null, '\t'))
    }
    if (pathname === '/health') return end(200, { name: 'influxdb', message: 'ready', status: this.health })
    if (request.headers.authorization !== 'Token admin-token-of-the-test') return end(401, { code: 'unauthorized' })
    if (request.method !== 'GET') this.writes.push(`${request.method} ${kind}`)
    if (kind === 'orgs')
      return end(200, { links: { self: '/api/v2/orgs' }, orgs: [{ id: '00000000000000aa', name: 'homelab' }] })
    const list = { buckets: this.buckets, tasks: this.tasks, authorizations: this.authorizations }[kind]
    if (!list) return end(404, { code: 'not found' })
    const found = list.find(one => one.id === id)
    if (request.method === 'GET')
      return id
        ? end(found ? 200 : 404, found ?? { code: 'not found' })
        : end(200, { links: {}, [kind]: list.filter(one => one.name === searchParams.get('name')) })
    const given = JSON.parse(body) as Json
    if (request.method === 'PATCH') return end(200, Object.assign(found ?? {}, given))
    const made: Json = { id: (++this.#id).toString(16).padStart(16, '0'), ...given }
    if (kind === 'tasks') made.name = /name: "([^"]+)"/.exec(String(given.flux))?.[1]
    if (kind === 'authorizations') made.token = `made-token-${this.#id}==`
    list.push(made)
    return end(201, made)
  }
}

describe('the setup of InfluxDB', { skip }, () => {
  const folder = temporaryFolder('influx')
  const influx = new Influx()
  const secrets = new Map<
    string,
    { metadata: { annotations?: Record<string, string>; labels?: Json }; data: Record<string, string> }
  >()
  const env: Record<string, string> = {}

  before(async () => {
    const collect =
      (use: (request: IncomingMessage, body: string, response: ServerResponse) => void) =>
      (request: IncomingMessage, response: ServerResponse) => {
        let body = ''
        request.on('data', part => {
          body += part
        })
        request.on('end', () => use(request, body, response))
      }
    const http = await listen(createHttp(collect((...all) => influx.answer(...all))))
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'api.key']
    const name = ['-subj', '/CN=kubernetes', '-addext', 'subjectAltName=IP:127.0.0.1']
    execFileSync('openssl', ['req', '-x509', ...key, '-out', 'ca.crt', '-days', '3', ...name], {
      cwd: folder,
      stdio: 'ignore',
    })
    const api = { key: readFileSync(join(folder, 'api.key')), cert: readFileSync(join(folder, 'ca.crt')) }
    const https = await listen(createHttps(api, collect(kubernetes)))
    for (const [name, text] of [
      ['admin-token', 'admin-token-of-the-test'],
      ['token', 'account-token-of-the-test'],
    ] as const)
      writeFileSync(join(folder, name), text)
    Object.assign(env, {
      PATH: process.env.PATH ?? '',
      INFLUX: `http://127.0.0.1:${http}`,
      KUBERNETES: `https://127.0.0.1:${https}`,
      ADMIN_TOKEN_FILE: join(folder, 'admin-token'),
      ACCOUNT: folder,
      RAW_RETENTION: '30d',
      HOURLY_RETENTION: '5y',
    })
  })

  function kubernetes(request: IncomingMessage, body: string, response: ServerResponse): unknown {
    const ref =
      /^\/api\/v1\/namespaces\/([^/]+)\/secrets\/([^?]+)/
        .exec(request.url ?? '')
        ?.slice(1)
        .join('/') ?? ''
    const end = (status: number, value: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(value, null, 2))
    }
    if (request.headers.authorization !== 'Bearer account-token-of-the-test') return end(401, {})
    if (request.method === 'PATCH') {
      assert.match(request.url ?? '', /fieldManager=influxdb-setup&force=true$/)
      secrets.set(ref, JSON.parse(body))
    }
    const found = secrets.get(ref)
    return found ? end(200, found) : end(404, { reason: 'NotFound' })
  }

  const run = (change: Record<string, string> = {}) =>
    new Promise<{ code: number | null; out: string; err: string }>(done => {
      const child = spawn('bash', [script], { env: { ...env, ...change }, stdio: ['ignore', 'pipe', 'pipe'] })
      let [out, err] = ['', '']
      child.stdout.on('data', part => {
        out += part
      })
      child.stderr.on('data', part => {
        err += part
      })
      child.once('close', code => done({ code, out, err }))
    })

  test('makes buckets, tasks, and a token for each who needs one', async () => {
    const { code, err } = await run()
    assert.equal(code, 0, err)
    assert.deepEqual(
      influx.buckets.map(({ name, retentionRules }) => [
        name,
        (retentionRules as { everySeconds: number }[])[0]?.everySeconds,
      ]),
      [
        ['proxmox', 2_592_000],
        ['proxmox-hourly', 157_680_000],
        ['house', 2_592_000],
        ['house-hourly', 157_680_000],
      ],
    )
    for (const { name, flux } of influx.tasks)
      assert.equal(`${flux}\n`, readFileSync(join(root, `infrastructure/influxdb/setup/${name}.flux`), 'utf8'))
    assert.deepEqual(
      [...secrets.keys()],
      ['influxdb/proxmox-token', 'influxdb/telegraf-token', 'monitoring/grafana-datasource-influxdb'],
    )
  })

  test('each token may do one thing: Proxmox and Telegraf write to their bucket, Grafana reads all four', () => {
    const rights = influx.authorizations.map(({ permissions }) =>
      (permissions as { action: string; resource: { id: string } }[]).map(
        ({ action, resource }) => `${action} ${influx.buckets.find(({ id }) => id === resource.id)?.name}`,
      ),
    )
    assert.deepEqual(rights, [
      ['write proxmox'],
      ['write house'],
      ['read proxmox', 'read proxmox-hourly', 'read house', 'read house-hourly'],
    ])
    const decoded = (ref: string, key: string) => Buffer.from(secrets.get(ref)?.data[key] ?? '', 'base64').toString()
    assert.equal(decoded('influxdb/proxmox-token', 'token'), influx.authorizations[0]?.token)
    const source = decoded('monitoring/grafana-datasource-influxdb', 'influxdb.yaml')
    assert.ok(source.includes(`token: ${influx.authorizations[2]?.token}`), source)
    assert.deepEqual(secrets.get('monitoring/grafana-datasource-influxdb')?.metadata.labels, {
      grafana_datasource: '1',
    })
  })

  test('a second run makes nothing', async () => {
    influx.writes.length = 0
    const { code, out } = await run()
    assert.equal(code, 0)
    assert.doesNotMatch(out, /^[+~]/m)
    assert.deepEqual([...new Set(influx.writes)], ['PATCH tasks']) // with the text that it has
  })

  test('another time to keep is taken over; a token that InfluxDB forgot is made anew', async () => {
    influx.authorizations.shift()
    const { out } = await run({ RAW_RETENTION: '7d' })
    assert.match(out, /^~ bucket proxmox keeps 7d$/m)
    assert.match(out, /^\+ token in influxdb\/proxmox-token$/m)
    assert.match(out, /^= token in influxdb\/telegraf-token$/m)
  })

  test('what is wrong is said, and ends it', async () => {
    const cases: [Record<string, string>, RegExp][] = [
      [{ RAW_RETENTION: 'a month' }, /x a month is no time to keep/],
      [{ RAW_RETENTION: '0d' }, /x 0d is no time to keep/],
      [{ ADMIN_TOKEN_FILE: join(folder, 'token') }, /x InfluxDB knows no organisation homelab, or not the token/],
    ]
    for (const [change, expected] of cases) {
      const { code, err } = await run(change)
      assert.notEqual(code, 0)
      assert.match(err, expected)
    }
  })

  test('no secret is printed', async () => {
    secrets.clear()
    const { out, err } = await run()
    assert.doesNotMatch(out + err, /of-the-test|made-token/)
  })
})
