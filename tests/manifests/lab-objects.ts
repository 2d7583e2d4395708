// Everything that the lab puts into a cluster, by namespace: the platform, and the applications of one environment.
import { at, type K8sObject } from '../../scripts/lib/k8s.ts'
import { chartsOf } from './application-charts.ts'
import { applicationObjects } from './application-objects.ts'
import { kustomized, platformManifests, releases, rendered, withEverything } from './rendered.ts'

const platform = [...platformManifests(), ...(await Promise.all(releases.map(rendered))).flat()]

/** The objects, each with its namespace; those of the applications included that an environment does without at first. */
export function labObjects(environment: string): K8sObject[] {
  const applications = withEverything(environment)
  return [...platform, ...applications.flatMap(applicationObjects)]
}

/** What the operator gives the reloader beside Prometheus and Alertmanager. */
export function reloaderOf(environment: string): unknown {
  const [stack] = kustomized(`gitops/environments/${environment}`)
    .flatMap(chartsOf)
    .filter(({ chart }) => chart === 'kube-prometheus-stack')
  return at(stack?.values, 'prometheusOperator', 'prometheusConfigReloader', 'resources')
}

/** The objects of each namespace; those without one are left out. */
export function byNamespace(objects: readonly K8sObject[]): Map<string, K8sObject[]> {
  const found = new Map<string, K8sObject[]>()
  for (const object of objects) {
    const { namespace } = object.metadata
    if (namespace !== undefined) found.set(namespace, [...(found.get(namespace) ?? []), object])
  }
  return found
}
