// Gatekeeper in the place of its two fake pods: the webhook that judges what enters, and the audit of what is there.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { extraProgram, secretMounts } from './place.ts'
import {
  type Container,
  environment,
  type Launch,
  type LocalProgram,
  ownArguments,
  type Place,
  type Pod,
} from './pod.ts'
import { freePort } from './ports.ts'

const does = (operation: string) => (_: Pod, container: Container) =>
  (container.args ?? []).includes(`--operation=${operation}`)

export const gatekeeperPrograms: readonly LocalProgram[] = (['webhook', 'audit'] as const).map(operation => ({
  name: `gatekeeper-${operation}`,
  extra: 'policies',
  image: /(^|\/)openpolicyagent\/gatekeeper$/,
  only: does(operation),
  launch,
}))

async function launch(place: Place): Promise<Launch> {
  const { pod, container, dir, kubeconfig } = place
  const [webhook, health, metrics] = [await freePort(), await freePort(), await freePort()]
  const [certs, cache] = [join(dir, 'certs'), join(dir, 'audit')]
  for (const folder of [certs, cache]) await mkdir(folder, { recursive: true }) // without the second no audit begins
  const env = environment(pod, container)
  const elsewhere = ['port', 'host', 'health-addr', 'prometheus-port', 'cert-dir', 'api-cache-dir']
  return {
    path: await extraProgram(place, 'policies', 'gatekeeper'),
    args: [
      ...ownArguments(container, env, elsewhere),
      '--host=127.0.0.1',
      `--port=${webhook}`,
      `--health-addr=127.0.0.1:${health}`,
      `--prometheus-port=${metrics}`,
      `--cert-dir=${certs}`,
      `--api-cache-dir=${cache}`,
    ],
    env: { ...env, KUBECONFIG: kubeconfig },
    ports: { '8443/tcp': webhook, '9090/tcp': health, '8888/tcp': metrics },
    secrets: secretMounts(pod, container, path => (path === '/certs' ? certs : undefined)),
  }
}
