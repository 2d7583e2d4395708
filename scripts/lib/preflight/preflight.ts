// Before the first write: is this the cluster that is meant, and can it take what is coming? All problems in one report.
import { createInterface } from 'node:readline/promises'
import type { Values } from '../command.ts'
import { exit, HomelabError } from '../errors.ts'
import type { K8sObject } from '../k8s.ts'
import { print } from '../output.ts'
import type { Run } from '../run.ts'
import { pasteable, refuseOther } from '../site/choose.ts'
import { clusterQuestion, describeCluster, isYes } from '../site/confirm.ts'
import { keepInEnv } from '../site/site.ts'
import type { Step } from '../step.ts'
import { examine, noticesOf, refuseProblems } from './check.ts'
import { checks } from './checks.ts'
import { readFacts } from './facts.ts'

/**
 * Looks at the cluster once and refuses what would go wrong.
 * @param adopting whether what `make adopt` takes over is no problem: it is about to
 * @returns notices: what is worth knowing and no problem
 * @throws HomelabError exit 2 with all problems, exit 3 when it is another cluster than before or somebody else's
 */
export async function preflight(run: Run, values: Values, steps: readonly Step[], adopting = false): Promise<string[]> {
  const { cluster, site, helm } = run
  const { patience } = cluster
  cluster.patience = 3 // a cluster that is down is said at once; later, a run outlasts its hiccups
  const facts = await readFacts({
    site,
    cluster,
    steps: steps.map(step => step.id),
    helm: () => helm.version(),
    chart: name => run.chart(name),
  })
  cluster.patience = patience
  run.kubernetes = facts.kubernetes
  if ('value' in facts.uid) refuseOther(site, facts.uid.value)
  const examined = examine(checks, facts).map(({ check, results }) => ({
    check,
    results: results.filter(one => !(adopting && one.state === 'problem' && one.adoptable)),
  }))
  refuseProblems(examined, fix => pasteable(fix, site))
  if ('unknown' in facts.uid)
    throw new HomelabError({ what: 'the cluster does not say which it is', why: facts.uid.unknown, code: exit.usage })
  run.uid = facts.uid.value
  const notices = noticesOf(examined, fix => pasteable(fix, site))
  return [...notices, ...(await confirmCluster(run, values, facts.uid.value, facts.objects.of('Node')))]
}

/** Asks once whether this is the cluster that is meant, and keeps the answer in .env. */
async function confirmCluster(run: Run, values: Values, uid: string, nodes: readonly K8sObject[]): Promise<string[]> {
  const { site } = run
  if (site.sandbox || site.clusterUid) return []
  const described = describeCluster(site.context, nodes, uid)
  if (run.plan) return [`The cluster: ${described}`]
  if (!values.yes) {
    if (!process.stdin.isTTY || values.json)
      throw new HomelabError({
        what: 'the cluster is not confirmed yet',
        why: described,
        fix: `if this is the one: the same command with --yes, or CLUSTER_UID=${uid} in ${site.file}`,
        code: exit.usage,
      })
    print(`This will work on: ${described}`)
    const terminal = createInterface({ input: process.stdin, output: process.stdout })
    const answer = await terminal.question(clusterQuestion)
    terminal.close()
    if (!isYes(answer))
      throw new HomelabError({
        what: 'not confirmed, nothing was written',
        fix: `set KUBE_CONTEXT in ${site.file}`,
        code: exit.usage,
      })
  }
  keepInEnv(site, { KUBE_CONTEXT: site.context, CLUSTER_UID: uid })
  return [`Kept in ${site.file}: KUBE_CONTEXT and CLUSTER_UID. Another cluster will be refused.`]
}
