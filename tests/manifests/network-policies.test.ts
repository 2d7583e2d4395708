// What must reach what is told by what runs (scripts/lib/policies/needed.ts), what may by the policies: here the two meet.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { namespacesIn, policiesFolder, readPolicies } from '../../scripts/lib/guardrails.ts'
import { at, type K8sObject, listAt, nameOf, selects } from '../../scripts/lib/k8s.ts'
import { closedBy } from '../../scripts/lib/policies/connect.ts'
import { type Flow, outside } from '../../scripts/lib/policies/flow.ts'
import { neededFlows } from '../../scripts/lib/policies/needed.ts'
import { isPod, type Peer, type Protocol, peerName, readWorld } from '../../scripts/lib/policies/world.ts'
import { root } from '../../scripts/lib/root.ts'
import { builtExtra, notBuilt } from '../../scripts/lib/sandbox/extra-build.ts'
import { platform } from '../../scripts/lib/status/platform.ts'
import { changed } from './changed.ts'
import { everything } from './network.ts'
import { applicationManifests, platformManifests } from './rendered.ts'

const world = readWorld(await everything())
const needed = neededFlows(world)
const withFile = namespacesIn(policiesFolder)
const base = withFile.flatMap(readPolicies)
const policies = [
  ...base,
  // An application of its own brings its policies along.
  ...applicationManifests().filter(
    ({ kind, metadata }) => kind === 'NetworkPolicy' && !withFile.includes(metadata.namespace ?? ''),
  ),
]
const told = ({ from, to, port, protocol, why }: Flow) =>
  `${peerName(from)} → ${peerName(to)} ${port ?? 'any port'}/${protocol ?? 'anything'} (${why})`

/** The needed flows that do not get through. */
const cut = (some: readonly K8sObject[], flows: readonly Flow[] = needed) =>
  flows.flatMap(flow => {
    const sides = closedBy(flow, some, world)
    return sides.length ? [`${told(flow)}: no ${sides.join(', no ')}`] : []
  })

test('every namespace of the platform and of its applications has a file, closed by default', () => {
  const made = platformManifests().filter(({ kind }) => kind === 'Namespace')
  const ours = [...platform.map(({ namespace }) => namespace), ...made.map(({ metadata }) => metadata.name)]
  const own = ours.filter(one => existsSync(join(root, 'gitops/apps', one)))
  assert.deepEqual(withFile, ours.filter(one => !own.includes(one)).sort())
  for (const namespace of ours) {
    const there = policies.filter(({ metadata }) => metadata.namespace === namespace)
    const deny = { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }
    assert.ok(
      there.some(({ spec }) => JSON.stringify(spec) === JSON.stringify(deny)),
      `${namespace} is open`,
    )
  }
})

test('each file holds policies of its namespace and nothing else, each by a name of its own', () => {
  for (const namespace of withFile) {
    const objects = readPolicies(namespace)
    const found = new Set(objects.map(one => `${one.kind} ${one.metadata.namespace}`))
    assert.deepEqual([...found], [`NetworkPolicy ${namespace}`])
    assert.equal(new Set(objects.map(({ metadata }) => metadata.name)).size, objects.length, namespace)
  }
  for (const policy of base)
    assert.equal(policy.metadata.labels?.['app.kubernetes.io/part-of'], 'homelab', nameOf(policy))
})

test("Argo CD has the applications' files, the steps have the platform's", () => {
  const listed = parse(readFileSync(join(root, policiesFolder, 'kustomization.yaml'), 'utf8')).resources as string[]
  const steps = platform.map(({ namespace }) => namespace)
  assert.deepEqual([...listed.map(file => basename(file, '.yaml')), ...steps].sort(), withFile)
})

test('each policy holds at least one pod', () => {
  const idle = policies.filter(
    ({ metadata, spec }) =>
      metadata.name !== 'default-deny' &&
      !world.pods.some(pod => pod.namespace === metadata.namespace && selects(at(spec, 'podSelector'), pod.labels)),
  )
  assert.deepEqual(idle.map(nameOf), [])
})

test('every flow that is needed is open', () => {
  assert.ok(needed.length > 150, `only ${needed.length} flows were found`)
  assert.deepEqual(cut(policies), [])
})

const ours = new Set(policies.map(({ metadata }) => metadata.namespace))
const isOurs = (peer: Peer) => isPod(peer) && ours.has(peer.namespace)

/** Whether a connection is one that a flow stands for. */
const covers = (flow: Flow, from: Peer, to: Peer, port: number, protocol: Protocol) =>
  (flow.from === from || (!isPod(flow.from) && !isPod(from))) &&
  (flow.to === to || (!isPod(flow.to) && !isPod(to))) &&
  (flow.port === undefined || flow.port === port) &&
  (flow.protocol === undefined || flow.protocol === protocol)

const isNeeded = (from: Peer, to: Peer, port: number, protocol: Protocol) =>
  needed.some(flow => covers(flow, from, to, port, protocol))

/** Whoever calls whom its owner names may also call what stands open to all; and what no policy of ours holds may anyway. */
const roams = (pod: Peer) =>
  isPod(pod) &&
  (!isOurs(pod) ||
    /^(traefik\/traefik|monitoring\/prometheus-)/.test(pod.name) ||
    needed.some(({ from, to, port }) => from === pod && !isPod(to) && port === undefined))

/** Every connection that could be made: each pod's ports, and outside each port that anything names. */
function* connections(): Generator<[Peer, Peer, number, Protocol]> {
  const outer = new Set([
    22,
    80,
    ...needed.map(({ port }) => port ?? 0),
    ...world.pods.flatMap(pod => pod.ports.map(one => one.number)),
  ])
  for (const from of world.pods)
    for (const port of outer) for (const protocol of ['TCP', 'UDP'] as const) yield [from, outside, port, protocol]
  for (const to of world.pods)
    for (const from of [outside, ...world.pods])
      for (const { number, protocol } of to.ports) if (from !== to) yield [from, to, number, protocol]
}

/** What gets through without need. */
function loose(some: readonly K8sObject[]): string[] {
  return [...connections()].flatMap(([from, to, port, protocol]) => {
    if ((!isOurs(from) && !isOurs(to)) || isNeeded(from, to, port, protocol)) return []
    if (roams(from) && (!isOurs(to) || isNeeded(outside, to, port, protocol))) return []
    return closedBy({ from, to, port, protocol }, some, world).length
      ? []
      : [`${peerName(from)} → ${peerName(to)} ${port}/${protocol}`]
  })
}

/** One end of a connection, in Cyclonus' words. */
const asCyclonus = (peer: Peer) =>
  isPod(peer)
    ? {
        IP: '10.42.0.1',
        Internal: {
          Namespace: peer.namespace,
          NamespaceLabels: world.namespaces.get(peer.namespace),
          PodLabels: peer.labels,
        },
      }
    : { IP: '192.0.2.1' }

test('Cyclonus reads the policies as this does', { skip: await notBuilt('network') }, async () => {
  const all = [...connections()]
  const traffic = all.map(([from, to, port, protocol]) => ({
    ...{ Source: asCyclonus(from), Destination: asCyclonus(to), ResolvedPort: port, Protocol: protocol },
  }))
  const program = join((await builtExtra('network'))?.dir ?? '', 'connect')
  const input = JSON.stringify({ Policies: policies, Traffic: traffic })
  const answers = JSON.parse(execFileSync(program, { input, encoding: 'utf8', maxBuffer: 2 ** 26 })) as Record<
    string,
    boolean
  >[]
  assert.equal(answers.length, all.length)
  const otherwise = all.filter(([from, to, port, protocol], i) => {
    const closed = closedBy({ from, to, port, protocol }, policies, world)
    return (['egress', 'ingress'] as const).some(side => answers[i]?.[side] === closed.includes(side))
  })
  assert.deepEqual(
    otherwise.map(([from, to, port]) => `${peerName(from)} → ${peerName(to)} ${port}`),
    [],
  )
})

test('everything else is shut', () => {
  const all = [...connections()].filter(([from, to]) => isOurs(from) || isOurs(to))
  assert.ok(all.length > 5000, `only ${all.length} connections were tried`)
  assert.deepEqual(loose(policies), [])
})

/** Each way to close the policies a little more: without a rule, one of its peers, ports or names of pods. */
function* narrower(): Generator<[where: string, namespace: string | undefined, some: K8sObject[]]> {
  for (const [i, policy] of policies.entries())
    for (const side of ['ingress', 'egress'] as const)
      for (const [r, rule] of listAt(policy.spec, side).entries()) {
        const where = `${nameOf(policy)}, ${side} ${r + 1}`
        const without = (path: (string | number)[], rest: unknown[]) =>
          policies.map((one, j) => (j === i ? changed(one, ['spec', ...path], rest) : one))
        const but = (list: unknown[], n: number) => list.filter((_, j) => j !== n)
        const { namespace } = policy.metadata
        yield [where, namespace, without([side], but(listAt(policy.spec, side), r))]
        for (const field of side === 'ingress' ? ['from', 'ports'] : ['to', 'ports']) {
          const list = listAt(rule, field)
          // An empty list would open it; and what may go to any TCP port has the TCP of DNS twice.
          if (list.length < 2 || policy.metadata.name === 'to-dns') continue
          for (const [n, entry] of list.entries())
            yield [`${where}: ${JSON.stringify(entry)}`, namespace, without([side, r, field], but(list, n))]
        }
        for (const path of [['podSelector'], [side, r, side === 'ingress' ? 'from' : 'to', 0, 'podSelector']]) {
          const names = ['matchExpressions', 0, 'values']
          if (at(policy.spec, ...path, 'matchExpressions', 0, 'operator') !== 'In') continue
          const list = listAt(policy.spec, ...path, ...names)
          for (const [n, entry] of list.entries())
            yield [`${where}: ${entry}`, namespace, without([...path, ...names], but(list, n))]
        }
      }
}

test('each rule is there for a flow, which is named when the rule is gone', () => {
  const all = [...narrower()]
  assert.ok(all.length > 100, `only ${all.length} rules`)
  const there = (peer: Peer, namespace: string | undefined) => isPod(peer) && peer.namespace === namespace
  const idle = all
    .filter(([, namespace, some]) => {
      const flows = needed.filter(({ from, to }) => there(from, namespace) || there(to, namespace))
      return cut(some, flows).length === 0
    })
    .map(([where]) => where)
  assert.deepEqual(idle, [])
})

test('without a rule its flow is named, with the end that is shut', () => {
  const [, , some] = [...narrower()].find(([where]) => where === 'argocd/redis-from-argocd, ingress 1') ?? []
  assert.ok(some, 'that rule is there')
  assert.deepEqual(
    cut(some)[0],
    'argocd/argocd-repo-server → argocd/argocd-redis 6379/TCP (an address in its configuration): no ingress',
  )
})
