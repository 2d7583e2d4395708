// Prometheus' operator in the place of its fake pod: it makes the StatefulSets, whose pods are fake again, and checks rules.
import { mkdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
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

/** It looks once, when it starts, which of its kinds are there; on a node it comes later than here, after its image. */
const kinds = ['prometheuses', 'alertmanagers', 'servicemonitors', 'podmonitors', 'probes', 'prometheusrules']
const group = '/apis/monitoring.coreos.com/v1'

async function kindsServed({ api }: Place): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(300)) {
    const { status, body } = await api.request<{ resources?: { name: string }[] }>('GET', group)
    const names = new Set(status === 200 ? body.resources?.map(({ name }) => name) : [])
    if (kinds.every(kind => names.has(kind))) return
  }
}

async function operator(place: Place): Promise<Launch> {
  const { pod, container, dir, kubeconfig } = place
  await kindsServed(place)
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
