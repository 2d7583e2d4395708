// make diff: what a branch changes in any environment, rendered on both sides by Argo CD where something that it reads differs.
import { posix } from 'node:path'
import { HomelabError } from '../errors.ts'
import { refuseDirty } from '../gitops/change.ts'
import type { K8sObject } from '../k8s.ts'
import { textAt } from '../k8s.ts'
import { root } from '../root.ts'
import { environments } from '../site/examine.ts'
import { compareObjects, type ObjectDiff } from './compare.ts'
import type { AppDiff, Report } from './markdown.ts'
import { fingerprint, ownSources, readsOf } from './reads.ts'
import { type Rendered, type RenderOptions, renderAll, type Wanted } from './render.ts'
import { type Side, sidesOf } from './sides.ts'

const folder = (environment: string) => `gitops/environments/${environment}`

export const commitFirst = 'git commit or git stash them first: commits are compared, and what is in none is not seen'

/** The Applications of one environment on one side. */
interface Built {
  applications: K8sObject[]
  own: ReadonlySet<string>
}

/**
 * Compares HEAD with the commit where it left `base`.
 * @throws HomelabError (exit 2) for changes that are not committed, and a revision that Git does not know
 */
export async function pullRequest(
  base: string,
  options: Omit<RenderOptions, 'top'> & { top?: string },
): Promise<Report> {
  const top = options.top ?? root
  await refuseDirty(top, commitFirst)
  const { before, after } = await sidesOf(top, base)
  const rendering = { ...options, top }
  const sides = [before, after]
  const built = await buildEnvironments(sides, rendering)

  const open: { environment: string; name: string; of: (Wanted | undefined)[] }[] = []
  let same = 0
  for (const environment of environments) {
    const both = sides.map(
      side => built.get(`${side.commit} ${environment}`) ?? { applications: [], own: new Set<string>() },
    )
    const names = new Set(both.flatMap(one => one.applications.map(({ metadata }) => metadata.name)))
    for (const name of [...names].sort()) {
      const of = sides.map((side, i): Wanted | undefined => {
        const application = both[i]?.applications.find(({ metadata }) => metadata.name === name)
        return application && { side, application, own: both[i]?.own ?? new Set() }
      })
      const [a, b] = of.map(one => one && facts(one))
      if (a === b) same++
      else open.push({ environment, name, of })
    }
  }
  const wanted = open.flatMap(one => one.of.filter(side => side !== undefined))
  const { rendered, standIns } = await renderAll(wanted, rendering)
  const found = new Map(wanted.map((one, i) => [one, rendered[i]]))
  const applications = open.flatMap(({ environment, name, of }) => {
    const [a, b] = of.map(one => one && { ...one, rendered: found.get(one) })
    const diff = compared(name, a, b)
    return diff ? [{ ...diff, environments: [environment] }] : []
  })
  return {
    compared: `\`${base}\` ${short(before)} → ${short(after)}`,
    applications: together(applications),
    same: same + open.length - applications.length,
    standIns,
    platform: platformFiles(before, after),
    whole: `make diff BASE=${base} FULL=diff.md`,
  }
}

/** A commit as people read it. */
export const short = ({ commit }: Side): string => commit.slice(0, 8)

/** What decides whether it could render otherwise: the Application itself, and every file that it reads. */
function facts({ side, application, own }: Wanted): string {
  return `${JSON.stringify(application)}\n${fingerprint(side, readsOf(application, own))}`
}

/**
 * The Applications of the environments on each side, as Argo CD makes them for the parent.
 * @returns by commit and environment
 * @throws HomelabError when one cannot be built
 */
export async function buildEnvironments(
  sides: readonly Side[],
  options: RenderOptions,
  which: readonly string[] = environments,
): Promise<Map<string, Built>> {
  const places = sides.flatMap(side =>
    which
      .filter(one => side.files.has(`${folder(one)}/kustomization.yaml`))
      .map(environment => ({ side, environment, key: fingerprint(side, [folder(environment)]) })),
  )
  // An environment of which no file differs is built once.
  const once = places.filter((one, i) => places.findIndex(({ key }) => key === one.key) === i)
  const { rendered } = await renderAll(
    once.map(({ side, environment }) => ({ side, application: parentOf(environment), own: new Set(['here HEAD']) })),
    options,
  )
  const built = new Map(
    once.map(({ key, side, environment }, i): [string, Built] => {
      const said = rendered[i]
      if (!said || 'failed' in said)
        throw new HomelabError({
          what: `${folder(environment)} cannot be built at ${side.name} (${short(side)})`,
          why: said?.failed ?? 'Argo CD says nothing of it',
          fix: `kubectl kustomize ${folder(environment)}`,
        })
      const applications = said.objects.filter(({ kind }) => kind === 'Application')
      return [key, { applications, own: ownSources(applications) }]
    }),
  )
  return new Map(
    places.flatMap(({ side, environment, key }) => {
      const one = built.get(key)
      return one ? [[`${side.commit} ${environment}`, one] as const] : []
    }),
  )
}

/** The environment's folder as Argo CD reads it for the parent. */
function parentOf(environment: string): K8sObject {
  return {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Application',
    metadata: { name: environment, namespace: 'argocd' },
    spec: {
      project: 'homelab',
      source: { repoURL: 'here', targetRevision: 'HEAD', path: folder(environment) },
      destination: { server: 'https://kubernetes.default.svc', namespace: 'argocd' },
    },
  }
}

type Half = (Wanted & { rendered: Rendered | undefined }) | undefined

function compared(application: string, before: Half, after: Half): Omit<AppDiff, 'environments'> | undefined {
  const wrong = [before, after].flatMap(half =>
    half?.rendered && 'failed' in half.rendered ? [`${half.side.name}: ${half.rendered.failed}`] : [],
  )
  const comes = before ? (after ? {} : { comes: 'gone' as const }) : { comes: 'new' as const }
  if (wrong.length) return { application, objects: [], failed: wrong.join('\n'), ...comes }
  const of = (half: Half) => (half?.rendered && 'objects' in half.rendered ? half.rendered.objects : [])
  const objects: ObjectDiff[] = [
    ...compareObjects(before ? [before.application] : [], after ? [after.application] : []),
    ...compareObjects(of(before), of(after), textAt((after ?? before)?.application.spec, 'destination', 'namespace')),
  ]
  return objects.length ? { application, objects, ...comes } : undefined
}

/** Environments in which an application changes in the same way are one section. */
function together(applications: readonly AppDiff[]): AppDiff[] {
  const found = new Map<string, AppDiff>()
  for (const { environments: of, ...rest } of applications) {
    const key = JSON.stringify(rest)
    found.set(key, { ...rest, environments: [...(found.get(key)?.environments ?? []), ...of] })
  }
  return [...found.values()].sort((a, b) => a.application.localeCompare(b.application))
}

/** Files that the steps read and no application does, as far as they differ. */
function platformFiles(before: Side, after: Side): string[] {
  const ours = /^(infrastructure\/platform\/|infrastructure\/charts\.yaml$|gitops\/bootstrap\/)/
  const paths = new Set([...before.files.keys(), ...after.files.keys()])
  return [...paths]
    .filter(
      path => ours.test(path) && posix.extname(path) !== '.md' && before.files.get(path) !== after.files.get(path),
    )
    .sort()
}
