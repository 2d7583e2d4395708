// Which rights the steps need, and which of them the kubeconfig's user lacks. Access reviews create nothing.
import type { Cluster } from '../cluster.ts'
import { at } from '../k8s.ts'

/** By API group, what the steps and the charts create and change. */
const written: Readonly<Record<string, readonly string[]>> = {
  '': ['namespaces', 'secrets', 'configmaps', 'services', 'serviceaccounts', 'resourcequotas', 'limitranges'],
  apps: ['deployments', 'daemonsets', 'statefulsets'],
  batch: ['jobs'],
  policy: ['poddisruptionbudgets'],
  'rbac.authorization.k8s.io': ['clusterroles', 'clusterrolebindings', 'roles', 'rolebindings'],
  'apiextensions.k8s.io': ['customresourcedefinitions'],
  'admissionregistration.k8s.io': ['validatingwebhookconfigurations', 'mutatingwebhookconfigurations'],
  'storage.k8s.io': ['storageclasses'],
  'networking.k8s.io': ['ingresses', 'ingressclasses', 'networkpolicies'],
  'coordination.k8s.io': ['leases'],
  'metallb.io': ['ipaddresspools', 'l2advertisements'],
  'traefik.io': ['ingressroutes', 'middlewares'],
  'cert-manager.io': ['clusterissuers', 'certificates'],
  'argoproj.io': ['applications', 'appprojects'],
}

interface Right {
  verb: string
  group: string
  resource: string
  subresource?: string
}

const needed: readonly Right[] = [
  ...Object.entries(written).flatMap(([group, resources]) =>
    resources.flatMap(resource => ['create', 'patch'].map(verb => ({ verb, group, resource }))),
  ),
  { verb: 'delete', group: '', resource: 'secrets' }, // Helm's older records
  { verb: 'list', group: '', resource: 'secrets' },
  { verb: 'list', group: '', resource: 'pods' },
  { verb: 'list', group: '', resource: 'events' },
  { verb: 'list', group: '', resource: 'nodes' },
  { verb: 'create', group: '', resource: 'pods', subresource: 'portforward' },
  { verb: 'escalate', group: 'rbac.authorization.k8s.io', resource: 'clusterroles' }, // charts give out rights
]

/**
 * The missing rights, as `create, patch clusterroles.rbac.authorization.k8s.io`. An administrator costs one question.
 * @throws Error when the API server does not answer the question
 */
export async function missingRights(cluster: Cluster): Promise<string[]> {
  if (await may(cluster, { verb: '*', group: '*', resource: '*' })) return []
  const answers = await Promise.all(needed.map(async right => ({ right, allowed: await may(cluster, right) })))
  const verbs = new Map<string, string[]>()
  for (const { right, allowed } of answers) {
    if (allowed) continue
    const name = [right.resource, right.group].filter(Boolean).join('.') + (right.subresource ? '/portforward' : '')
    verbs.set(name, [...(verbs.get(name) ?? []), right.verb])
  }
  return [...verbs].map(([name, missing]) => `${missing.join(', ')} ${name}`)
}

async function may(cluster: Cluster, right: Right): Promise<boolean> {
  const apiVersion = 'authorization.k8s.io/v1'
  const answer = await cluster.api.ask(`/apis/${apiVersion}/selfsubjectaccessreviews`, {
    method: 'POST',
    contentType: 'application/json',
    body: JSON.stringify({ apiVersion, kind: 'SelfSubjectAccessReview', spec: { resourceAttributes: right } }),
    timeout: 5,
  })
  if (answer.code !== 0) throw new Error(answer.stderr)
  return at(JSON.parse(answer.stdout), 'status', 'allowed') === true
}
