// An Argo CD Application as its handover sees it: what it holds, what drives it, who would make it again. Pure.
import { at, type K8sObject, listAt, nameOf, textAt } from '../k8s.ts'

/** Names an object whatever its API version: `apps/Deployment/traefik/traefik`, `/Namespace//traefik`. */
export type Id = string

export interface Application {
  object: K8sObject
  /** `argocd/traefik` */
  name: string
  /** As its marks call it: the bare name, or `namespace_name` outside of Argo CD's own namespace. */
  mark: string
  project: string
  finalizers: readonly string[]
  /** `spec.syncPolicy.automated` as it stands, or undefined when nothing is synced unasked. */
  automated: unknown
  /** Where it comes from, for people: `path of https://… at main`. */
  source: string
  /** What its last comparison says that it holds. */
  resources: ReadonlySet<Id>
  /** Whether a sync is under way, or waits to begin. */
  busy: boolean
  /** The ApplicationSet that makes it. */
  madeBy: string | undefined
}

/** Where a pause keeps what it has switched off. */
export const pausedMark = 'homelab/paused-by-adopt'

/** Of a parent that waits for its owner to take something out of Git. */
export interface Pause {
  /** `spec.syncPolicy.automated` as it was. */
  automated: unknown
  /** The Applications, `namespace/name`, that it would make again. */
  gone: readonly string[]
}

export function pauseOf({ object }: Application): Pause | undefined {
  const text = object.metadata.annotations?.[pausedMark]
  return text === undefined ? undefined : (JSON.parse(text) as Pause)
}

export const trackingId = 'argocd.argoproj.io/tracking-id'

export const applicationKind = 'argoproj.io/Application'

export function idOf({ apiVersion, kind, metadata }: K8sObject): Id {
  return id(apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '', kind, metadata.namespace, metadata.name)
}

function id(group = '', kind = '', namespace = '', name = ''): Id {
  return `${group}/${kind}/${namespace}/${name}`
}

/** `group/Kind` of an id. */
export const kindOf = (one: Id): string => one.split('/').slice(0, 2).join('/')

export function readApplication(object: K8sObject): Application {
  const { namespace = '', name, finalizers = [], ownerReferences = [] } = object.metadata
  const home = textAt(object.status, 'controllerNamespace') ?? namespace
  const [source = at(object.spec, 'source')] = listAt(object.spec, 'sources')
  const resources = listAt(object.status, 'resources').map(one =>
    id(textAt(one, 'group'), textAt(one, 'kind'), textAt(one, 'namespace'), textAt(one, 'name')),
  )
  return {
    object,
    name: nameOf(object),
    mark: home === namespace ? name : `${namespace}_${name}`,
    project: textAt(object.spec, 'project') ?? 'default',
    finalizers,
    automated: at(object.spec, 'syncPolicy', 'automated') ?? undefined,
    source: `${textAt(source, 'path') ?? textAt(source, 'chart') ?? '?'} of ${textAt(source, 'repoURL') ?? '?'}`,
    resources: new Set(resources),
    // Argo CD takes the request away by writing null, which a schema may keep.
    busy: (object.operation ?? undefined) !== undefined || isRunning(object),
    madeBy: ownerReferences.find(one => one.kind === 'ApplicationSet')?.name,
  }
}

export const isRunning = (object: K8sObject): boolean => textAt(object.status, 'operationState', 'phase') === 'Running'

/** How an Argo CD marks what it has applied (argocd-cm; https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/). */
export interface Tracking {
  /** The label that holds the Application's name when tracking goes by label. */
  label: string
  /** `annotation`, `label`, `annotation+label`, or undefined: then it is the default, another in each major version. */
  method: string | undefined
}

/** @param settings the ConfigMap argocd-cm */
export function readTracking(settings: K8sObject | undefined): Tracking {
  return {
    label: textAt(settings, 'data', 'application.instanceLabelKey') ?? 'app.kubernetes.io/instance',
    method: textAt(settings, 'data', 'application.resourceTrackingMethod'),
  }
}

/** The common label is also set by nearly every chart: alone it does not say that Argo CD applied the object. */
export const isCommon = ({ label }: Tracking): boolean => label === 'app.kubernetes.io/instance'

/**
 * By which mark an Application holds an object, or undefined when it does not.
 * @param listed whether the Application's own list has it
 */
export function trackedBy(
  object: K8sObject,
  { mark }: Application,
  tracking: Tracking,
  listed: boolean,
): 'annotation' | 'label' | undefined {
  const { annotations = {}, labels = {}, name } = object.metadata
  const [, whose, kind, itself] = /^([^:]*):([^:]*):[^/]*\/(.*)$/.exec(annotations[trackingId] ?? '') ?? []
  // A controller that copies annotations to what it makes copies the mark too; it then names another object.
  if (whose === mark && kind === kindOf(idOf(object)) && itself === name) return 'annotation'
  if (labels[tracking.label] === mark && (listed || !isCommon(tracking))) return 'label'
  return undefined
}

/** Those that hold the Applications of `names`, and those above them: the topmost first. */
export function ancestorsOf(
  names: ReadonlySet<string>,
  all: readonly Application[],
  tracking: (application: Application) => Tracking,
): Application[] {
  const found: Application[] = []
  const above = (below: ReadonlySet<string>) => {
    const parents = all.filter(
      parent =>
        !found.includes(parent) && all.some(child => below.has(child.name) && holds(parent, child, tracking(parent))),
    )
    if (!parents.length) return
    found.unshift(...parents)
    above(new Set(parents.map(({ name }) => name)))
  }
  above(names)
  return found
}

/** Whether one Application holds another, and so would put it back. */
export function holds(parent: Application, child: Application, tracking: Tracking): boolean {
  const listed = parent.resources.has(idOf(child.object))
  return listed || trackedBy(child.object, parent, tracking, listed) !== undefined
}
