// infrastructure/security/exceptions.yaml: where the lab gives more than the least, as data and as a page.

import { throwProblems } from './errors.ts'
import type { Level } from './guardrails.ts'
import { headRoom, notAlways, readLimits } from './guardrails.ts'
import { listAt, mapAt } from './k8s.ts'
import { root } from './root.ts'
import { problemsOf, readYamlFile } from './yaml/files.ts'

/** What of a right deserves a second look. */
export type Wide = 'everything' | 'wildcards' | 'reads Secrets' | 'writes Secrets'

export interface Exceptions {
  podSecurity: { namespace: string; level: Level; reason: string; since: string }[]
  clusterRights: { of: string; names: string[]; wide?: Wide[]; reason: string; since: string }[]
}

const file = 'infrastructure/security/exceptions.yaml'

/** @throws HomelabError (exit 2) when the file is no YAML, or an entry has no reason or no date */
export function readExceptions(): Exceptions {
  const { documents, flaws } = readYamlFile(file, root)
  throwProblems(problemsOf(file, flaws))
  const value = documents[0]?.value as Exceptions
  const entries = [...value.podSecurity, ...value.clusterRights]
  throwProblems(
    entries
      .filter(({ reason, since }) => !reason || !/^\d{4}-\d\d-\d\d$/.test(since ?? ''))
      .map(one => ({
        what: `${file}: ${'namespace' in one ? one.namespace : one.names.join(', ')} has no ${one.reason ? 'date' : 'reason'}`,
        why: 'an exception that nobody can judge stays for ever',
        fix: one.reason ? 'add since: YYYY-MM-DD' : 'add reason: in one line',
      })),
  )
  return value
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map(row => `| ${row.join(' | ')} |`).join('\n')

const code = (text: string): string => `\`${text}\``

/** infrastructure/docs/SECURITY.md. @param namespaces of the platform and of the applications, in their order */
export function securityPage(namespaces: readonly string[]): string {
  const { podSecurity, clusterRights } = readExceptions()
  const limits = namespaces.map(namespace => {
    const [quota, range] = readLimits(namespace)
    const hard = mapAt(quota?.spec, 'hard')
    const most = mapAt(listAt(range?.spec, 'limits')[0], 'max')
    const storage = hard['requests.storage']
      ? `${hard['requests.storage']} in ${hard.persistentvolumeclaims}`
      : 'none of ours'
    return [
      namespace,
      hard['requests.cpu'],
      hard['requests.memory'],
      hard.pods,
      storage,
      `${most.cpu}, ${most.memory}`,
    ].map(String)
  })
  return `# Security

What limits the lab from inside: how much each namespace may take, what its pods may do, and who may do what beyond it.

## Quotas and limits

Each namespace of ours has a quota and a limit range, in
[\`resource-quotas\`](../security/resource-quotas): one file a namespace. The step that makes a namespace of the platform
applies its file; those of the applications come from Git, before all else (\`gitops/applications/resource-quotas.yaml\`).
\`${notAlways.join('` and `')}\` are in \`optional/\`, because not every lab has them; \`make add-app\` writes its own there.

A quota is what ours request at the worst moment (everything rolls at once, every hook runs), times ${headRoom.times}; of what runs
once on each node, for ${headRoom.nodes} nodes. A test works it out from what the charts render, and says what to write when a
quota is below that, or ${headRoom.most} times above it. \`services.loadbalancers\` is what ours have and not one more: addresses of the
house are few. \`make doctor\` and each run refuse a quota below what is in use or asked for; when a pod is refused,
\`make status\` says by which limit.

${table(['namespace', 'requests of CPU', 'of memory', 'pods', 'volumes', 'a container at most'], limits)}

By hand, all of them: \`kubectl apply -f infrastructure/security/resource-quotas/base/\`.

## Pod Security

Every namespace enforces \`restricted\`, as [Kubernetes' standard](https://kubernetes.io/docs/concepts/security/pod-security-standards/)
had it in the version on which our pods are tested, so that an upgrade of the cluster refuses nothing that ran before.
What its newest form would refuse is a warning and an entry in the audit log. Other levels, with their reasons:

${table(
  ['namespace', 'level', 'why', 'since'],
  podSecurity.map(one => [one.namespace, one.level, one.reason, one.since]),
)}

## Rights beyond a namespace

Every ClusterRole and ClusterRoleBinding that the steps and the applications bring. A test fails for one that is not
listed, and for one that is wider than it says.

${table(
  ['of', 'names', 'wide', 'why', 'since'],
  clusterRights.map(one => [one.of, one.names.map(code).join(' '), (one.wide ?? []).join(', '), one.reason, one.since]),
)}

Tables from [\`exceptions.yaml\`](../security/exceptions.yaml) and the files themselves, by \`scripts/docs.ts\`.
`
}
