// The sandbox's long-lived companion, one process a sandbox: network, local programs, volumes, and the end of it all.
//   node --import ../typescript.mjs agent.ts --dir DIR/
import { existsSync, mkdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { isRunning } from '../process.ts'
import { Api } from './api.ts'
import { S3Server, s3Name } from './backup/s3.ts'
import { destroy } from './down.ts'
import { type Ingress, due as ingressesDue, publish, traefikPod } from './ingress-status.ts'
import { provisionerName } from './local-programs.ts'
import { nodeAddress } from './nodes.ts'
import { egressSocket } from './paths.ts'
import type { Pod } from './pod.ts'
import { type Claim, Provisioner, provisionerPod, type Volume } from './provisioner.ts'
import { egressProxy, forward, type Net, outsideRoutes, route, type Service } from './proxy.ts'
import { readOff, readRecord, writeJson } from './record.ts'
import { serveFolder } from './serve-folder.ts'
import { Supervisor } from './supervisor.ts'

const { dir: folder } = parseArgs({ options: { dir: { type: 'string' } } }).values
const dir = resolve(folder ?? '.')
const record = await readRecord(dir)
if (!record) throw new Error(`no sandbox.json in ${dir}`)
mkdirSync(join(dir, 'logs'), { recursive: true })

const log = (text: string) => console.log(new Date().toISOString(), text)
const ending = new AbortController()

// The network first: the API server looks for it as soon as a webhook is registered.
let net: Net | undefined
const socket = egressSocket(dir)
await rm(socket, { force: true })
egressProxy(socket, (host, port) => (net ? route(host, port, net) : { nobody: 'the sandbox is still starting' }), log)

// kwokctl makes the client certificate that we need while it starts the API server.
while (!existsSync(join(record.pki, 'admin.key')) || !existsSync(join(record.pki, 'admin.crt'))) {
  await new Promise(done => setTimeout(done, 50))
  if (!existsSync(dir)) process.exit(0)
}
const api = await Api.open(record.server, record.pki)

serveFolder(join(dir, 'charts'), record.chartServer)

let due = false
/** Many changes come at once: one look a moment later serves them all. */
const changed = () => {
  if (!due) setTimeout(reconcile, 10)
  due = true
}
let off: ReadonlySet<string> = new Set(await readOff(dir))
const { signal } = ending
const pods = api.mirror<Pod>('/api/v1/pods', changed, signal)
const services = api.mirror<Service>('/api/v1/services', changed, signal)
const claims = api.mirror<Claim>('/api/v1/persistentvolumeclaims', changed, signal)
const volumes = api.mirror<Volume>('/api/v1/persistentvolumes', changed, signal)
const ingresses = api.mirror<Ingress>('/apis/networking.k8s.io/v1/ingresses', changed, signal)
/** Ingress → the version and the address of the last attempt. */
const published = new Map<string, string>()

const volumeDir = (uid: string) => join(dir, 'volumes', `pvc-${uid}`)
const supervisor = new Supervisor({
  record,
  api,
  log,
  changed,
  volume: (pod, claim) => {
    for (const { metadata } of claims.values())
      if (metadata.namespace === pod.metadata.namespace && metadata.name === claim) return volumeDir(metadata.uid)
    return undefined
  },
})
const provisioner = new Provisioner(api, log)
const s3 = new S3Server(record, log)
net = {
  services: { [Symbol.iterator]: () => services.values() },
  pods: { [Symbol.iterator]: () => pods.values() },
  nodeAddresses: new Set(record.nodes.map((_, index) => nodeAddress(index))),
  kubeletPort: record.kubeletPort,
  portOf: (pod, port) => supervisor.portOf(pod, port),
}
for (const { namespace, pod: name, port, local } of record.forwards)
  forward(local, () => {
    for (const pod of pods.values())
      if (pod.metadata.namespace === namespace && pod.metadata.name === name)
        return supervisor.portOf(pod, `${port}/tcp`)
    return undefined
  })

const written = new Map<string, string>()
/** For whoever looks from outside; written when it is another than before. */
function keep(file: string, value: unknown): void {
  const text = JSON.stringify(value)
  if (text === written.get(file)) return
  written.set(file, text)
  void writeJson(join(dir, file), value).catch(() => undefined)
}

function reconcile(): void {
  due = false
  if (signal.aborted || !net) return
  supervisor.reconcile(pods.values(), off)
  s3.reconcile(off.has(s3Name))
  const provides = off.has(provisionerName) ? undefined : provisionerPod(pods.values())
  provisioner.reconcile(provides, claims.values(), volumes.values(), volume => {
    const uid = volume.spec.claimRef?.uid
    if (uid) void rm(volumeDir(uid), { recursive: true, force: true })
  })
  keep('routes.json', { ...outsideRoutes(net), ...s3.routes() })
  publishIngresses()
  keep('programs.json', supervisor.names())
}

function publishIngresses(): void {
  const pod = traefikPod(pods.values())
  const due = ingressesDue(pod, services.values(), ingresses.values())
  for (const ingress of due?.ingresses ?? []) {
    const { uid = '', resourceVersion, name } = ingress.metadata
    const attempt = `${resourceVersion} ${due?.ip}`
    if (!pod || !due || published.get(uid) === attempt) continue
    published.set(uid, attempt)
    void publish(api, pod, due.ip, ingress).then(
      // Conflict: somebody was faster, and the mirror brings the new version.
      status => {
        if (status !== 200 && status !== 409) log(`ingress ${name}: status not written (${status})`)
      },
      (error: Error) => log(`ingress ${name}: ${error.message}`),
    )
  }
}

/** Once a second: what is switched off, and whether somebody still wants this sandbox. */
const heartbeat = setInterval(async () => {
  const now = await readRecord(dir).catch(() => undefined)
  if (!now) return void end('its folder is gone', true)
  if (now.ownerPid !== undefined && !isRunning(now.ownerPid))
    return void end(`its owner (process ${now.ownerPid}) is gone`, true)
  off = new Set(await readOff(dir))
  reconcile()
}, 1000)

async function end(why: string, everything: boolean): Promise<void> {
  if (signal.aborted) return
  ending.abort()
  clearInterval(heartbeat)
  log(`ending: ${why}`)
  s3.stop()
  await supervisor.stop()
  if (everything) await destroy(dir)
  process.exit(0)
}
// Whatever goes wrong in one place, the rest of the sandbox goes on; the log says what it was.
process.on('uncaughtException', error => log(`a mistake in the agent: ${error.stack}`))
process.on('SIGTERM', () => void end('asked to', false))
process.on('SIGINT', () => void end('asked to', false))
log(`agent of sandbox ${record.name}`)
