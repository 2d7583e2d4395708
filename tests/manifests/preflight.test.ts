// What preflight believes about the platform is what the charts and manifests render.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findChart } from '../../scripts/lib/charts.ts'
import { at, type K8sObject, listAt, podRequests, textAt } from '../../scripts/lib/k8s.ts'
import { controlPlane, workloadsOf } from '../../scripts/lib/preflight/needs.ts'
import { components, isOf } from '../../scripts/lib/preflight/ours.ts'
import { platformManifests, programs, type Release, releases, render, rendered, valuesOf } from './rendered.ts'

const manifests = platformManifests()
const kinds = ['Deployment', 'StatefulSet', 'DaemonSet']

const releaseOf = (chart: string | undefined): Release | undefined => releases.find(one => one.chart === chart)

/** Everything of a component, its CRDs included. */
async function objectsOf({ chart, namespace }: (typeof components)[number]): Promise<K8sObject[]> {
  const own = manifests.filter(one => one.metadata.namespace === namespace || one.metadata.namespace === undefined)
  const release = releaseOf(chart)
  if (!release) return own
  const found = await findChart(release.chart, {
    helm: programs.paths.helm,
    source: 'stand-in',
    packaged: async () => programs.charts,
  })
  return [...own, ...render(found.path, release, valuesOf(release))]
}

const summed = ({ cpu = 0, memory = 0 }: Record<string, number>) => ({ cpu: Math.round(cpu * 1000), memory })

for (const component of components)
  test(`${component.step}: what it asks for`, async () => {
    const release = releaseOf(component.chart)
    const objects = release
      ? await rendered(release)
      : manifests.filter(({ metadata }) => metadata.namespace === component.namespace)
    const wanted = objects
      .filter(one => kinds.includes(one.kind))
      .map(one => ({
        kind: one.kind,
        name: one.metadata.name,
        replicas: one.kind === 'DaemonSet' ? 1 : Number(at(one.spec, 'replicas') ?? 1),
        requests: summed(podRequests(at(one.spec, 'template', 'spec'))),
        onControlPlane: listAt(one.spec, 'template', 'spec', 'tolerations').some(
          toleration => textAt(toleration, 'key') === controlPlane,
        ),
      }))
    const believed = workloadsOf(component).map(({ kind, name, replicas, podSpec }) => ({
      kind,
      name,
      replicas,
      requests: summed(podRequests(podSpec)),
      onControlPlane: listAt(podSpec, 'tolerations').some(one => textAt(one, 'key') === controlPlane),
    }))
    const byName = (a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name)
    assert.deepEqual(believed.sort(byName), wanted.sort(byName))
  })

for (const component of components)
  test(`${component.step}: what it owns`, async () => {
    const release = releaseOf(component.chart)
    if (release) assert.deepEqual([component.namespace, component.release], [release.namespace, release.release])
    const objects = await objectsOf(component)
    const definitions = objects.filter(one => one.kind === 'CustomResourceDefinition')
    assert.deepEqual(
      definitions.map(({ metadata }) => metadata.name).filter(name => !component.kinds?.test(name)),
      [],
      'every kind that it brings is known to be its own',
    )
    assert.equal(definitions.length > 0, component.kinds !== undefined)
    const named = new Set(objects.map(one => `${one.kind}/${one.metadata.name}`))
    for (const name of [...component.wide, ...component.needs]) assert.ok(named.has(name), name)
    const others = components.filter(one => one !== component)
    for (const object of definitions)
      assert.ok(!others.some(one => isOf(one, object)), `${object.metadata.name} is nobody else's`)
  })
