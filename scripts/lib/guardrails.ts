// What limits a namespace: its level of Pod Security, what it may take, and who may talk to whom in it.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readManifest } from './fill.ts'
import type { K8sObject } from './k8s.ts'
import { root } from './root.ts'
import { nearest } from './site/read.ts'
import type { YamlDocument, YamlFlaw } from './yaml/parse.ts'

export type Level = 'privileged' | 'baseline' | 'restricted'

/**
 * The labels of a Pod Security level. Enforced is the standard as Kubernetes had it when our pods were tested against it,
 * so that an upgrade of the cluster refuses nothing that ran before; what its newest form would refuse is a warning.
 * https://kubernetes.io/docs/concepts/security/pod-security-admission/
 */
export function podSecurity(level: Level): Record<string, string> {
  const label = 'pod-security.kubernetes.io'
  return {
    [`${label}/enforce`]: level,
    [`${label}/enforce-version`]: 'v1.36',
    [`${label}/warn`]: level,
    [`${label}/audit`]: level,
  }
}

/**
 * Plain YAML, one file a namespace: in `base/`, which `kubectl apply -f` takes as it is, or in `optional/` for a namespace
 * that not every lab has.
 */
export const limitsFolder = 'infrastructure/security/resource-quotas'
export const policiesFolder = 'infrastructure/security/network-policies'
const parts = ['base', 'optional'] as const

/** The file of a namespace in one of the two; undefined when there is none. */
export const fileOf = (folder: string, namespace: string): string | undefined =>
  parts.map(part => `${folder}/${part}/${namespace}.yaml`).find(file => existsSync(join(root, file)))

/** The namespaces that have a file there. */
export const namespacesIn = (folder: string): string[] =>
  parts
    .flatMap(part => (existsSync(join(root, folder, part)) ? readdirSync(join(root, folder, part)) : []))
    .filter(file => file.endsWith('.yaml'))
    .map(file => file.slice(0, -'.yaml'.length))
    .sort()

function objectsOf(folder: string, namespace: string): K8sObject[] {
  const file = fileOf(folder, namespace)
  return file === undefined ? [] : readManifest(file, {})
}

/** The quota and the limit range of a namespace; none where there is no file. */
export const readLimits = (namespace: string): K8sObject[] => objectsOf(limitsFolder, namespace)

/** Its network policies; none where there is no file. */
export const readPolicies = (namespace: string): K8sObject[] => objectsOf(policiesFolder, namespace)

/**
 * How a quota follows from what is installed. `times`: what ours request at the worst moment, and half as much again, for
 * a change of your own and for whatever comes for a moment. `nodes`: of what runs once on each node, for so many. `most`:
 * more than this many times what ours request would stop nothing.
 */
export const headRoom = { times: 1.5, nodes: 10, most: 4 } as const

/** k3s brings a provisioner of its own, and RANCHER=false leaves Rancher out. */
export const notAlways: readonly string[] = ['local-path-storage', 'cattle-system']

/**
 * What is wrong with the place of such a file: a namespace that nobody makes, or objects of another one.
 * @param file path in the repository; any other file has no flaws of this kind
 * @param known the namespaces that the lab makes: those that are always there, and the others
 */
export function misplaced(
  file: string,
  documents: readonly YamlDocument[],
  known: { always: readonly string[]; sometimes: readonly string[] },
): YamlFlaw[] {
  const [, part, namespace = ''] =
    /^infrastructure\/security\/(?:resource-quotas|network-policies)\/(base|optional)\/(.+)\.yaml$/.exec(file) ?? []
  if (!part) return []
  const names = [...known.always, ...known.sometimes]
  if (!names.includes(namespace)) {
    const near = nearest(namespace, names)
    const added = 'remove the file, or add the namespace to infrastructure/platform/argocd/namespaces.yaml'
    const fix = near ? `git mv ${file} ${file.replace(`${namespace}.yaml`, `${near}.yaml`)}` : added
    return [{ line: 0, problem: `no step makes a namespace ${namespace}`, fix }]
  }
  if (part === 'base' && !known.always.includes(namespace))
    return [
      {
        line: 0,
        problem: `not every lab has the namespace ${namespace}, and kubectl apply on the folder would fail`,
        fix: `move it: git mv ${file} ${file.replace('/base/', '/optional/')}`,
      },
    ]
  return documents.flatMap(({ value, entries, line }) => {
    const { metadata } = (value ?? {}) as Partial<K8sObject>
    if (value === undefined || metadata?.namespace === namespace) return []
    const path = ['metadata', 'namespace']
    const there = entries.find(entry => entry.path.join('.') === path.join('.'))
    return [
      {
        line: there?.line ?? line,
        path,
        problem: `${metadata?.namespace ?? 'no namespace'}, and the file is of ${namespace}`,
        fix: `namespace: ${namespace}`,
      },
    ]
  })
}
