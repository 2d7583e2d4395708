// What an earlier installation left behind, and what is dead and in the way: named, never removed.
import { judge } from '../health/judge.ts'
import { oneLine } from '../health/judged.ts'
import { at, condition, type K8sObject, listAt, selects, textAt } from '../k8s.ts'
import { type Check, few, orWell, problem, type Result, unknown, warning } from './check.ts'
import type { Facts } from './facts.ts'
import { chosen, isOf } from './ours.ts'

const link = 'https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#failure-policy'

/** Whether some pod stands behind a Service. */
function answers({ objects }: Facts, namespace: string, name: string): boolean {
  return objects
    .of('EndpointSlice')
    .filter(one => one.metadata.namespace === namespace && one.metadata.labels?.['kubernetes.io/service-name'] === name)
    .some(one => listAt(one, 'endpoints').some(endpoint => at(endpoint, 'conditions', 'ready') !== false))
}

/** Why nobody answers behind a Service, or undefined when somebody does. */
function silence(facts: Facts, service: unknown): string | undefined {
  const namespace = textAt(service, 'namespace') ?? ''
  const name = textAt(service, 'name') ?? ''
  if (!facts.objects.find('Service', namespace, name)) return `the Service ${namespace}/${name} does not exist`
  return answers(facts, namespace, name) ? undefined : `no pod stands behind the Service ${namespace}/${name}`
}

// What the steps write besides the custom resources of their own components.
const basic =
  /^(\*|\*\/\*|namespaces|pods|services|secrets|configmaps|serviceaccounts|deployments|daemonsets|statefulsets|jobs|customresourcedefinitions|storageclasses|clusterroles|clusterrolebindings|roles|rolebindings|ingresses)(\/\*)?$/
const basicGroups = [
  '*',
  '',
  'apps',
  'batch',
  'apiextensions.k8s.io',
  'storage.k8s.io',
  'rbac.authorization.k8s.io',
  'networking.k8s.io',
]

/** Whether a webhook is asked about what the steps write. */
function inTheWay(facts: Facts, webhook: unknown): boolean {
  const asked = listAt(webhook, 'rules').some(
    rule =>
      listAt(rule, 'apiGroups').some(group => basicGroups.includes(String(group))) &&
      listAt(rule, 'resources').some(resource => basic.test(String(resource))) &&
      listAt(rule, 'operations').some(operation => ['*', 'CREATE', 'UPDATE'].includes(String(operation))),
  )
  return (
    asked &&
    chosen(facts).some(({ namespace }) => {
      const labels = facts.objects.find('Namespace', undefined, namespace)?.metadata.labels ?? {}
      return selects(at(webhook, 'namespaceSelector'), { 'kubernetes.io/metadata.name': namespace, ...labels })
    })
  )
}

function deadWebhooks(facts: Facts, configuration: K8sObject): Result[] {
  const { kind, metadata } = configuration
  const failing = listAt(configuration, 'webhooks').flatMap(webhook => {
    const service = at(webhook, 'clientConfig', 'service')
    const why = service === undefined ? undefined : silence(facts, service)
    return why === undefined || textAt(webhook, 'failurePolicy') === 'Ignore' ? [] : [{ webhook, why }]
  })
  const [first] = failing
  if (!first) return []
  const blocks = failing.some(({ webhook }) => inTheWay(facts, webhook))
  const what = few(
    failing.map(({ webhook }) => textAt(webhook, 'name') ?? '?'),
    2,
  )
  const found = {
    what: `the webhook ${what} does not answer: ${first.why}`,
    why: blocks
      ? 'it refuses what it cannot look at, and it is asked about what the steps write'
      : 'it refuses what it cannot look at; what the steps write is not among it, or is what brings it back',
    fix: `bring its pods back; if what it belongs to is gone for good: kubectl delete ${kind.toLowerCase()} ${metadata.name}`,
    link,
  }
  return [(blocks ? problem : warning)(found)]
}

export const leftovers: readonly Check[] = [
  {
    id: 'leftovers.namespaces',
    title: 'Ending namespaces',
    reads: ['Namespace'],
    look(facts) {
      const ours = new Set(chosen(facts).map(({ namespace }) => namespace))
      const ending = facts.objects.of('Namespace').filter(one => one.metadata.deletionTimestamp !== undefined)
      return orWell(
        ending.map(namespace => {
          const { cause, fix } = judge(namespace, facts.objects)
          const { name } = namespace.metadata
          const found = {
            what: cause ?? `namespace ${name} is being deleted`,
            ...(ours.has(name) ? { why: 'nothing can be made in it until it is gone' } : {}),
            fix: fix ?? `wait until it is gone: kubectl wait --for=delete namespace/${name}`,
          }
          return ours.has(name) ? problem(found) : warning(found)
        }),
        'none',
      )
    },
  },
  {
    id: 'leftovers.kinds',
    title: 'Ending kinds',
    reads: ['CustomResourceDefinition'],
    look(facts) {
      const ending = facts.objects
        .of('CustomResourceDefinition')
        .filter(one => one.metadata.deletionTimestamp !== undefined)
      return orWell(
        ending.map(definition => {
          const { name } = definition.metadata
          const held = condition(definition, 'Terminating')?.message
          const found = {
            what: `the kind ${name} is being deleted${held ? `: ${oneLine(held)}` : ''}`,
            why: 'objects of it that have finalizers hold it up, and no new one can be made',
            fix: `kubectl get ${name} -A`,
          }
          return chosen(facts).some(component => isOf(component, definition)) ? problem(found) : warning(found)
        }),
        'none',
      )
    },
  },
  {
    id: 'leftovers.webhooks',
    title: 'Webhooks',
    reads: ['ValidatingWebhookConfiguration', 'MutatingWebhookConfiguration', 'Service', 'EndpointSlice'],
    look(facts) {
      const configurations = ['ValidatingWebhookConfiguration', 'MutatingWebhookConfiguration'].flatMap(kind =>
        facts.objects.of(kind),
      )
      const outside = configurations
        .flatMap(one => listAt(one, 'webhooks'))
        .filter(webhook => textAt(webhook, 'clientConfig', 'url') !== undefined)
        .map(webhook => textAt(webhook, 'name') ?? '?')
      return orWell(
        [
          ...configurations.flatMap(one => deadWebhooks(facts, one)),
          ...(outside.length ? [unknown(`whether ${few(outside)} answers: it runs outside the cluster`)] : []),
        ],
        'all have a pod behind them, or let pass what they cannot look at',
      )
    },
  },
  {
    id: 'leftovers.conversion',
    title: 'Conversions',
    reads: ['CustomResourceDefinition', 'Service', 'EndpointSlice'],
    look(facts) {
      const found = facts.objects.of('CustomResourceDefinition').flatMap((definition): Result[] => {
        const service = at(definition.spec, 'conversion', 'webhook', 'clientConfig', 'service')
        const why = service === undefined ? undefined : silence(facts, service)
        if (why === undefined) return []
        return [
          warning({
            what: `objects of the kind ${definition.metadata.name} cannot be converted: ${why}`,
            why: 'one such kind stops Argo CD from comparing anything (argo-cd#25305)',
            fix: `bring its pods back; if what it belongs to is gone for good: kubectl delete crd ${definition.metadata.name} (and every object of it)`,
          }),
        ]
      })
      return orWell(found, 'every kind that needs one has a pod behind it')
    },
  },
  {
    id: 'leftovers.apis',
    title: 'Aggregated APIs',
    reads: ['APIService'],
    look({ objects }) {
      const dead = objects
        .of('APIService')
        .flatMap(one => ({ one, available: condition(one, 'Available') }))
        .filter(({ available }) => available?.status === 'False')
      return orWell(
        dead.map(({ one, available }) => {
          const service = at(one.spec, 'service')
          return warning({
            what: `the API ${one.metadata.name} is registered, and its server does not answer: ${oneLine(available?.message ?? '')}`,
            why: 'no namespace can be deleted while that lasts',
            fix: `bring the pods of ${textAt(service, 'namespace')}/${textAt(service, 'name')} back; if it is gone for good: kubectl delete apiservice ${one.metadata.name}`,
          })
        }),
        'all answer',
      )
    },
  },
]
