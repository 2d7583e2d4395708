// Everything that the lab puts into a cluster, by namespace: the platform, and the applications of one environment.
import { at, type K8sObject, textAt } from '../../scripts/lib/k8s.ts'
import { chartsOf } from './application-charts.ts'
import { applicationObjects } from './application-objects.ts'
import { kustomized, platformManifests, releases, rendered } from './rendered.ts'

const platform = [...platformManifests(), ...(await Promise.all(releases.map(rendered))).flat()]

/** The objects, each with its namespace; of a chart that cannot be rendered here one Deployment with its values' resources. */
export function labObjects(environment: string): K8sObject[] {
  const applications = kustomized(`gitops/environments/${environment}`)
  return [...platform, ...applications.flatMap(one => objectsOf(one))]
}

function objectsOf(application: K8sObject): K8sObject[] {
  const namespace = textAt(application.spec, 'destination', 'namespace') ?? ''
  const found = applicationObjects(application)
  return typeof found === 'string' ? unrendered(application, namespace) : found
}

function unrendered(application: K8sObject, namespace: string): K8sObject[] {
  return chartsOf(application).map(({ chart, values }) => {
    const securityContext = at(values, 'containerSecurityContext')
    const container = { name: chart, image: chart, resources: at(values, 'resources'), securityContext }
    const spec = { securityContext: at(values, 'podSecurityContext'), containers: [container] }
    return {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: chart, namespace },
      spec: { replicas: 1, template: { metadata: {}, spec } },
    }
  })
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
