// make diff LIVE=1: Git against the cluster, by the API server's own answer to what a sync would apply. Only reads and dry runs.
import type { Applied, Cluster } from '../cluster.ts'
import { exit, HomelabError } from '../errors.ts'
import { refuseDirty } from '../gitops/change.ts'
import { type K8sObject, listAt, nameOf, textAt } from '../k8s.ts'
import { root } from '../root.ts'
import type { Site } from '../site/site.ts'
import { compareObjects, type ObjectDiff } from './compare.ts'
import type { AppDiff, Report } from './markdown.ts'
import { buildEnvironments, commitFirst, short } from './pull-request.ts'
import { type RenderOptions, renderAll } from './render.ts'
import { headOf } from './sides.ts'

/**
 * What a sync of this commit would change now.
 * @throws HomelabError (exit 2) for changes that are not committed, or an environment that is not in Git
 */
export async function liveDiff(cluster: Cluster, site: Site, options: Omit<RenderOptions, 'top'>): Promise<Report> {
  await refuseDirty(root, commitFirst)
  const [head, version, kinds, running] = await Promise.all([
    headOf(root),
    cluster.raw('/version').then(text => textAt(JSON.parse(text), 'gitVersion') ?? ''),
    cluster.api.versions(),
    cluster.list('applications.argoproj.io', { namespace: 'argocd' }),
  ])
  const rendering = { ...options, top: root, tracking: true, cluster: { version, kinds } }
  const built = (await buildEnvironments([head], rendering, [site.environment])).get(
    `${head.commit} ${site.environment}`,
  )
  if (!built)
    throw new HomelabError({
      what: `there is no gitops/environments/${site.environment} at HEAD`,
      fix: `make configure ENV=${site.environment}, then commit what it writes`,
      code: exit.usage,
    })
  const wanted = built.applications.map(application => ({ side: head, application, own: built.own }))
  const { rendered, standIns } = await renderAll(wanted, rendering)
  const all = await Promise.all(
    wanted.map(async ({ application }, i): Promise<AppDiff> => {
      const { name } = application.metadata
      const said = rendered[i]
      const there = running.find(({ metadata }) => metadata.name === name)
      const about = { application: name, environments: [site.environment], ...(there ? {} : { comes: 'new' as const }) }
      if (!said || 'failed' in said)
        return { ...about, objects: [], failed: said?.failed ?? 'Argo CD says nothing of it' }
      const namespace = textAt(application.spec, 'destination', 'namespace')
      const objects = said.objects.filter(isKept).map(object => within(object, namespace))
      const changed = [application, ...objects]
      return { ...about, objects: [...(await applied(cluster, changed)), ...pruned(there, objects)] }
    }),
  )
  const applications = all.filter(one => one.failed || one.objects.length || one.comes)
  return {
    compared: `the cluster ${site.context} → Git ${short(head)} (${site.environment})`,
    applications,
    same: all.length - applications.length,
    standIns,
    platform: [],
    whole: 'make diff LIVE=1 FULL=diff.md',
  }
}

/** Hooks come and go with each sync. */
const isKept = ({ metadata: { annotations = {} } }: K8sObject): boolean =>
  !Object.keys(annotations).some(key => /^(helm\.sh|argocd\.argoproj\.io)\/hook$/.test(key))

const within = (object: K8sObject, namespace: string | undefined): K8sObject =>
  namespace === undefined ? object : { ...object, metadata: { namespace, ...object.metadata } }

/** Under whose name Argo CD applies; its fields are compared and nobody else's. */
const manager = 'argocd-controller'

async function applied(cluster: Cluster, objects: readonly K8sObject[]): Promise<ObjectDiff[]> {
  const asked = await Promise.all(
    objects.map(async (object): Promise<ObjectDiff[]> => {
      try {
        const [one] = await cluster.apply([object], { plan: true, manager })
        return one ? [...asDiff(one)] : []
      } catch (error) {
        const why = error instanceof HomelabError ? (error.why ?? error.what) : String(error)
        return [{ title: titleOf(object), result: 'changed', patch: `! refused: ${why}` }]
      }
    }),
  )
  return asked.flat()
}

function* asDiff({ object, result, changes }: Applied): Generator<ObjectDiff> {
  if (result === 'unchanged') return
  if (result === 'created') yield* compareObjects([], [object])
  else {
    const secret = object.kind === 'Secret'
    const text = (path: string, value: string) =>
      secret && /^(data|stringData|metadata\.annotations)\b/.test(path) && value !== 'nothing' ? '••••••••' : value
    const lines = changes.map(({ path, from, to }) => `- ${path}: ${text(path, from)}\n+ ${path}: ${text(path, to)}`)
    yield { title: titleOf(object), result: 'changed', patch: lines.join('\n') }
  }
}

/** What the application made, and Git has not any more. */
function pruned(application: K8sObject | undefined, objects: readonly K8sObject[]): ObjectDiff[] {
  const kept = new Set(
    objects.map(({ apiVersion, kind, metadata }) => `${groupOf(apiVersion)} ${kind} ${metadata.name}`),
  )
  return listAt(application?.status, 'resources').flatMap((one): ObjectDiff[] => {
    const [group = '', kind = '', namespace, name = ''] = ['group', 'kind', 'namespace', 'name'].map(field =>
      textAt(one, field),
    )
    if (kept.has(`${group} ${kind} ${name}`)) return []
    return [
      { title: `${kind} ${namespace ? `${namespace}/` : ''}${name}`, result: 'removed', patch: '! pruned by a sync' },
    ]
  })
}

const groupOf = (apiVersion: string): string => (apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '')

const titleOf = (object: K8sObject): string => `${object.kind} ${nameOf(object)}`
