// Which workloads an upgrade restarts, and with which images: the API server's own answer to a dry run.
import type { Cluster } from '../cluster.ts'
import { HomelabError } from '../errors.ts'
import { type K8sObject, listAt, nameOf, numberAt, textAt } from '../k8s.ts'

export interface Roll {
  /** `Deployment traefik/traefik` */
  workload: string
  change: 'rolls' | 'new' | 'gone'
  /** Pods, where that is known. */
  pods?: number
  /** `docker.io/traefik:v3.6.2 → v3.7.11` */
  images: string[]
  /** Why the API server would refuse the change. */
  refused?: string
}

const kinds = ['Deployment', 'StatefulSet', 'DaemonSet']
export const workloadsIn = (objects: readonly K8sObject[]): K8sObject[] =>
  objects.filter(({ kind }) => kinds.includes(kind))

/**
 * @param before what made the workloads that run now, or they themselves
 * @param manager whose fields they are: Helm's in a release
 */
export async function rollsOf(
  cluster: Cluster,
  before: readonly K8sObject[],
  after: readonly K8sObject[],
  manager?: string,
): Promise<Roll[]> {
  const old = workloadsIn(before)
  const wanted = workloadsIn(after)
  const same = (a: K8sObject) => (b: K8sObject) => a.kind === b.kind && nameOf(a) === nameOf(b)
  const label = (object: K8sObject) => `${object.kind} ${nameOf(object)}`
  const gone = old
    .filter(object => !wanted.some(same(object)))
    .map((object): Roll => ({ workload: label(object), change: 'gone', images: [] }))
  const others = await Promise.all(
    wanted.map(async (object): Promise<Roll[]> => {
      const live = await cluster.now(object)
      if (!live) return [{ workload: label(object), change: 'new', images: imagesIn(object) }]
      const roll: Roll = { workload: label(object), change: 'rolls', ...podsOf(live), images: moved(live, object) }
      try {
        const [compared] = await cluster.apply([object], { plan: true, ...(manager ? { manager } : {}) })
        return compared?.changes.some(({ path }) => path.startsWith('spec.template')) ? [roll] : []
      } catch (error) {
        if (!(error instanceof HomelabError)) throw error
        return [{ ...roll, refused: error.why ?? error.what }]
      }
    }),
  )
  return [...others.flat(), ...gone]
}

function podsOf(live: K8sObject): { pods?: number } {
  const pods =
    live.kind === 'DaemonSet' ? numberAt(live.status, 'desiredNumberScheduled') : numberAt(live.spec, 'replicas')
  return { pods }
}

function imagesIn(workload: K8sObject): string[] {
  const pod = (where: string) => listAt(workload.spec, 'template', 'spec', where)
  return [...new Set([...pod('initContainers'), ...pod('containers')].map(one => textAt(one, 'image') ?? ''))]
}

/** By container, so that a sidecar's image is not compared with the program's. */
function moved(before: K8sObject, after: K8sObject): string[] {
  const byName = (workload: K8sObject) => {
    const pod = (where: string) => listAt(workload.spec, 'template', 'spec', where)
    const all = [...pod('initContainers'), ...pod('containers')]
    return new Map(all.map(one => [textAt(one, 'name') ?? '', textAt(one, 'image') ?? '']))
  }
  const old = byName(before)
  const lines = [...byName(after)].flatMap(([name, image]) => {
    const was = old.get(name)
    if (was === undefined || was === image) return []
    const [repository = '', tag = ''] = split(image)
    return [split(was)[0] === repository ? `${was} → ${tag}` : `${was} → ${image}`]
  })
  return [...new Set(lines)]
}

const split = (image: string): string[] => [image.replace(/:[^/]*$/, ''), /:([^/]*)$/.exec(image)?.[1] ?? '']
