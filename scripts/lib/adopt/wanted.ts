// What the steps would make, object by object, and what that would change of what is there: read and dry-run only.
import { type Change, changes } from '../diff.ts'
import { exit, HomelabError, type Problem } from '../errors.ts'
import { at, type K8sObject, nameOf } from '../k8s.ts'
import type { Run } from '../run.ts'
import type { Step } from '../step.ts'
import { belongingsOf } from '../uninstall/recording.ts'
import { type Id, idOf } from './application.ts'
import { managerOf, type Owner } from './hand-over.ts'

export interface Wanted {
  step: Step
  object: K8sObject
  owner: Exclude<Owner, undefined>
}

/** Everything that these steps make, by what it is. Secrets are named only: what they hold is made when a step runs. */
export async function wantedObjects(run: Run, steps: readonly Step[]): Promise<Map<Id, Wanted>> {
  const found = new Map<Id, Wanted>()
  for (const one of await Promise.all(steps.map(step => wantedBy(run, step))))
    for (const wanted of one) found.set(idOf(wanted.object), wanted)
  return found
}

async function wantedBy(run: Run, step: Step): Promise<Wanted[]> {
  const { cluster, helm } = run
  const { namespaces, objects, releases } = await belongingsOf(run, step)
  const named = namespaces.map((name): K8sObject => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }))
  const own = [...named, ...objects].map((object): Wanted => ({ step, object, owner: 'step' }))
  const charts = await Promise.all(
    releases.map(async ({ namespace, name, chart: chartName, values }) => {
      const [chart, release] = await Promise.all([run.chart(chartName), helm.release(namespace, name)])
      const [crds, rendered] = await Promise.all([
        helm.crds(chart),
        helm.render(namespace, name, chart, values(), run.kubernetes, release !== undefined),
      ])
      const placed = await Promise.all(rendered.map(object => cluster.placed(object)))
      return [
        ...crds.map((object): Wanted => ({ step, object, owner: 'step' })),
        ...placed.map((object): Wanted => ({ step, object, owner: { release: { namespace, name } } })),
      ]
    }),
  )
  return [...own, ...charts.flat()]
}

const workloads = ['Deployment', 'StatefulSet', 'DaemonSet']

/** A workload whose pods restart, and what changes in its template. */
export interface Roll {
  object: K8sObject
  changes: Change[]
}

/**
 * What running these steps does to what is there. Asks the API server, writes nothing.
 * @returns the workloads that restart
 * @throws HomelabError (exit 3) when it does not take the step's form of an object at all
 */
export async function effectsOf(run: Run, steps: readonly Step[], wanted: Iterable<Wanted>): Promise<Roll[]> {
  const problems: Problem[] = []
  const rolls: Roll[] = []
  const looked = [...wanted].map(async one => {
    // What a Secret holds is made when the step runs.
    if (!steps.includes(one.step) || one.object.kind === 'Secret') return
    const live = await run.cluster.now(one.object)
    if (!live) return
    const why = await refusalOf(run, one)
    if (why !== undefined) problems.push(replaced(one, why))
    else if (workloads.includes(one.object.kind)) {
      const changes = await templateChanges(run, one.object, live)
      if (changes.length) rolls.push({ object: live, changes })
    }
  })
  await Promise.all(looked)
  const [first, ...others] = problems
  if (first) throw new HomelabError({ ...first, others, code: exit.refused })
  return rolls.sort((a, b) => nameOf(a.object).localeCompare(nameOf(b.object)))
}

/** The API server's words when it does not take an object; undefined when it does. */
async function refusalOf(run: Run, { object, owner }: Wanted): Promise<string | undefined> {
  try {
    await run.cluster.apply([object], { plan: true, manager: managerOf(owner), patience: 3 })
    return undefined
  } catch (error) {
    if (error instanceof HomelabError) return error.why ?? error.what
    throw error
  }
}

/**
 * A template is compared with that of a new object of another name: an apply on top of the old one would not show what
 * Argo CD has set and the chart does not.
 */
async function templateChanges(run: Run, object: K8sObject, live: K8sObject): Promise<Change[]> {
  const probe = { ...object, metadata: { ...object.metadata, name: `${object.metadata.name}-as-new` } }
  const asNew = await run.cluster.dryRun(probe)
  return changes(at(live.spec, 'template'), at(asNew.spec, 'template')).filter(({ path }) => !byHand.test(path))
}

// `kubectl rollout restart` and Rancher's button leave these; no apply takes them away.
const byHand = /annotations\.(kubectl\.kubernetes\.io\/restartedAt|cattle\.io\/timestamp)$/

function replaced({ object, step }: Wanted, why: string): Problem {
  const { namespace, name } = object.metadata
  const typed = `${object.kind.toLowerCase()}${namespace ? ` -n ${namespace}` : ''} ${name}`
  return {
    what: `${object.kind} ${nameOf(object)} cannot become what ${step.id} makes of it`,
    why,
    fix: `switch auto-sync of its Application off and delete it (kubectl delete ${typed}; look first at what depends on it), then make adopt again: the step makes it anew`,
  }
}
