#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// What other objects, the scheduler and we rely on in a rendered chart, as a list: the facts that a stand-in is held to.
import { text } from 'node:stream/consumers'
import { stringify } from 'yaml'
import { command, common } from './lib/command.ts'
import { exit, HomelabError } from './lib/errors.ts'
import { at, type K8sObject, listAt, mapAt, textAt } from './lib/k8s.ts'
import { isMain } from './lib/step.ts'
import { parseManifest } from './lib/yaml/manifest.ts'

export { parseManifest }

/** One object's facts; what a kind does not have is left out. */
export interface Fact {
  kind: string
  name: string
  [fact: string]: unknown
}

/**
 * The facts of each object, sorted. Of the pods' labels only those that some selector of the same manifest uses.
 * @param home the release's namespace, which charts may name or leave out
 */
export function inventory(objects: readonly K8sObject[], home: string): Fact[] {
  const used = new Set(objects.flatMap(object => Object.keys(selectorOf(object))))
  const facts = objects.map(object => {
    const { name, annotations } = object.metadata
    const namespace = object.metadata.namespace === home ? undefined : object.metadata.namespace
    const hook = annotations?.['helm.sh/hook']
    return withoutEmpty({ kind: object.kind, name, namespace, hook, ...factsOf(object, used, home) }) as Fact
  })
  return facts.sort((a, b) => `${a.kind}/${a.name}`.localeCompare(`${b.kind}/${b.name}`))
}

/** The labels by which an object finds pods. */
export function selectorOf(object: K8sObject): Record<string, string> {
  if (object.kind === 'Service') return mapAt(object.spec, 'selector')
  if (object.kind === 'NetworkPolicy') return mapAt(object.spec, 'podSelector', 'matchLabels')
  return mapAt(object.spec, 'selector', 'matchLabels')
}

/** What is in `real` and missing or different in `standIn`; one line each. */
export function missing(real: readonly Fact[], standIn: readonly Fact[]): string[] {
  const key = ({ kind, name, namespace = '' }: Fact) => `${kind} ${namespace}${namespace ? '/' : ''}${name}`
  const have = new Map(standIn.map(fact => [key(fact), fact]))
  return real.flatMap(fact => {
    const other = have.get(key(fact))
    if (!other) return [`${key(fact)} is missing`]
    return Object.keys(fact)
      .filter(name => JSON.stringify(fact[name]) !== JSON.stringify(other[name]))
      .map(
        name =>
          `${key(fact)}: ${name} is ${JSON.stringify(other[name])}, in the real chart ${JSON.stringify(fact[name])}`,
      )
  })
}

function factsOf(object: K8sObject, used: ReadonlySet<string>, home: string): Record<string, unknown> {
  const { kind, spec } = object
  switch (kind) {
    case 'Deployment':
    case 'StatefulSet':
    case 'DaemonSet':
    case 'Job': {
      const pod = at(spec, 'template', 'spec')
      const labels = Object.entries(mapAt(spec, 'template', 'metadata', 'labels')).filter(([label]) => used.has(label))
      return {
        replicas: at(spec, 'replicas'),
        selector: sorted(selectorOf(object)),
        podLabels: kind === 'Job' ? undefined : sorted(Object.fromEntries(labels)),
        account: textAt(pod, 'serviceAccountName'),
        token: at(pod, 'automountServiceAccountToken'),
        node: ofTheNode(pod),
        priority: textAt(pod, 'priorityClassName'),
        init: listAt(pod, 'initContainers').map(container => textAt(container, 'name')),
        containers: Object.fromEntries(
          listAt(pod, 'containers').map(container => [textAt(container, 'name'), portsOf(container)]),
        ),
      }
    }
    case 'Service':
      return {
        type: textAt(spec, 'type') ?? 'ClusterIP',
        selector: sorted(selectorOf(object)),
        ports: listAt(spec, 'ports').map(port => {
          const number = at(port, 'port')
          const name = textAt(port, 'name')
          return `${name ? `${name} ` : ''}${number}/${textAt(port, 'protocol') ?? 'TCP'} -> ${at(port, 'targetPort') ?? number}`
        }),
      }
    case 'ServiceMonitor':
    case 'PodMonitor':
      return {
        selector: sorted(selectorOf(object)),
        // Its own is where it looks anyway.
        namespaces: listAt(spec, 'namespaceSelector', 'matchNames').filter(
          name => name !== (object.metadata.namespace ?? home),
        ),
        asked: [...listAt(spec, 'endpoints'), ...listAt(spec, 'podMetricsEndpoints')].map(
          one => `${textAt(one, 'scheme') ?? 'http'} ${at(one, 'port')}${textAt(one, 'path') ?? '/metrics'}`,
        ),
      }
    case 'Ingress':
      return {
        class: textAt(spec, 'ingressClassName'),
        backends: listAt(spec, 'rules').flatMap(rule =>
          listAt(rule, 'http', 'paths').map(path => {
            const service = at(path, 'backend', 'service')
            return `${textAt(path, 'path')} ${textAt(service, 'name')}:${at(service, 'port', 'number') ?? at(service, 'port', 'name')}`
          }),
        ),
        tls: listAt(spec, 'tls').map(entry => textAt(entry, 'secretName')),
      }
    case 'PodDisruptionBudget':
    case 'NetworkPolicy':
      return { selector: sorted(selectorOf(object)) }
    case 'CustomResourceDefinition':
      return {
        scope: textAt(spec, 'scope'),
        versions: listAt(spec, 'versions').map(version => textAt(version, 'name')),
        statusSubresource:
          listAt(spec, 'versions').some(version => at(version, 'subresources', 'status') !== undefined) || undefined,
        keep: object.metadata.annotations?.['helm.sh/resource-policy'],
      }
    case 'ValidatingWebhookConfiguration':
    case 'MutatingWebhookConfiguration':
      return {
        webhooks: listAt(object, 'webhooks').map(hook => {
          const service = at(hook, 'clientConfig', 'service')
          return `${textAt(hook, 'name')} ${textAt(hook, 'failurePolicy')} ${textAt(service, 'namespace')}/${textAt(service, 'name')}${textAt(service, 'path') ?? ''}`
        }),
      }
    case 'RoleBinding':
    case 'ClusterRoleBinding':
      return {
        role: `${textAt(object, 'roleRef', 'kind')} ${textAt(object, 'roleRef', 'name')}`,
        subjects: listAt(object, 'subjects').map(subject => textAt(subject, 'name')),
      }
    case 'IngressClass':
      return {
        controller: textAt(spec, 'controller'),
        default: object.metadata.annotations?.['ingressclass.kubernetes.io/is-default-class'],
      }
    case 'PriorityClass':
      return { value: at(object, 'value') }
    case 'TLSStore':
      return { secret: textAt(spec, 'defaultCertificate', 'secretName') }
    default:
      return {}
  }
}

/** What a pod takes of the node itself. */
function ofTheNode(pod: unknown): string[] {
  const namespaces = ['hostNetwork', 'hostPID', 'hostIPC'].filter(one => at(pod, one) === true)
  return [...namespaces, ...listAt(pod, 'volumes').flatMap(one => textAt(one, 'hostPath', 'path') ?? [])].sort()
}

function portsOf(container: unknown): string[] {
  return listAt(container, 'ports')
    .map(port =>
      `${textAt(port, 'name') ?? ''} ${at(port, 'containerPort')}/${textAt(port, 'protocol') ?? 'TCP'}`.trim(),
    )
    .sort()
}

function sorted(map: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => a.localeCompare(b)))
}

function withoutEmpty(facts: Record<string, unknown>): Record<string, unknown> {
  const empty = (value: unknown) =>
    value === undefined || (typeof value === 'object' && value !== null && Object.keys(value).length === 0)
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => !empty(value)))
}

if (isMain(import.meta))
  await command(
    {
      line: 'helm template … | ./scripts/inventory.ts CHART VERSION NAMESPACE > tests/fixtures/inventories/CHART.yaml',
      about: 'Lists what others rely on in a rendered chart (standard input).',
      options: common,
    },
    async (_, [chart, version, namespace]) => {
      if (!chart || !version || !namespace)
        throw new HomelabError({
          what: "name the chart, its version and the release's namespace",
          fix: 'see --help',
          code: exit.usage,
        })
      const objects = inventory(parseManifest(await text(process.stdin)), namespace)
      process.stdout.write(stringify({ chart, version, objects }, { lineWidth: 0, version: '1.1' }))
      return exit.done
    },
  )
