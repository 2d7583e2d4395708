// Which real programs run in the place of a fake pod's container, and how each is started. Data and argument builders.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isMap, parseDocument } from 'yaml'
import type { Api, KubeObject } from './api.ts'
import { freePort } from './ports.ts'
import type { ProgramName } from './programs.ts'

export interface Container {
  name: string
  image: string
  args?: string[]
  env?: { name: string; value?: string; valueFrom?: { fieldRef?: { fieldPath: string } } }[]
  ports?: { name?: string; containerPort: number; protocol?: string }[]
  volumeMounts?: { name: string; mountPath: string }[]
}

export interface Pod extends KubeObject {
  spec: {
    nodeName?: string
    serviceAccountName?: string
    containers: Container[]
    volumes?: { name: string; secret?: { secretName: string }; persistentVolumeClaim?: { claimName: string } }[]
  }
  status?: { podIP?: string; phase?: string; conditions?: { type: string; status: string }[] }
}

/** What a builder may use. */
export interface Place {
  api: Api
  pod: Pod & { metadata: { namespace: string } }
  container: Container
  /** A folder of this process alone. */
  dir: string
  /** Reaches the API server as the pod's ServiceAccount. */
  kubeconfig: string
  /** The folder that stands for a claim's volume; it lives as long as the volume. */
  volume: (claim: string) => string | undefined
}

export interface Launch {
  args: string[]
  env: Record<string, string>
  /** `9443/tcp` of the container → port on 127.0.0.1 */
  ports: Record<string, number>
  /** Secrets that a kubelet would have put into folders, kept up to date while the program runs. */
  secrets?: { name: string; dir: string }[]
}

export interface LocalProgram {
  /** The name by which it is switched off, and that of its log. */
  name: string
  program: ProgramName
  /** The version that runs, a key of `Programs.versions`: a pod that names another one is noted in the log. */
  version: 'metallb' | 'cert-manager' | 'adguard'
  /** Matches the container's image, without registry, tag and digest. */
  image: RegExp
  launch: (place: Place) => Promise<Launch>
}

export const localPrograms: readonly LocalProgram[] = [
  {
    name: 'metallb-controller',
    program: 'metallb-controller',
    version: 'metallb',
    image: /(^|\/)metallb\/controller$/,
    launch: metallb,
  },
  ...(['controller', 'webhook', 'cainjector'] as const).map(
    (role): LocalProgram => ({
      name: `cert-manager-${role}`,
      program: 'cert-manager',
      version: 'cert-manager',
      image: new RegExp(`(^|/)cert-manager-${role}$`),
      launch: place => certManager(role, place),
    }),
  ),
  {
    name: 'adguard',
    program: 'adguardhome',
    version: 'adguard',
    image: /(^|\/)adguard\/adguardhome$/,
    launch: adguard,
  },
]

/** Not a process: the agent itself plays this provisioner while its pod is Ready. */
export const provisionerName = 'local-path-provisioner'

/** `registry:5000/a/b:v1@sha256:…` → `a/b` with the registry kept, tag `v1`. */
export function splitImage(image: string): { name: string; tag: string } {
  const [, name = image, tag = ''] = /^(.+?)(?::([^/:@]+))?(?:@.+)?$/.exec(image) ?? []
  return { name, tag }
}

/** The program that stands for a container of this pod, if any does. */
export function localProgramOf(pod: Pod): { local: LocalProgram; container: Container } | undefined {
  for (const container of pod.spec.containers) {
    const { name } = splitImage(container.image)
    const local = localPrograms.find(candidate => candidate.image.test(name))
    if (local) return { local, container }
  }
  return undefined
}

export const isReady = (pod: Pod): boolean =>
  !pod.metadata.deletionTimestamp &&
  (pod.status?.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True')

/** The container's environment as far as it is literal or from the pod's own fields. */
export function environment(pod: Pod, container: Container): Record<string, string> {
  const fields: Record<string, string | undefined> = {
    'metadata.name': pod.metadata.name,
    'metadata.namespace': pod.metadata.namespace,
    'metadata.uid': pod.metadata.uid,
    'spec.nodeName': pod.spec.nodeName,
    'spec.serviceAccountName': pod.spec.serviceAccountName,
    'status.podIP': pod.status?.podIP,
  }
  const env: Record<string, string> = {}
  for (const { name, value, valueFrom } of container.env ?? []) {
    const text = valueFrom ? fields[valueFrom.fieldRef?.fieldPath ?? ''] : (value ?? '')
    if (text !== undefined) env[name] = text
  }
  return env
}

/**
 * The container's own arguments with `$(NAME)` filled in, without those flags that name ports and folders of a
 * container: here they mean nothing, and the builder gives its own.
 */
export function ownArguments(container: Container, env: Record<string, string>, without: readonly string[]): string[] {
  return (container.args ?? [])
    .map(argument => argument.replace(/\$\((\w+)\)/g, (whole, name: string) => env[name] ?? whole))
    .filter(argument => !without.includes(argument.replace(/^--?/, '').split('=')[0] ?? ''))
}

/** MetalLB: assigns addresses and validates pools. Its webhook port and its loopback come from our patch (programs.ts). */
async function metallb({ pod, container, dir, kubeconfig }: Place): Promise<Launch> {
  const [webhook, health] = [await freePort(), await freePort()]
  const certs = join(dir, 'k8s-webhook-server', 'serving-certs') // below TMPDIR, where its webhook server looks
  await mkdir(certs, { recursive: true })
  const env = environment(pod, container)
  return {
    args: [
      ...ownArguments(container, env, [
        'port',
        'health-probe-port',
        'cert-dir',
        'metrics-cert-dir',
        'namespace',
        'pprof-bind-address',
      ]),
      '--port=0',
      `--health-probe-port=${health}`,
      `--cert-dir=${certs}`,
      `--namespace=${pod.metadata.namespace}`,
    ],
    env: { ...env, KUBECONFIG: kubeconfig, TMPDIR: dir, METALLB_WEBHOOK_PORT: String(webhook) },
    ports: { '9443/tcp': webhook },
    secrets: secretMounts(pod, container, mountPath => (mountPath.endsWith('/serving-certs') ? certs : undefined)),
  }
}

function secretMounts(
  pod: Pod,
  container: Container,
  where: (mountPath: string) => string | undefined,
): { name: string; dir: string }[] {
  return (container.volumeMounts ?? []).flatMap(({ name, mountPath }) => {
    const secret = pod.spec.volumes?.find(volume => volume.name === name)?.secret?.secretName
    const dir = where(mountPath)
    return secret && dir ? [{ name: secret, dir }] : []
  })
}

/** cert-manager: our own main over its packages (infrastructure/sandbox/tools/cert-manager) with flags of its own. */
async function certManager(role: 'controller' | 'webhook' | 'cainjector', place: Place): Promise<Launch> {
  const { pod, container, kubeconfig } = place
  const args = [role, '-kubeconfig', kubeconfig, '-namespace', pod.metadata.namespace]
  if (role !== 'webhook') return { args, env: {}, ports: {} }
  const port = await freePort()
  const flag = (name: string) =>
    (container.args ?? []).find(text => text.startsWith(`--${name}=`))?.slice(name.length + 3)
  const service = flag('dynamic-serving-ca-secret-name')?.replace(/-ca$/, '') ?? 'cert-manager-webhook'
  return {
    args: [...args, '-port', String(port), '-service', service],
    env: {},
    ports: { [`${flag('secure-port') ?? '10250'}/tcp`]: port },
  }
}

/**
 * AdGuard Home: a real DNS server and API. Its configuration is seeded as the pod's init container would, once for a
 * volume; from then on it is the program's. Only addresses and ports are set at each start.
 */
async function adguard({ api, pod, dir, volume }: Place): Promise<Launch> {
  const { namespace } = pod.metadata
  const read = async <T>(kind: string, name: string, key: string): Promise<T> => {
    const { status, body } = await api.request<{ data?: Record<string, T> }>(
      'GET',
      `/api/v1/namespaces/${namespace}/${kind}/${name}`,
    )
    const value = body.data?.[key]
    if (status !== 200 || value === undefined) throw new Error(`${kind} ${namespace}/${name} has no ${key} (${status})`)
    return value
  }
  const seed = await read<string>('configmaps', 'adguard-seed', 'AdGuardHome.yaml')
  const claim = pod.spec.volumes?.find(({ persistentVolumeClaim }) => persistentVolumeClaim)?.persistentVolumeClaim
    ?.claimName
  const data = (claim && volume(claim)) ?? dir
  const file = join(data, 'AdGuardHome.yaml')
  await mkdir(join(data, 'work'), { recursive: true })
  const kept = await readFile(file, 'utf8').catch(() => undefined)
  const hash =
    kept === undefined
      ? Buffer.from(await read<string>('secrets', 'adguard-admin', 'passwordHash'), 'base64').toString()
      : ''
  const [dns, http] = [await freePort(), await freePort()]
  const { text, ports } = adguardConfig(seed, kept, hash, { dns, http })
  await writeFile(`${file}.new`, text, { mode: 0o600 })
  await rename(`${file}.new`, file)
  return {
    args: ['--config', file, '--work-dir', join(data, 'work'), '--no-check-update', '--no-permcheck'],
    env: {},
    ports,
  }
}

/**
 * AdGuard's configuration for this machine, and which container port is which local one.
 * @param kept the file as the program last wrote it, or undefined to seed it
 */
export function adguardConfig(
  seed: string,
  kept: string | undefined,
  hash: string,
  local: { dns: number; http: number },
): { text: string; ports: Record<string, number> } {
  const original = parseDocument(seed.replaceAll('@PASSWORD_HASH@', hash))
  const config = kept === undefined ? original.clone() : parseDocument(kept)
  const dns = Number(original.getIn(['dns', 'port']) ?? 53)
  const http = Number(
    String(original.getIn(['http', 'address']) ?? ':3000')
      .split(':')
      .at(-1),
  )
  for (const section of ['dns', 'http']) if (!isMap(config.get(section))) config.set(section, config.createNode({}))
  config.setIn(['dns', 'bind_hosts'], config.createNode(['127.0.0.1']))
  config.setIn(['dns', 'port'], local.dns)
  config.setIn(['http', 'address'], `127.0.0.1:${local.http}`)
  return {
    text: String(config),
    ports: { [`${dns}/tcp`]: local.dns, [`${dns}/udp`]: local.dns, [`${http}/tcp`]: local.http },
  }
}
