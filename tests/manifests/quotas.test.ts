// Each quota and limit range lets in what we install, at its worst moment and with head room, and little more than that.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { ownNamespace } from '../../scripts/lib/gitops/new-application.ts'
import { headRoom, readLimits } from '../../scripts/lib/guardrails.ts'
import { formatQuantity, type K8sObject, listAt, mapAt, quantity } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import { platform } from '../../scripts/lib/status/platform.ts'
import { changed } from './changed.ts'
import { byNamespace, labObjects, reloaderOf } from './lab-objects.ts'
import { needsOf, podsOf } from './namespace-needs.ts'
import { platformManifests } from './rendered.ts'

const folder = 'infrastructure/security/resource-quotas'
const made = platformManifests().filter(({ kind }) => kind === 'Namespace')
const applications = made.map(({ metadata }) => metadata.name)
const namespaces = [...platform.map(({ namespace }) => namespace), ...applications]

/** Pods that nothing rendered shows: who makes them, and how many there are at once at most. */
const atRunTime: Readonly<Record<string, { count: number; requests: Record<string, string> }>> = {
  // The provisioner: one for each claim that comes or goes.
  'local-path-storage': { count: 10, requests: { cpu: '10m', memory: '16Mi' } },
  // Velero: one for each repository that is tidied up.
  velero: { count: 8, requests: { cpu: '50m', memory: '64Mi' } },
  // Rancher: its webhook, the upgrade controller, shells and Helm operations, by the limit range's defaults.
  'cattle-system': { count: 16, requests: { cpu: '10m', memory: '32Mi' } },
}

function withRunTime(namespace: string, objects: readonly K8sObject[]): K8sObject[] {
  const { count, requests } = atRunTime[namespace] ?? { count: 0, requests: {} }
  const template = { spec: { containers: [{ name: 'job', resources: { requests } }] } }
  const job = { apiVersion: 'batch/v1', kind: 'Job', metadata: { name: 'at-run-time', namespace } }
  return count ? [...objects, { ...job, spec: { parallelism: count, template } }] : [...objects]
}

/** So little that to be strict about it would help nobody. */
const little: Record<string, string> = { 'requests.cpu': '200m', 'requests.memory': '256Mi', pods: '10' }

/** What is wrong with the guardrails of a namespace that holds these objects. */
function flaws(namespace: string, rails: readonly K8sObject[], objects: readonly K8sObject[], reloader: unknown) {
  const found: string[] = []
  const hard = mapAt(rails.find(({ kind }) => kind === 'ResourceQuota')?.spec, 'hard')
  const needs = needsOf(withRunTime(namespace, objects), headRoom.nodes, reloader)
  for (const [name, need] of Object.entries({ 'services.loadbalancers': 0, ...needs })) {
    const shown = (amount: number) => formatQuantity(name.replace('requests.', ''), amount)
    const [has, exact] = [quantity(hard[name] ?? ''), name === 'services.loadbalancers']
    const least = exact ? need : need * headRoom.times
    if (Number.isNaN(has)) found.push(`${namespace}: the quota does not say ${name}`)
    else if (has < least)
      found.push(`${namespace}: ${name} is ${hard[name]}, ours take ${shown(need)}: write ${shown(least)} at least`)
    else if (exact ? has > need : has > Math.max(need * headRoom.most, quantity(little[name] ?? '0')))
      found.push(`${namespace}: ${name} is ${hard[name]}, ours take ${shown(need)}: that stops nothing`)
  }
  const [limit] = listAt(rails.find(({ kind }) => kind === 'LimitRange')?.spec, 'limits')
  const most = mapAt(limit, 'max')
  for (const { workload, spec } of objects.flatMap(one => podsOf(one, 1, reloader)))
    for (const container of [...listAt(spec, 'initContainers'), ...listAt(spec, 'containers')])
      for (const [name, text] of Object.entries(mapAt(container, 'resources', 'limits')))
        if (quantity(text) > quantity(most[name] ?? '0'))
          found.push(`${namespace}: ${workload} may take ${name} ${text}, and the limit range ${most[name] ?? 'none'}`)
  for (const name of ['cpu', 'memory'])
    if (!(quantity(mapAt(limit, 'defaultRequest')[name] ?? '') <= quantity(mapAt(limit, 'default')[name] ?? '')))
      found.push(`${namespace}: the limit range has no ${name} for a container that states none`)
  return found
}

test('every namespace of ours has a quota and a limit range', () => {
  for (const namespace of namespaces)
    assert.deepEqual(
      readLimits(namespace).map(({ kind }) => kind),
      ['ResourceQuota', 'LimitRange'],
      namespace,
    )
})

for (const environment of ['prod', 'staging', 'dev']) {
  const objects = byNamespace(labObjects(environment))
  const reloader = reloaderOf(environment)
  test(`${environment}: every quota has room for ours${environment === 'prod' ? ', and not for much more' : ''}`, () => {
    const found = namespaces.flatMap(one => flaws(one, readLimits(one), objects.get(one) ?? [], reloader))
    // The others are smaller on purpose, and have the same quotas.
    assert.deepEqual(
      found.filter(flaw => environment === 'prod' || !flaw.endsWith('stops nothing')),
      [],
    )
  })
}

test('Argo CD has those of the applications, and of no step', () => {
  const listed = listAt(parse(readFileSync(join(root, folder, 'kustomization.yaml'), 'utf8')), 'resources')
  const added = new Set(made.filter(one => one.metadata.labels?.[ownNamespace]).map(one => one.metadata.name))
  const files = applications.map(name => `${added.has(name) ? 'optional' : 'base'}/${name}.yaml`)
  assert.deepEqual([...listed].sort(), files.sort())
})

const prod = byNamespace(labObjects('prod'))
const hard = ['spec', 'hard']
for (const [namespace, index, path, value, expected] of [
  ['argocd', 0, [...hard, 'requests.memory'], '1Gi', /^argocd: requests.memory is 1Gi, ours take 1.2Gi: write 1.7Gi/],
  ['argocd', 0, [...hard, 'pods'], '8', /^argocd: pods is 8, ours take 8: write 12 at least$/],
  ['loki', 0, [...hard, 'requests.storage'], '30Gi', /^loki: requests.storage is 30Gi, ours take 30Gi: write 45Gi/],
  ['traefik', 0, [...hard, 'services.loadbalancers'], '0', /^traefik: services.loadbalancers is 0, ours take 1/],
  ['traefik', 0, [...hard, 'services.loadbalancers'], '9', /that stops nothing$/],
  ['loki', 0, [...hard, 'requests.memory'], '64Gi', /^loki: requests.memory is 64Gi, .*that stops nothing$/],
  ['loki', 0, [...hard, 'requests.cpu'], undefined, /^loki: the quota does not say requests.cpu$/],
  ['loki', 1, ['spec', 'limits', 0, 'max', 'memory'], '512Mi', /^loki: StatefulSet loki may take memory 1Gi, /],
  ['loki', 1, ['spec', 'limits', 0, 'defaultRequest'], undefined, /no memory for a container that states none$/],
] as const)
  test(`the check says: ${expected.source}`, () => {
    const rails = readLimits(namespace)
    const broken = rails.map((one, i) => (i === index ? changed(one, path, value) : one))
    const found = flaws(namespace, broken, prod.get(namespace) ?? [], reloaderOf('prod'))
    assert.ok(
      found.some(flaw => expected.test(flaw)),
      found.join('\n') || 'nothing',
    )
  })
