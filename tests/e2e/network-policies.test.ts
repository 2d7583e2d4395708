// Namespaces are closed before their first pod is there; those in use only when their owner has seen what that cuts.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readManifest } from '../../scripts/lib/fill.ts'
import { policiesFolder, readPolicies } from '../../scripts/lib/guardrails.ts'
import type { K8sObject } from '../../scripts/lib/k8s.ts'
import { standing } from '../../scripts/lib/policies/own.ts'
import { root } from '../../scripts/lib/root.ts'
import { checkout, Lab, sandboxFor } from './support.ts'

let lab: Lab
before(async () => {
  lab = new Lab(await sandboxFor('policies'))
})
after(() => lab?.end())

const all = 'bootstrap/bootstrap-all.ts'
const ours = async (namespace?: string) => (await standing(lab.cluster, namespace)).length
const account = (stdout: string) =>
  JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as {
    cut: string[]
    changes: string[]
    applied: boolean
    removed: number
  }

/** An application of the owner's that asks a page of Argo CD, or InfluxDB, by its name in the cluster. */
const asks = (address: string): K8sObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'asks', namespace: 'default' },
  spec: {
    selector: { matchLabels: { app: 'asks' } },
    template: {
      metadata: { labels: { app: 'asks' } },
      spec: {
        containers: [
          { name: 'asks', image: 'docker.io/library/busybox:1.37.0', env: [{ name: 'AT', value: address }] },
        ],
      },
    },
  },
})

test('a new cluster: each namespace is closed before its first pod, and a second run writes nothing', async () => {
  const first = await lab.run(all, ['--only', '01,02,03,04,05'])
  assert.equal(first.code, 0, first.stdout)
  const closed = first.events
    .filter(({ text }) => /\+ \d+ network policies of/.test(text ?? ''))
    .map(({ step }) => step)
  assert.deepEqual(closed.sort(), ['01-storage-class', '02-metallb', '03-adguard', '04-traefik', '05-cert-manager'])
  const pods = await lab.cluster.list('pods', { namespace: 'adguard' })
  const made = (one: K8sObject) => Date.parse(one.metadata.creationTimestamp ?? '')
  const policies = await standing(lab.cluster, 'adguard')
  assert.ok(policies.length > 3 && pods.length === 2)
  assert.ok(Math.max(...policies.map(made)) <= Math.min(...pods.map(made)), 'a pod was there before a policy')
  const second = await lab.run(all, ['--only', '01,02,03,04,05'])
  assert.deepEqual([second.summary?.changes, second.writes], [0, []])
})

test('a policy that is changed by hand or is of an earlier version is put right', async () => {
  const [one] = await standing(lab.cluster, 'traefik')
  assert.ok(one)
  await lab.cluster.delete(one)
  const [wanted] = readPolicies('traefik')
  assert.ok(wanted)
  await lab.cluster.apply([{ ...wanted, metadata: { ...wanted.metadata, name: 'of-last-year' } }])
  const { events, code } = await lab.run('bootstrap/04-traefik.ts')
  assert.equal(code, 0)
  const told = events.map(({ text }) => text ?? '').join('\n')
  assert.match(told, /\+ 1 network policy of traefik/)
  assert.match(told, /- NetworkPolicy traefik\/of-last-year/)
})

test('one command opens all of it again, and the steps leave what is in use as it is', async () => {
  const undone = await lab.run('scripts/network-policies.ts', ['--undo'])
  assert.equal(undone.code, 0, undone.stdout)
  assert.equal(await ours(), 0)
  const { events, summary, writes } = await lab.run(all, ['--only', '01,02,03,04,05'])
  assert.deepEqual([summary?.changes, writes], [0, []])
  const told = events.filter(({ text }) => /in use\. make network-policies/.test(text ?? ''))
  assert.equal(told.length, 5, told.map(({ text }) => text).join('\n'))
})

test('what would be cut is shown first: a flow of the owner’s own is named', async () => {
  await lab.cluster.apply([asks('http://adguard-ui-0.adguard.svc/login')])
  const { stdout, code, writes } = await lab.run('scripts/network-policies.ts', ['--plan'])
  assert.equal(code, 0, stdout)
  assert.deepEqual(writes, [])
  const { cut, changes } = account(stdout)
  assert.deepEqual(cut, ['default/asks → adguard/adguard-0 3000/TCP: an address in its configuration'])
  assert.ok(
    changes.some(line => /^\+ \d+ network policies of adguard$/.test(line)),
    changes.join('\n'),
  )
})

test('closed, a second time nothing is written', async () => {
  const first = await lab.run('scripts/network-policies.ts')
  assert.equal(first.code, 0, first.stdout)
  assert.ok((await ours('adguard')) > 3)
  const { stdout, writes } = await lab.run('scripts/network-policies.ts')
  assert.deepEqual([account(stdout).changes, writes], [[], []])
})

test('what would take Argo CD away is refused, and nothing is touched', async () => {
  const copy = checkout()
  const file = join(copy, 'infrastructure/security/network-policies/base/argocd.yaml')
  const [denied = ''] = readFileSync(file, 'utf8').split('---\n')
  writeFileSync(file, denied)
  await lab.cluster.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'argocd' } }])
  const { code, stdout, writes } = await lab.run(join(copy, 'scripts/network-policies.ts'))
  assert.equal(code, 2, stdout)
  assert.deepEqual(writes, [])
  assert.match(stdout, /lock out DNS, the API server or Argo CD.*argocd-server → kube-system\/coredns 53/)
})

test('the folder can be applied as it is', async () => {
  await lab.cluster.apply(readManifest('infrastructure/platform/argocd/namespaces.yaml', {}))
  const { code, stdout, stderr } = await lab.cluster.kubectl(['apply', '-f', join(root, policiesFolder, 'base')])
  assert.equal(code, 0, stderr)
  assert.match(stdout, /networkpolicy.networking.k8s.io\/to-repositories created/)
})
