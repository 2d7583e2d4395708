// What an adoption would do: which Applications go, which are paused, whose each object becomes. Reads, writes nothing.
import { exit, HomelabError, type Problem } from '../errors.ts'
import type { K8sObject } from '../k8s.ts'
import type { Run } from '../run.ts'
import type { Step } from '../step.ts'
import {
  type Application,
  ancestorsOf,
  applicationKind,
  type Id,
  idOf,
  kindOf,
  pauseOf,
  readApplication,
  readTracking,
  type Tracking,
  trackedBy,
} from './application.ts'
import { handOver, managerOf, type Owner, selectedValues } from './hand-over.ts'
import { readState } from './state.ts'
import type { Wanted } from './wanted.ts'

/** One object that passes on. */
export interface Passing {
  object: K8sObject
  owner: Owner
  step: Step | undefined
  /** The Application that holds it; none for what lies beside it without an owner and belongs to the same chart. */
  from: Application | undefined
  patch: Record<string, unknown>
  manager: string
}

export interface Leaving {
  application: Application
  /** By which marks it holds its objects. */
  tracking: ReadonlySet<'annotation' | 'label'>
  objects: number
  /** The steps that have its objects from now on; none for a parent that holds nothing but such Applications. */
  steps: readonly Step[]
}

export interface Plan {
  /** Parents first. */
  leaving: Leaving[]
  /** Parents that hold other Applications too: they stay, without auto-sync. The topmost first. */
  paused: Application[]
  /** Those that an earlier adoption has paused. */
  stillPaused: Application[]
  passing: Passing[]
  /** Objects of the Applications that no step makes: they stay as they are. */
  stays: K8sObject[]
  /** Steps to run, in their order: also those of an adoption that was killed. */
  steps: Step[]
}

/**
 * @param steps those that this site wants
 * @param readWanted what they make
 * @throws HomelabError (exit 3) naming what would undo it
 */
export async function planAdoption(
  run: Run,
  steps: readonly Step[],
  readWanted: () => Promise<Map<Id, Wanted>>,
): Promise<Plan> {
  const { cluster } = run
  const objects = await cluster.list('applications.argoproj.io')
  const all = objects.map(readApplication)
  const stillPaused = all.filter(one => pauseOf(one) !== undefined)
  const pending = await readState(cluster)
  const nothing: Plan = {
    ...{ leaving: [], paused: [], stillPaused, passing: [], stays: [] },
    steps: steps.filter(step => pending.steps.includes(step.id)),
  }
  if (!all.length) return nothing
  const wanted = await readWanted()
  const tracking = await readTrackings(run, all)
  const live = await readLive(run, wanted, all)
  const held = (application: Application) => heldBy(application, live, tracking(application))

  // What the steps themselves make of Applications is ours already.
  const theirs = all.filter(({ object }) => !wanted.has(idOf(object)))
  const platform = theirs.filter(
    one =>
      pending.applications.includes(one.name) || [...held(one).keys(), ...one.resources].some(id => wanted.has(id)), // listed and missing: its next sync makes it
  )
  if (!platform.length) return nothing
  const going = new Set(platform.map(({ name }) => name))
  const parents = ancestorsOf(going, all, tracking)
  const applicationNames = new Map(all.map(one => [idOf(one.object), one.name]))
  // From the bottom up: a parent of nothing but Applications that go has nothing left to do.
  for (const parent of [...parents].reverse())
    if (
      theirs.includes(parent) &&
      [...parent.resources].every(id => going.has(applicationNames.get(id) ?? '') || isSelf(parent, id))
    )
      going.add(parent.name)
  const paused = parents.filter(({ name }) => !going.has(name))
  const leaving = [...new Set([...parents, ...platform])].filter(({ name }) => going.has(name))
  const [first, ...others] = hindrances([...paused, ...leaving])
  if (first) throw new HomelabError({ ...first, others, code: exit.refused })

  const selectors = await readSelectors(run)
  const passing: Passing[] = []
  const stays: K8sObject[] = []
  const chosen = new Set<string>()
  const rows: Leaving[] = []
  for (const application of leaving) {
    const own = held(application)
    const its = tracking(application)
    const selected = selectedValues(selectors, its.label).has(application.mark)
    const has = new Set<Step>()
    for (const [id, object] of own) {
      const one = wanted.get(id)
      if (one) has.add(one.step)
      else if (!object.metadata.annotations?.['helm.sh/hook']) stays.push(object) // a hook is made anew each time
      const wantsLabel = one?.object.metadata.labels?.[its.label] !== undefined
      const from = { application, tracking: its, listed: application.resources.has(id) }
      const patch = handOver(object, one?.owner, from, { wantsLabel, selected })
      if (patch) passing.push(passingOf(object, one, application, patch))
    }
    for (const step of has) chosen.add(step.id)
    const marks = [...own].map(([id, object]) => trackedBy(object, application, its, application.resources.has(id)))
    rows.push({
      application,
      tracking: new Set(marks.filter(mark => mark !== undefined)),
      objects: own.size,
      steps: steps.filter(step => has.has(step)),
    })
  }
  for (const id of pending.steps) chosen.add(id)
  // What lies beside it without an owner: Helm takes over nothing without its marks.
  const taken = new Set(passing.map(({ object }) => idOf(object)))
  for (const [id, one] of wanted) {
    const object = live.get(id)
    if (!object || !chosen.has(one.step.id) || one.owner === 'step' || taken.has(id) || hasOwner(object)) continue
    const patch = handOver(object, one.owner, undefined, { wantsLabel: true, selected: false })
    if (patch) passing.push(passingOf(object, one, undefined, patch))
  }
  return {
    leaving: rows,
    paused,
    stillPaused: stillPaused.filter(({ name }) => !going.has(name) && !paused.some(one => one.name === name)),
    passing,
    stays,
    steps: steps.filter(step => chosen.has(step.id)),
  }
}

function passingOf(
  object: K8sObject,
  one: Wanted | undefined,
  from: Application | undefined,
  patch: Record<string, unknown>,
): Passing {
  const manager = one ? managerOf(one.owner) : 'homelab'
  return { object, owner: one?.owner, step: one?.step, from, patch, manager }
}

const isSelf = (parent: Application, id: Id): boolean => id === idOf(parent.object)

const hasOwner = ({ metadata }: K8sObject): boolean => metadata.annotations?.['meta.helm.sh/release-name'] !== undefined

/** The objects of an Application that are there, without the Applications among them. */
function heldBy(application: Application, live: ReadonlyMap<Id, K8sObject>, tracking: Tracking): Map<Id, K8sObject> {
  return new Map(
    [...live].filter(([id, object]) => {
      const listed = application.resources.has(id)
      return (
        kindOf(id) !== applicationKind && (listed || trackedBy(object, application, tracking, listed) !== undefined)
      )
    }),
  )
}

async function readTrackings(run: Run, all: readonly Application[]): Promise<(application: Application) => Tracking> {
  const homes = new Set(all.map(home))
  const found = await Promise.all(
    [...homes].map(async one => [one, readTracking(await run.cluster.find(`configmap/${one}/argocd-cm`))] as const),
  )
  const known = new Map(found)
  return application => known.get(home(application)) ?? readTracking(undefined)
}

function home({ object }: Application): string {
  const { status, metadata } = object
  return ((status ?? {}) as { controllerNamespace?: string }).controllerNamespace ?? metadata.namespace ?? ''
}

/** Metadata of everything that could be theirs: the kinds that the steps make, and those that the Applications list. */
async function readLive(
  run: Run,
  wanted: ReadonlyMap<Id, Wanted>,
  all: readonly Application[],
): Promise<Map<Id, K8sObject>> {
  const kinds = new Set([...wanted.keys(), ...all.flatMap(({ resources }) => [...resources])].map(kindOf))
  const names = [...kinds].filter(kind => kind !== applicationKind).map(kind => kind.split('/').reverse().join('.'))
  const lists = await Promise.all(names.map(name => run.cluster.list(name.replace(/\.$/, ''), { metadataOnly: true })))
  return new Map(lists.flat().map(object => [idOf(object), object]))
}

const selecting =
  'services,deployments.apps,statefulsets.apps,daemonsets.apps,networkpolicies.networking.k8s.io,poddisruptionbudgets.policy,servicemonitors.monitoring.coreos.com,podmonitors.monitoring.coreos.com,validatingwebhookconfigurations.admissionregistration.k8s.io,mutatingwebhookconfigurations.admissionregistration.k8s.io'

const readSelectors = (run: Run): Promise<K8sObject[]> => run.cluster.list(selecting)

/** What would undo the handover, or is already taking the objects away. */
export function hindrances(applications: readonly Application[]): Problem[] {
  return applications.flatMap(({ object, name, madeBy }): Problem[] => {
    const { namespace, name: short, deletionTimestamp } = object.metadata
    if (madeBy)
      return [
        {
          what: `the Application ${name} is made by the ApplicationSet ${madeBy}, which would make it again`,
          why: 'a template is no single Application: it cannot be handed over by itself',
          fix: `kubectl -n ${namespace} delete applicationset ${madeBy} --cascade=orphan (its Applications stay; take it out of Git first if an Application brings it), then again`,
        },
      ]
    if (deletionTimestamp)
      return [
        {
          what: `the Application ${name} is being deleted, and takes its objects along`,
          why: `its finalizers: ${object.metadata.finalizers?.join(', ') ?? 'none'}`,
          fix: `to stop that: kubectl -n ${namespace} patch application ${short} --type=merge -p '{"metadata":{"finalizers":null}}', then look at what is left`,
        },
      ]
    return []
  })
}
