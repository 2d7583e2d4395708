// The kinds that an upgrade brings, changes or takes away, with the objects that it would hit.
import type { Cluster } from '../cluster.ts'
import type { Problem } from '../errors.ts'
import { type K8sObject, nameOf, textAt } from '../k8s.ts'
import { belongs } from '../uninstall/plan.ts'
import type { Belongings } from '../uninstall/recording.ts'
import { type CrdDiff, compareCrd, fieldText, uses } from './crds.ts'

export interface CrdChange {
  name: string
  change: 'new' | 'changed' | 'gone'
  /** What changes, a line each. */
  lines: string[]
}

/**
 * @param current all CRDs of the cluster
 * @param wanted those that the new chart brings
 */
export async function crdChanges(
  cluster: Cluster,
  current: readonly K8sObject[],
  wanted: readonly K8sObject[],
  release: Pick<Belongings, 'releases'> & { manifest: readonly K8sObject[] },
): Promise<{ crds: CrdChange[]; problems: Problem[] }> {
  const crds: CrdChange[] = []
  const problems: Problem[] = []
  const names = wanted.map(crd => crd.metadata.name)
  await Promise.all(
    wanted.map(async crd => {
      const diff = compareCrd(
        current.find(one => one.metadata.name === crd.metadata.name),
        crd,
      )
      if (!diff) return
      const hit = diff.fields.length || diff.lost.length ? await cluster.list(diff.name) : []
      crds.push({ name: diff.name, change: diff.kind, lines: linesOf(diff, hit) })
      if (diff.lost.length) problems.push(stored(diff, crd, hit.length))
    }),
  )
  for (const crd of current) {
    const { name, annotations } = crd.metadata
    if (names.includes(name) || !belongs(crd, release)) continue
    const helms = release.manifest.some(one => one.kind === crd.kind && one.metadata.name === name)
    if (!helms || annotations?.['helm.sh/resource-policy'] === 'keep') {
      crds.push({ name, change: 'gone', lines: ['the new chart does not bring it; it and its objects stay'] })
      continue
    }
    const objects = await cluster.list(name)
    crds.push({ name, change: 'gone', lines: [`deleted by Helm, with ${countText(objects.length)}`] })
    if (objects.length)
      problems.push({
        what: `${name} goes, and with it ${countText(objects.length)}: ${objects.map(nameOf).slice(0, 3).join(', ')}`,
        why: 'the new chart does not bring this kind any more, and Helm deletes what a chart has dropped',
        fix: `kubectl annotate crd ${name} helm.sh/resource-policy=keep keeps both; or delete the objects first`,
      })
  }
  crds.sort((a, b) => a.name.localeCompare(b.name))
  return { crds, problems }
}

function linesOf({ kind, added, removed, fields, lost }: CrdDiff, objects: readonly K8sObject[]): string[] {
  if (kind === 'new') return []
  const shown = fields.slice(0, 4).map(field => {
    const users = objects.filter(one => uses(one, field.path)).length
    return `drops ${fieldText(field)}${users ? `, which ${countText(users)} ${users === 1 ? 'has' : 'have'}` : ''}`
  })
  return [
    ...(added.length ? [`serves ${added.join(', ')} too`] : []),
    ...(removed.length ? [`no longer serves ${removed.join(', ')}`] : []),
    ...(lost.length ? [`objects may be stored as ${lost.join(', ')}, which it has not`] : []),
    ...shown,
    ...(fields.length > shown.length ? [`drops ${fields.length - shown.length} more fields`] : []),
  ]
}

/** https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#upgrade-existing-objects-to-a-new-stored-version */
function stored({ name, lost, storage }: CrdDiff, wanted: K8sObject, objects: number): Problem {
  const versions = ((wanted.spec as { versions?: unknown[] } | undefined)?.versions ?? []).map(one =>
    textAt(one, 'name'),
  )
  const what = `${name}: objects are, or were, stored as ${lost.join(', ')}, which the new CRD has not`
  const why = 'the API server refuses such a CRD, since it could not read those objects any more'
  // While objects are still written in the version that goes, rewriting them helps nothing.
  if (!versions.includes(storage))
    return {
      what,
      why: `${why}; it still writes ${storage}`,
      fix: `pin a release between the two that has ${storage} and stores another version, upgrade to it, then come back here`,
    }
  const patch = `kubectl patch crd ${name} --subresource=status --type=merge -p '{"status":{"storedVersions":["${storage}"]}}'`
  const rewrite = objects ? `kubectl get ${name} -A -o json | kubectl replace -f - && ` : ''
  return { what, why, fix: `${rewrite}${patch}` }
}

const countText = (n: number): string => (n === 0 ? 'no objects' : n === 1 ? '1 object' : `${n} objects`)
