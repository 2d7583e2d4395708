// Argo CD's programs in the place of its fake pods: told by their own ConfigMaps, met on loopback.
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { socketPath } from '../paths.ts'
import { configured, extraOf, extraPort, extraProgram } from '../place.ts'
import { type Launch, type LocalProgram, ownArguments, type Place } from '../pod.ts'
import { freePort } from '../ports.ts'

const image = /(^|\/)argoproj\/argocd$/

/** Its applicationset controller is scaled to 0 by our values, and no program stands for it. */
export const argocdPrograms: readonly LocalProgram[] = [
  ...(['application-controller', 'repo-server', 'server'] as const).map(
    (role): LocalProgram => ({
      name: `argocd-${role}`,
      extra: 'argocd',
      image,
      only: (_, { args = [] }) => args[0]?.endsWith(`/argocd-${role}`) ?? false, // one image for all of them
      launch: place => launch(role, place),
    }),
  ),
  {
    name: 'argocd-redis',
    extra: 'argocd',
    image: /(^|\/)redis$/,
    only: ({ metadata }) => metadata.labels?.['app.kubernetes.io/part-of'] === 'argocd',
    launch: redis,
  },
]

async function launch(role: 'application-controller' | 'repo-server' | 'server', place: Place): Promise<Launch> {
  const { pod, container, dir, kubeconfig } = place
  const argocd = extraOf(place, 'argocd')
  const [repository, redis] = [extraPort(place, 'argocd', 'repo-server'), extraPort(place, 'argocd', 'redis')]
  const [port, metrics] = [role === 'repo-server' ? repository : await freePort(), await freePort()]
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
  const repoServer = [`--repo-server=127.0.0.1:${repository}`, '--repo-server-plaintext']
  const args = {
    'application-controller': [...cluster, ...repoServer, `--metrics-port=${metrics}`],
    'repo-server': [...listening, '--disable-tls', '--client-ca-path='],
    server: [...cluster, ...listening, ...repoServer],
  }[role]
  return {
    path: await extraProgram(place, 'argocd', 'argocd', `argocd-${role}`),
    args: [...told, ...args, `--redis=127.0.0.1:${redis}`],
    env: {
      ...env,
      // Its helm and kustomize, before any that this machine has.
      PATH: [argocd.dir, dirname(place.record.programs.helm), process.env.PATH ?? ''].join(':'),
      HOME: dir, // neither git's nor helm's settings of the person
      TMPDIR: tmp,
      KUBECONFIG: kubeconfig,
      ARGOCD_FAKE_IN_CLUSTER: 'true', // "the cluster that I run in" is the one of this kubeconfig
      ARGOCD_GPG_ENABLED: 'false',
      ARGOCD_SYNC_WAVE_DELAY: '0', // a wave begins when the one before is healthy, without two seconds of grace
      // Right after a sync it has often not heard yet of what it made, and syncs the same once more: it gives the news five
      // seconds, instead of none the first time and more each time after.
      ARGOCD_APPLICATION_CONTROLLER_SELF_HEAL_TIMEOUT_SECONDS: '5',
      ARGOCD_APPLICATION_CONTROLLER_SELF_HEAL_BACKOFF_TIMEOUT_SECONDS: '0',
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
  const port = extraPort(place, 'argocd', 'redis')
  return {
    path: await extraProgram(place, 'argocd', 'argocd-redis'),
    args: ['-address', `127.0.0.1:${port}`],
    env: { REDIS_PASSWORD },
    ports: { '6379/tcp': port },
  }
}
