// What Velero has written into the bucket about a backup or a restore, read through an address that it signs for us.
import { readFileSync } from 'node:fs'
import { get as getHttp } from 'node:http'
import { get as getHttps } from 'node:https'
import { gunzipSync } from 'node:zlib'
import type { Cluster } from '../cluster.ts'
import { textAt } from '../k8s.ts'
import { hide } from '../redact.ts'
import type { Site } from '../site/site.ts'
import { namespace } from './velero.ts'

export type Target =
  | 'BackupContents'
  | 'BackupResourceList'
  | 'BackupResults'
  | 'RestoreResourceList'
  | 'RestoreResults'

/** `v1/Pod` → names, as `namespace/name` or `name`; of a restore with what became of it: `namespace/name(created)`. */
export type Resources = Readonly<Record<string, readonly string[]>>

export interface Results {
  errors: readonly string[]
  warnings: readonly string[]
}

/** The list of what is in it. */
export async function resources(at: Place, kind: 'Backup' | 'Restore', name: string): Promise<Resources> {
  return (JSON.parse(await text(at, `${kind}ResourceList`, name)) ?? {}) as Resources
}

/** What went wrong, and what Velero wants to have said; each with its namespace in front. */
export async function results(at: Place, kind: 'Backup' | 'Restore', name: string): Promise<Results> {
  const said = JSON.parse(await text(at, `${kind}Results`, name)) as Record<string, unknown>
  return { errors: flat(said.errors), warnings: flat(said.warnings) }
}

function flat(side: unknown): string[] {
  const {
    velero = [],
    cluster = [],
    namespaces = {},
  } = (side ?? {}) as {
    velero?: string[]
    cluster?: string[]
    namespaces?: Record<string, string[]>
  }
  return [
    ...velero,
    ...cluster.map(one => `cluster: ${one}`),
    ...Object.entries(namespaces).flatMap(([name, all]) => all.map(one => `${name}: ${one}`)),
  ]
}

export interface Place {
  cluster: Cluster
  site: Pick<Site, 'sandbox'>
}

const text = async (at: Place, target: Target, name: string): Promise<string> =>
  gunzipSync((await download(at, target, name)).body).toString()

/** The size of the archive with the objects, in bytes. */
export async function archiveSize(at: Place, name: string): Promise<number> {
  return (await download(at, 'BackupContents', name, true)).size
}

/**
 * One file of the bucket.
 * @throws Error in words for people when this computer cannot read it
 */
async function download(
  { cluster, site }: Place,
  kind: Target,
  name: string,
  sizeOnly = false,
): Promise<{ body: Buffer; size: number }> {
  const request = {
    apiVersion: 'velero.io/v1',
    kind: 'DownloadRequest',
    metadata: {
      name: `${name}-${Date.now().toString(36)}-${kind.toLowerCase()}`.slice(-63).replace(/^[^a-z0-9]+/, ''),
      namespace,
    },
    spec: { target: { kind, name } },
  }
  await cluster.create(request)
  try {
    const deadline = Date.now() + 20_000
    for (;;) {
      const url = textAt((await cluster.now(request))?.status, 'downloadURL')
      if (url) return await fetchFile(url, site, sizeOnly)
      if (Date.now() > deadline) throw new Error('Velero has signed no address for it within 20 s')
      await new Promise(done => setTimeout(done, 200))
    }
  } finally {
    await cluster.delete(request).catch(() => undefined) // Velero deletes it itself after ten minutes
  }
}

function fetchFile(
  text: string,
  site: Pick<Site, 'sandbox'>,
  sizeOnly: boolean,
): Promise<{ body: Buffer; size: number }> {
  const url = new URL(text)
  for (const [key, value] of url.searchParams) if (/signature|credential/i.test(key)) hide(value)
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80)
  const real = realAddress(site, url.hostname, port)
  const options = {
    ...real,
    servername: url.hostname,
    path: url.pathname + url.search,
    headers: { host: url.host },
    timeout: 20_000,
  }
  return new Promise((resolve, reject) => {
    const asked = (url.protocol === 'https:' ? getHttps : getHttp)(options, answer => {
      const size = Number(answer.headers['content-length'] ?? 0)
      if (answer.statusCode !== 200) reject(new Error(`${url.host} answers ${answer.statusCode}`))
      if (answer.statusCode !== 200 || sizeOnly) {
        answer.destroy()
        return resolve({ body: Buffer.alloc(0), size })
      }
      const chunks: Buffer[] = []
      answer.on('data', chunk => chunks.push(chunk))
      answer.on('error', reject)
      answer.on('end', () => resolve({ body: Buffer.concat(chunks), size }))
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer within 20 s')))
    asked.on('error', error => reject(new Error(`this computer does not reach ${url.host}: ${error.message}`)))
  })
}

/** In a rehearsal a local program answers for the address. */
function realAddress(site: Pick<Site, 'sandbox'>, host: string, port: number): { host: string; port: number } {
  if (!site.sandbox) return { host, port }
  const routes = JSON.parse(readFileSync(site.sandbox.routesFile, 'utf8')) as Record<string, string>
  const [, local = host, number = port] = /^(.+):(\d+)$/.exec(routes[`${host}:${port}/tcp`] ?? '') ?? []
  return { host: local, port: Number(number) }
}
