// Prometheus' operator in the place of its fake pod: it makes the StatefulSets, whose pods are fake again, and checks rules.
import { mkdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { extraProgram, secretMounts } from './place.ts'
import { environment, type Launch, type LocalProgram, ownArguments, type Place } from './pod.ts'
import { freePort } from './ports.ts'

export const operatorPrograms: readonly LocalProgram[] = [
  {
    name: 'prometheus-operator',
    extra: 'operator',
    image: /(^|\/)prometheus-operator\/prometheus-operator$/,
    launch: operator,
  },
]

async function operator(place: Place): Promise<Launch> {
  const { pod, container, dir, kubeconfig } = place
  const port = await freePort()
  const certs = join(dir, 'cert')
  await mkdir(certs, { recursive: true })
  const env = environment(pod, container)
  const args = ownArguments(container, env, ['web.listen-address']).map(text =>
    text.replace(/^(--web\.(?:cert|key|client-ca)-file=)(.+)/, (_, flag, file) => flag + join(certs, basename(file))),
  )
  return {
    path: await extraProgram(place, 'operator', 'prometheus-operator'),
    args: [...args, `--web.listen-address=127.0.0.1:${port}`],
    env: { ...env, KUBECONFIG: kubeconfig },
    ports: Object.fromEntries((container.ports ?? []).map(({ containerPort }) => [`${containerPort}/tcp`, port])),
    secrets: secretMounts(pod, container, path => (path === '/cert' ? certs : undefined)),
  }
}
