// Everything that an application puts into a cluster, in the environment that it is from, as far as charts are at hand.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { sourcesOf } from '../../scripts/lib/gitops/application.ts'
import { type K8sObject, textAt } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import { chartFolder, chartsOf } from './application-charts.ts'
import { kustomized, type Release, render } from './rendered.ts'

/** CRDs left out. */
export function applicationObjects(application: K8sObject): K8sObject[] {
  const objects: K8sObject[] = []
  const namespace = textAt(application.spec, 'destination', 'namespace') ?? ''
  for (const { chart, namespace, release, values } of chartsOf(application)) {
    const how = { component: '', chart, namespace, release } as unknown as Release
    const skip = /^kind: CustomResourceDefinition$/m
    objects.push(...render(chartFolder(chart), how, values, skip))
  }
  for (const { path } of sourcesOf(application))
    if (path && existsSync(join(root, path, 'kustomization.yaml'))) objects.push(...kustomized(path, namespace))
  return objects
}
