// H: releases that a killed helm left, that somebody else holds, owns or has changed.
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { K8sObject } from '../../../scripts/lib/k8s.ts'
import { root } from '../../../scripts/lib/root.ts'
import { run } from '../../../scripts/lib/shell.ts'
import { temporaryFolder } from '../../temporary.ts'
import { Fails, type Row } from '../row.ts'
import { releaseRecord } from '../state.ts'
import { bootstrap, shown, type Trial } from '../trial.ts'

const record = (revision: number) => `sh.helm.release.v1.traefik.v${revision}`

/** Traefik's newest revision, as the cluster has it. */
async function newest(trial: Trial): Promise<{ revision: number; secret: K8sObject }> {
  const found = await trial.admin.list('secrets', { namespace: 'traefik', labels: 'owner=helm,name=traefik' })
  const of = (one: K8sObject) => Number(one.metadata.labels?.version ?? 0)
  const [secret] = found.sort((a, b) => of(b) - of(a))
  if (!secret) throw new Error('Traefik has no release')
  return { revision: of(secret), secret }
}

/** Leaves Traefik's release as a killed helm of ours would. */
async function leave(trial: Trial, status: string): Promise<void> {
  const { revision: last, secret: found } = await newest(trial)
  const first = status === 'pending-install'
  const revision = first ? 1 : last + 1
  const { info, ...rest } = releaseRecord(found) as { info: object }
  const text = JSON.stringify({ ...rest, version: revision, info: { ...info, status } })
  const release = Buffer.from(gzipSync(text).toString('base64')).toString('base64')
  const { labels } = found.metadata
  if (first) await trial.kubectl(['delete', 'secret', '-n', 'traefik', '-l', 'owner=helm'])
  await trial.kubectl(
    ['create', '-f', '-'],
    [
      {
        ...found,
        metadata: {
          name: record(revision),
          namespace: 'traefik',
          labels: { ...labels, status, version: String(revision), 'homelab/run': randomUUID() },
        },
        data: { release },
      },
    ],
  )
}

const pending = (status: string): Row => ({
  id: `H1-${status.replace('pending-', '')}`,
  on: 'built',
  fault: `the newest revision of Traefik's release is ${status}`,
  expect: 'repaired with one line, complete values',
  ...(status === 'pending-upgrade' ? { quick: true as const } : {}),
  async run(trial) {
    await leave(trial, status)
    const ended = await trial.run()
    const line = ended.events.find(({ text }) => text?.startsWith('repaired'))?.text ?? ''
    trial.expect(line.includes(status), `no repair was told: ${shown(ended)}`)
    trial.fired(line)
    await trial.converged(ended)
  },
})

/** A chart whose hook never ends: its helm stays at work. */
function endlessChart(): string {
  const folder = temporaryFolder('endless')
  mkdirSync(join(folder, 'templates'))
  writeFileSync(join(folder, 'Chart.yaml'), JSON.stringify({ apiVersion: 'v2', name: 'traefik', version: '1.0.0' }))
  const pod = {
    restartPolicy: 'Never',
    nodeSelector: { none: 'such' },
    containers: [{ name: 'a', image: 'example.org/a:1' }],
  }
  const job = {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'endless', annotations: { 'helm.sh/hook': 'pre-install' } },
    spec: { template: { spec: pod } },
  }
  writeFileSync(join(folder, 'templates/job.yaml'), JSON.stringify(job))
  return folder
}

const traefik = (metadata: Partial<K8sObject['metadata']>): object[] => [
  { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'traefik' } },
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'traefik', namespace: 'traefik', ...metadata },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app: 'traefik' } },
      template: {
        metadata: { labels: { app: 'traefik' } },
        spec: { containers: [{ name: 'traefik', image: 'example.org/traefik:1' }] },
      },
    },
  },
]

const owned = (who: string, fault: string, metadata: Partial<K8sObject['metadata']>, words: RegExp): Row => ({
  id: `H3-${who}`,
  fault,
  expect: 'refused before the first write; the owner is named, and the way to hand it over',
  ends: 'refused',
  ...(who === 'argo' ? { quick: true as const } : {}),
  async run(trial) {
    await trial.others(traefik(metadata))
    const ended = await trial.run()
    trial.fired('the Deployment was there')
    trial.refused(ended, 3, words)
    trial.untouched(ended.writes)
    await trial.kubectl(['delete', 'namespace', 'traefik'])
  },
})

export const helm: readonly Row[] = [
  ...['pending-install', 'pending-upgrade', 'pending-rollback'].map(pending),
  {
    id: 'H2',
    fault: 'a helm of somebody else is at work on Traefik’s release',
    expect: 'refused; its record is left alone',
    ends: 'refused',
    async run(trial) {
      const { programs, adminKubeconfig, context } = trial.sandbox
      const args = ['install', 'traefik', endlessChart(), '-n', 'traefik', '--create-namespace', '--timeout', '120s']
      const other = spawn(programs.helm, [...args, `--kubeconfig=${adminKubeconfig}`, `--kube-context=${context}`], {
        stdio: 'ignore',
      })
      try {
        await trial.until('its release is pending', async () => {
          const found = await trial.admin.find(`secret/traefik/${record(1)}`)
          return found?.metadata.labels?.status === 'pending-install'
        })
        const ended = await trial.run('bootstrap/04-traefik.ts')
        if (other.exitCode !== null) throw new Fails('void', 'the other helm had ended')
        trial.fired(`helm ${other.pid} was at work`)
        trial.refused(ended, 3, /another helm is at work on the release traefik/)
        trial.expect((await trial.admin.find(`secret/traefik/${record(1)}`)) !== undefined, 'its record was deleted')
      } finally {
        other.kill('SIGKILL')
      }
    },
  },
  owned(
    'kubectl',
    'a Traefik that somebody made with kubectl',
    {},
    /belongs to an installation without Helm already.*annotate/s,
  ),
  owned(
    'release',
    'a Traefik of another release',
    {
      labels: { 'app.kubernetes.io/managed-by': 'Helm' },
      annotations: { 'meta.helm.sh/release-name': 'door', 'meta.helm.sh/release-namespace': 'default' },
    },
    /belongs to the Helm release default\/door already/,
  ),
  owned(
    'argo',
    'a Traefik of an Argo CD Application',
    { annotations: { 'argocd.argoproj.io/tracking-id': 'door:apps/Deployment:traefik/traefik' } },
    /belongs to Argo CD's Application door already/,
  ),
  {
    id: 'H4-scale',
    on: 'built',
    fault: 'kubectl scale takes Traefik down to nothing',
    expect: 'a run puts it back',
    quick: true,
    async run(trial) {
      await trial.kubectl(['scale', 'deployment', '-n', 'traefik', 'traefik', '--replicas=0'])
      const ended = await trial.run()
      trial.expect(ended.summary?.changes === 1, `${ended.summary?.changes} changes instead of 1`)
      trial.fired(ended.events.find(({ event }) => event === 'did')?.text ?? '')
      await trial.converged(ended)
    },
  },
  {
    id: 'H4-edit',
    on: 'built',
    fault: 'kubectl edit changes an image and deletes a Service of Argo CD',
    expect: 'a run puts both back',
    async run(trial) {
      await trial.kubectl(['set', 'image', '-n', 'argocd', 'deployment/argocd-server', '*=example.org/other:1'])
      await trial.kubectl(['delete', 'service', '-n', 'argocd', 'argocd-server'])
      const ended = await trial.run()
      trial.fired('an image and a Service had been changed')
      await trial.converged(ended)
    },
  },
  {
    id: 'H7',
    on: 'built',
    fault: "somebody's helm upgrade with bad values has failed",
    expect: 'the values of this repository win, all of them',
    async run(trial) {
      const { programs, adminKubeconfig, context } = trial.sandbox
      const chart = join(root, 'infrastructure/sandbox/charts/traefik')
      const args = ['upgrade', 'traefik', chart, '-n', 'traefik', '--reuse-values', '--set', 'deployment.replicas=-1']
      const ran = await run(programs.helm, [...args, `--kubeconfig=${adminKubeconfig}`, `--kube-context=${context}`], {
        timeout: 60,
      })
      const { secret } = await newest(trial)
      if (secret.metadata.labels?.status !== 'failed')
        throw new Fails('void', `the upgrade did not fail: ${ran.stderr}`)
      trial.fired(ran.stderr.trim().split('\n').at(-1) ?? '')
      await trial.converged(await trial.run(bootstrap))
    },
  },
]
