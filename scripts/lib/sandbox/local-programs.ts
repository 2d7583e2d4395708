// Which real programs run in the place of a fake pod's container, and how each is started. Data and argument builders.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isMap, parseDocument } from 'yaml'
import { argocdPrograms } from './argocd/launch.ts'
import { velero } from './backup/velero.ts'
import { gatekeeperPrograms } from './gatekeeper.ts'
import { operatorPrograms } from './operator.ts'
import { secretMounts } from './place.ts'
import {
  type Container,
  environment,
  type Launch,
  type LocalProgram,
  ownArguments,
  type Place,
  type Pod,
  splitImage,
} from './pod.ts'
import { freePort } from './ports.ts'
import { sealedSecrets } from './secrets.ts'

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
  ...argocdPrograms,
  sealedSecrets,
  velero,
  ...operatorPrograms,
  ...gatekeeperPrograms,
]

/** Not a process: the agent itself plays this provisioner while its pod is Ready. */
export const provisionerName = 'local-path-provisioner'

/** The program that stands for a container of this pod, if any does. */
export function localProgramOf(pod: Pod): { local: LocalProgram; container: Container } | undefined {
  for (const container of pod.spec.containers) {
    const { name } = splitImage(container.image)
    const local = localPrograms.find(one => one.image.test(name) && (one.only?.(pod, container) ?? true))
    if (local) return { local, container }
  }
  return undefined
}

/** MetalLB: assigns addresses and validates pools. Its webhook port and its loopback come from our patch (programs.ts). */
async function metallb({ pod, container, dir, kubeconfig }: Place): Promise<Launch> {
  const [webhook, health, metrics] = [await freePort(), await freePort(), await freePort()]
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
      `--port=${metrics}`,
      `--health-probe-port=${health}`,
      `--cert-dir=${certs}`,
      `--namespace=${pod.metadata.namespace}`,
    ],
    env: { ...env, KUBECONFIG: kubeconfig, TMPDIR: dir, METALLB_WEBHOOK_PORT: String(webhook) },
    ports: { '9443/tcp': webhook, '9120/tcp': metrics },
    secrets: secretMounts(pod, container, mountPath => (mountPath.endsWith('/serving-certs') ? certs : undefined)),
  }
}

/** cert-manager: our own main over its packages (infrastructure/sandbox/tools/cert-manager) with flags of its own. */
async function certManager(role: 'controller' | 'webhook' | 'cainjector', place: Place): Promise<Launch> {
  const { pod, container, kubeconfig } = place
  const args = [role, '-kubeconfig', kubeconfig, '-namespace', pod.metadata.namespace]
  if (role === 'cainjector') return { args, env: {}, ports: {} }
  const port = await freePort()
  if (role === 'controller') return { args: [...args, '-metrics', String(port)], env: {}, ports: { '9402/tcp': port } }
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
