// make proxmox: the settings, the first contact, the token out of the cluster, and what is said about it.
import type { Cluster } from '../cluster.ts'
import { createAsker } from '../configure/ask.ts'
import { exit, HomelabError } from '../errors.ts'
import { type K8sObject, mapAt, textAt } from '../k8s.ts'
import { paint, print, wrap } from '../output.ts'
import { Secret } from '../secrets.ts'
import { isYes } from '../site/confirm.ts'
import { withCluster } from '../site/right-cluster.ts'
import { keepInEnv, type Proxmox, type Site } from '../site/site.ts'
import { shakeHands } from './api.ts'
import { type InfluxToken, type Registration, register } from './register.ts'

const secretRef = 'secret/influxdb/proxmox-token'
const annotation = 'homelab/proxmox'
const say = (text: string) => print(text, process.stderr)

/** @throws HomelabError (exit 2) without settings, (exit 3) when a certificate is not confirmed */
export async function proxmox(site: Site, options: { id: string; plan: boolean; json: boolean }): Promise<void> {
  const { id, plan, json } = options
  if (!/^[a-z][a-z0-9_-]+$/i.test(id))
    throw new HomelabError({
      what: `${id} cannot be the name of a metric server`,
      why: 'Proxmox VE takes a letter, then letters, digits, _ and -',
      fix: 'make proxmox ID=homelab',
      code: exit.usage,
    })
  const access = await pinned(site, json)
  if (!json) say(`asking the cluster for the token, and ${access.url} for its metric servers …`)
  await withCluster(site, async cluster => {
    const influx = await tokenOf(cluster)
    const host = publishedAs(await cluster.list('ingresses', { namespace: 'influxdb' }))
    const target = { host, port: 443, organization: 'homelab', bucket: 'proxmox' }
    const keep = async (mark: string) => {
      const [, namespace = '', name = ''] = secretRef.split('/')
      const metadata = { name, namespace, annotations: { [annotation]: mark } }
      await cluster.apply([{ apiVersion: 'v1', kind: 'Secret', metadata }])
    }
    show(await register(access, target, { id, plan, influx, keep }), access, { plan, json })
  })
}

async function tokenOf(cluster: Cluster): Promise<InfluxToken> {
  const secret = await cluster.find(secretRef)
  const token = mapAt(secret, 'data').token
  if (!token)
    throw new HomelabError({
      what: 'InfluxDB has made no token for Proxmox VE yet',
      why: 'the Secret influxdb/proxmox-token does not exist; the setup of InfluxDB makes it after its first sync',
      fix: 'make status; then kubectl -n influxdb logs job/influxdb-setup',
    })
  const given = secret?.metadata.annotations?.[annotation]
  return { token: new Secret(Buffer.from(token, 'base64').toString()), ...(given ? { given } : {}) }
}

/**
 * The name under which InfluxDB answers: the environment's site.yaml says it (influxdbHost), and the cluster has it once
 * that is synced.
 * @throws HomelabError while there is none
 */
export function publishedAs(ingresses: readonly K8sObject[]): string {
  const ingress = ingresses.find(({ metadata }) => metadata.name === 'influxdb')
  const host = textAt(ingress?.spec, 'rules', '0', 'host')
  if (host) return host
  throw new HomelabError({
    what: 'InfluxDB is not published: Proxmox VE could not reach it',
    why: 'there is no Ingress influxdb/influxdb with a host',
    fix: 'make test-applications APP=influxdb says what its sync waits for',
  })
}

/** The settings, with a fingerprint: the one in .env, or the one that the owner confirms now. */
async function pinned(site: Site, json: boolean): Promise<Proxmox> {
  if (!site.proxmox)
    throw new HomelabError({
      what: `${site.file} says nothing about Proxmox VE`,
      why: 'PROXMOX_URL, PROXMOX_TOKEN_ID and PROXMOX_TOKEN_SECRET are needed',
      fix: 'infrastructure/docs/PROXMOX.md has the commands that make the token',
      code: exit.usage,
    })
  const access = site.proxmox
  if (access.fingerprint) return access
  const { socket, fingerprint, subject } = await shakeHands(access.url)
  socket.destroy()
  const refused = new HomelabError({
    what: `the certificate of ${access.url} was not confirmed`,
    why: `it shows ${fingerprint}; the token was not sent`,
    fix: `compare, then write it into ${site.file}: PROXMOX_FINGERPRINT=${fingerprint}`,
    code: exit.refused,
  })
  if (json || !process.stdin.isTTY) throw refused
  say(`First contact with ${access.url} (${subject}). Its certificate has the SHA-256 fingerprint`)
  for (const half of [fingerprint.slice(0, 48), fingerprint.slice(48)]) say(`  ${half}`)
  say('On the node itself, it is shown by')
  say('  pvenode cert info --output-format yaml | grep -i fingerprint')
  const asker = createAsker()
  const answer = await asker.line('Are they the same? [y/N] ')
  asker.close()
  if (!isYes(answer)) throw refused
  keepInEnv(site, { PROXMOX_FINGERPRINT: fingerprint })
  return { ...access, fingerprint }
}

function show(done: Registration, { url }: Proxmox, { plan, json }: { plan: boolean; json: boolean }): void {
  if (json) {
    print(JSON.stringify({ event: 'proxmox', url, plan, ...done }))
    return
  }
  const { id, result, changes, notices } = done
  const verb = {
    created: plan ? 'would be made' : 'made',
    changed: plan ? 'would change' : 'changed',
    unchanged: 'is as it should be',
  }
  const mark = { created: '+', changed: '~', unchanged: '=' }[result]
  print(`${mark} metric server ${id}: ${verb[result]}`)
  for (const change of changes) for (const line of wrap(change, 74)) print(`    ${line}`)
  for (const notice of notices) for (const line of wrap(`! ${notice}`, 78)) print(paint('yellow', `  ${line}`))
  if (plan) print('nothing was written')
  else if (result !== 'unchanged') print('the first values arrive within ten seconds, in the bucket proxmox')
}
