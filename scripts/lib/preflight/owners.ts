// What another tool manages already. Two owners of one object undo each other's work, for ever and in turn.
import type { Snapshot } from '../health/snapshot.ts'
import { type K8sObject, listAt, textAt } from '../k8s.ts'
import { type Check, few, orWell, problem, type Result } from './check.ts'
import { type Component, chosen, isOf } from './ours.ts'

interface Owner {
  kind: 'argo' | 'flux' | 'helm' | 'nobody'
  /** As it is called: `Argo CD's Application cert-manager`. */
  name: string
  /** How to remove it; of Argo CD's the bare name. */
  where: string
}

const kinds = [
  'Namespace',
  'CustomResourceDefinition',
  'Deployment',
  'DaemonSet',
  'StatefulSet',
  'StorageClass',
  'IngressClass',
  'ValidatingWebhookConfiguration',
  'MutatingWebhookConfiguration',
]

/** Whose an object is by its marks; undefined when it is ours or nobody's. */
function ownerOf(
  component: Component,
  { kind, metadata }: K8sObject,
  applied: ReadonlyMap<string, string>,
): Owner | undefined {
  const { labels = {}, annotations = {}, namespace, name } = metadata
  const application =
    annotations['argocd.argoproj.io/tracking-id']?.split(':')[0] ??
    labels['argocd.argoproj.io/instance'] ??
    applied.get(`${kind}/${namespace ?? ''}/${name}`)
  if (application)
    return {
      kind: 'argo',
      name: `Argo CD's Application ${application}`,
      where: application,
    }
  for (const [mark, what] of [
    ['helm', 'HelmRelease'],
    ['kustomize', 'Kustomization'],
  ] as const) {
    const flux = labels[`${mark}.toolkit.fluxcd.io/name`]
    const home = labels[`${mark}.toolkit.fluxcd.io/namespace`] ?? 'flux-system'
    if (flux)
      return {
        kind: 'flux',
        name: `Flux's ${what} ${home}/${flux}`,
        where: `take it out of Flux's repository with its pruning off (kustomize.toolkit.fluxcd.io/prune: disabled)`,
      }
  }
  const release = annotations['meta.helm.sh/release-name']
  const home = annotations['meta.helm.sh/release-namespace']
  // What the distribution's own Traefik brought has a check of its own.
  if (release && home === 'kube-system' && /^(rke2-)?traefik(-crd)?$/.test(release)) return undefined
  if (release && (release !== component.release || home !== component.namespace))
    return { kind: 'helm', name: `the Helm release ${home}/${release}`, where: `helm uninstall -n ${home} ${release}` }
  const byHelm = kind === 'CustomResourceDefinition' ? component.kindsByHelm : kind !== 'Namespace' && component.release
  if (byHelm && !release) return { kind: 'nobody', name: 'an installation without Helm', where: '' }
  return undefined
}

/** What Argo CD's Applications say that they manage, as `Kind/namespace/name`: older ones leave no mark on the object. */
function managedByArgo(objects: Snapshot): Map<string, string> {
  return new Map(
    objects
      .of('Application')
      .flatMap(application =>
        listAt(application.status, 'resources').map(
          one =>
            [
              `${textAt(one, 'kind')}/${textAt(one, 'namespace') ?? ''}/${textAt(one, 'name')}`,
              application.metadata.name,
            ] as const,
        ),
      ),
  )
}

function foreign(component: Component, objects: Snapshot, applied: ReadonlyMap<string, string>): Result[] {
  const owners = new Map<string, { owner: Owner; objects: K8sObject[] }>()
  for (const object of kinds.flatMap(kind => objects.of(kind)).filter(one => isOf(component, one))) {
    const owner = ownerOf(component, object, applied)
    if (!owner) continue
    const known = owners.get(owner.name) ?? { owner, objects: [] }
    owners.set(owner.name, { owner, objects: [...known.objects, object] })
  }
  return [...owners.values()].map(({ owner, objects: theirs }) =>
    problem({
      what: `${component.name} belongs to ${owner.name} already: ${few(theirs.map(short), 3)}`,
      ...wayOut(component, owner, theirs, objects),
      link: component.link,
      refuse: true,
    }),
  )
}

const short = ({ kind, metadata }: K8sObject): string =>
  kind === 'CustomResourceDefinition' ? `kind ${metadata.name}` : `${kind} ${metadata.name}`

const typed = ({ kind, metadata }: K8sObject): string => `${kind.toLowerCase()}/${metadata.name}`

function wayOut(
  component: Component,
  owner: Owner,
  theirs: readonly K8sObject[],
  objects: Snapshot,
): { why: string; fix: string; adoptable?: true } {
  const leaveOut = `leave it out: --skip ${component.step.slice(0, 2)}`
  switch (owner.kind) {
    case 'argo': {
      if (objects.of('Application').some(({ metadata }) => metadata.name === owner.where))
        return {
          why: 'Argo CD would put back what the step changes, and prune what it does not know',
          fix: 'make adopt hands it over to the steps: it shows first what would change, and deletes nothing',
          adoptable: true,
        }
      return {
        why: 'no Application of that name is here: another Argo CD manages this cluster, or only its mark was left',
        fix: `if none does, take the mark off: kubectl -n ${component.namespace} annotate ${theirs.map(typed).join(' ')} argocd.argoproj.io/tracking-id-`,
      }
    }
    case 'flux':
      return { why: 'Flux would put back what the step changes', fix: `${owner.where}; or ${leaveOut}` }
    case 'helm':
      return {
        why: 'Helm lets a release take nothing from another one, and two of them would share these kinds',
        fix: `${owner.where} (look first at what goes with it), or ${leaveOut}`,
      }
    case 'nobody': {
      const names = theirs.map(typed).join(' ')
      const marks = `meta.helm.sh/release-name=${component.release} meta.helm.sh/release-namespace=${component.namespace}`
      const at = `kubectl -n ${component.namespace}`
      return {
        why: 'Helm takes over nothing that it did not make ("invalid ownership metadata")',
        fix: `remove that installation, or hand it over: ${at} annotate ${names} ${marks} && ${at} label ${names} app.kubernetes.io/managed-by=Helm`,
        adoptable: true,
      }
    }
  }
}

export const owners: readonly Check[] = [
  {
    id: 'owners.platform',
    title: 'The platform',
    reads: kinds,
    look(facts) {
      const applied = managedByArgo(facts.objects)
      return orWell(
        chosen(facts).flatMap(component => foreign(component, facts.objects, applied)),
        'nothing of the chosen steps belongs to somebody else',
      )
    },
  },
  {
    id: 'owners.rancher',
    title: 'Another Rancher',
    reads: ['Deployment'],
    look(facts) {
      const agent = facts.objects.find('Deployment', 'cattle-system', 'cattle-cluster-agent')
      const server = facts.objects.find('Deployment', 'cattle-system', 'rancher')
      const wanted = chosen(facts).some(({ step }) => step === '06-rancher')
      if (!agent || server || !wanted) return orWell([], agent ? 'manages this cluster' : 'none')
      return problem({
        what: 'this cluster is managed by another Rancher (cattle-system/cattle-cluster-agent)',
        why: 'a Rancher of its own would share namespace and kinds with the agent of the other',
        fix: 'RANCHER=false in .env, or remove the cluster from the other Rancher first',
        link: 'infrastructure/platform/rancher/README.md',
        refuse: true,
      })
    },
  },
]
