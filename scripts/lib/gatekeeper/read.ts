// What Gatekeeper's audit says about a cluster, and what Falco listens for there: the facts of make policies.
import { parse } from 'yaml'
import type { Cluster } from '../cluster.ts'
import { exit, HomelabError } from '../errors.ts'
import { at, type K8sObject, listAt, mapAt, numberAt, textAt } from '../k8s.ts'

export interface Policy {
  name: string
  /** What it asks, in a line. */
  says: string
  /** Refuses, warns, or only counts. */
  action: 'deny' | 'warn' | 'dryrun'
  /** The benchmark's number, for one of its checks. */
  check?: string
  /** How many objects are against it; undefined before the first audit. */
  violations?: number
  /** Some of them: Gatekeeper keeps the first fifty. */
  found: { object: string; message: string }[]
}

export interface Exception {
  namespace: string
  pods: string
  may: string[]
  reason: string
  since: string
}

export interface Watched {
  rule: string
  priority: string
  tags: string[]
}

export interface Policies {
  /** When the last audit ended, in Gatekeeper's own words. */
  audited?: string
  policies: Policy[]
  exceptions: Exception[]
  /** Namespaces that the way out is taken for. */
  off: string[]
  /** Our own rules of Falco; undefined where it is not installed. */
  watched?: Watched[]
  /** Nodes whose kernel is too old for Falco: its pod there never starts. */
  deaf: { node: string; kernel: string }[]
}

const templates = 'constrainttemplates.templates.gatekeeper.sh'

/** @throws HomelabError (exit 2) in a cluster without policies */
export async function readPolicies(cluster: Cluster, environment: string): Promise<Policies> {
  const kinds = (await cluster.list(templates)).map(({ metadata }) => `${metadata.name}.constraints.gatekeeper.sh`)
  if (kinds.length === 0)
    throw new HomelabError({
      what: 'there are no policies in this cluster',
      why: `the environment ${environment} does without Gatekeeper, or it is not synced yet`,
      fix: `take the line ../without/gatekeeper out of gitops/environments/${environment}/kustomization.yaml, commit, push, make sync`,
      link: 'infrastructure/docs/POLICIES.md',
      code: exit.usage,
    })
  const [constraints, off, rules, nodes] = await Promise.all([
    cluster.list(kinds.join(',')),
    cluster.list('namespaces', { labels: 'homelab/policies=off', metadataOnly: true }),
    cluster.find('configmaps/falco/falco-rules'),
    cluster.list('nodes'),
  ])
  const audited = constraints.flatMap(one => textAt(one, 'status', 'auditTimestamp') ?? []).sort()
  return {
    ...(audited.length ? { audited: audited.at(-1) as string } : {}),
    policies: constraints.map(policyOf).sort((a, b) => order(a).localeCompare(order(b), 'en', { numeric: true })),
    exceptions: constraints.flatMap(one => listAt(one.spec, 'parameters', 'exceptions') as Exception[]),
    off: off.map(({ metadata }) => metadata.name),
    ...(rules ? { watched: rulesOf(rules) } : {}),
    deaf: rules ? nodes.flatMap(deafOf) : [],
  }
}

/** A node whose kernel has not what modern eBPF needs: https://falco.org/docs/concepts/event-sources/kernel/ */
export function deafOf(node: K8sObject): { node: string; kernel: string }[] {
  const kernel = textAt(node.status, 'nodeInfo', 'kernelVersion') ?? ''
  const [major = 0, minor = 0] = kernel.split('.').map(Number)
  const old = /^\d+\.\d+/.test(kernel) && (major < 5 || (major === 5 && minor < 8))
  return old ? [{ node: node.metadata.name, kernel }] : []
}

/** A constraint with the verdict of its last audit. */
export function policyOf({ kind, metadata, spec, ...rest }: K8sObject): Policy {
  const status = at(rest, 'status')
  const check = kind === 'CisBenchmark' ? textAt(spec, 'parameters', 'check') : undefined
  return {
    name: metadata.name,
    says: metadata.annotations?.['homelab/says'] ?? '',
    action: (textAt(spec, 'enforcementAction') ?? 'deny') as Policy['action'],
    ...(check ? { check } : {}),
    ...(textAt(status, 'auditTimestamp') ? { violations: numberAt(status, 'totalViolations') } : {}),
    found: listAt(status, 'violations').map(one => ({
      object: `${textAt(one, 'kind')} ${[textAt(one, 'namespace'), textAt(one, 'name')].filter(Boolean).join('/')}`,
      message: textAt(one, 'message') ?? '',
    })),
  }
}

/** The rules in Falco's files, without its lists and macros and without changes to rules of others. */
export function rulesOf(configMap: K8sObject): Watched[] {
  return Object.values(mapAt(configMap, 'data'))
    .flatMap(text => parse(text) as unknown[])
    .flatMap(one => {
      const [rule, priority] = [textAt(one, 'rule'), textAt(one, 'priority')]
      return rule && priority ? [{ rule, priority, tags: listAt(one, 'tags').map(String) }] : []
    })
}

/** What refuses first, then what warns, then the benchmark by its numbers. */
const order = ({ action, check, name }: Policy): string =>
  `${['deny', 'warn', 'dryrun'].indexOf(action)} ${check ?? name}`
