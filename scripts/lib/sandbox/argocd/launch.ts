// Argo CD's programs in the place of its fake pods: told by their own ConfigMaps, met on loopback.
import { mkdir, rm, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { socketPath } from '../paths.ts'
import { environment, type Launch, type LocalProgram, ownArguments, type Place } from '../pod.ts'
import { freePort } from '../ports.ts'

const image = /(^|\/)argoproj\/argocd$/

/** Its applicationset controller is scaled to 0 by our values, and no program stands for it. */
export const argocdPrograms: readonly LocalProgram[] = [
  ...(['application-controller', 'repo-server', 'server'] as const).map(
    (role): LocalProgram => ({
      name: `argocd-${role}`,
      image,
      only: (_, { args = [] }) => args[0]?.endsWith(`/argocd-${role}`) ?? false, // one image for all of them
      launch: place => launch(role, place),
    }),
  ),
  {
    name: 'argocd-redis',
    image: /(^|\/)redis$/,
    only: ({ metadata }) => metadata.labels?.['app.kubernetes.io/part-of'] === 'argocd',
    launch: redis,
  },
]

async function launch(role: 'application-controller' | 'repo-server' | 'server', place: Place): Promise<Launch> {
  const { pod, container, dir, kubeconfig } = place
  const argocd = own(place)
  const [port, metrics] = [role === 'repo-server' ? argocd.repoServer : await freePort(), await freePort()]
  const env = await configured(place)
  const tmp = join(dir, 'tmp')
  await mkdir(tmp, { recursive: true })
  const told = ownArguments(container, env, ['port', 'metrics-port', 'address', 'metrics-address']).slice(1)
  const cluster = ['--kubeconfig', kubeconfig, '--namespace', pod.metadata.namespace]
  const listening = [
    '--address=127.0.0.1',
    `--port=${port}`,
    '--metrics-address=127.0.0.1',
    `--metrics-port=${metrics}`,
  ]
  const repoServer = [`--repo-server=127.0.0.1:${argocd.repoServer}`, '--repo-server-plaintext']
  const args = {
    'application-controller': [...cluster, ...repoServer, `--metrics-port=${metrics}`],
    'repo-server': [...listening, '--disable-tls', '--client-ca-path='],
    server: [...cluster, ...listening, ...repoServer],
  }[role]
  return {
    path: await link(place, `argocd-${role}`, 'argocd'),
    args: [...told, ...args, `--redis=127.0.0.1:${argocd.redis}`],
    env: {
      ...env,
      // Its helm and kustomize, before any that this machine has.
      PATH: [argocd.dir, dirname(place.record.programs.helm), process.env.PATH ?? ''].join(':'),
      HOME: dir, // neither git's nor helm's settings of the person
      TMPDIR: tmp,
      KUBECONFIG: kubeconfig,
      ARGOCD_FAKE_IN_CLUSTER: 'true', // "the cluster that I run in" is the one of this kubeconfig
      ARGOCD_GPG_ENABLED: 'false',
      ARGOCD_ASK_PASS_SOCK: socketPath(place.record.dir, 'ask-pass'),
      ...Object.fromEntries(['HELM_CACHE_HOME', 'HELM_CONFIG_HOME', 'HELM_DATA_HOME'].map(name => [name, tmp])),
    },
    ports: {
      'application-controller': { '8082/tcp': metrics },
      'repo-server': { '8081/tcp': port, '8084/tcp': metrics },
      server: { '8080/tcp': port, '8083/tcp': metrics },
    }[role],
  }
}

/** Not Redis itself but a small one in Go; it holds nothing that Argo CD cannot make again. */
async function redis(place: Place): Promise<Launch> {
  const { REDIS_PASSWORD = '' } = await configured(place)
  const { redis: port } = own(place)
  return {
    path: await link(place, 'argocd-redis', 'argocd-redis'),
    args: ['-address', `127.0.0.1:${port}`],
    env: { REDIS_PASSWORD },
    ports: { '6379/tcp': port },
  }
}

function own({ record }: Place): NonNullable<Place['record']['argocd']> {
  if (!record.argocd) throw new Error('this sandbox was not asked to run Argo CD')
  return record.argocd
}

/** The program under the name that says what it is to do, in a folder that says whose it is. */
async function link({ record, dir }: Place, name: string, program: string): Promise<string> {
  const path = join(dir, name)
  await rm(path, { force: true })
  await symlink(join(record.argocd?.dir ?? '', program), path)
  return path
}

/** The container's environment, with what stands in ConfigMaps and Secrets; what is missing there is left out. */
async function configured({ api, pod, container }: Place): Promise<Record<string, string>> {
  const env = environment(pod, container)
  const read = async (kind: string, name: string) => {
    const path = `/api/v1/namespaces/${pod.metadata.namespace}/${kind}/${name}`
    return (await api.request<{ data?: Record<string, string> }>('GET', path)).body.data ?? {}
  }
  for (const { name, valueFrom } of container.env ?? []) {
    const { configMapKeyRef: map, secretKeyRef: secret } = valueFrom ?? {}
    const text = map ? (await read('configmaps', map.name))[map.key] : undefined
    const hidden = secret ? (await read('secrets', secret.name))[secret.key] : undefined
    const value = text ?? (hidden === undefined ? undefined : Buffer.from(hidden, 'base64').toString())
    if (value !== undefined) env[name] = value
  }
  return env
}
