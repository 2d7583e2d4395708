// The second half of a rehearsal: a real Argo CD brings up what is in gitops/, one environment after the other.
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { cascade, parent } from '../../applications/read.ts'
import type { Cluster } from '../../cluster.ts'
import { at, type K8sObject, nameOf, textAt } from '../../k8s.ts'
import { seconds } from '../../output.ts'
import type { ClaimId } from '../../proof.ts'
import { type Environment, environments } from '../../site/examine.ts'
import type { Site } from '../../site/site.ts'
import { programsRunning, type Sandbox } from '../cluster.ts'
import type { ExtraName } from '../extras.ts'
import type { Report } from '../report.ts'
import { applications, argocd, early, refresh, settled } from './applications.ts'
import { built, makeSnapshot, type Snapshot } from './snapshot.ts'

export interface Shown {
  claim: ClaimId
  holds: boolean
  /** What was seen instead. */
  but?: string
}

export interface GitOps {
  shown: Shown[]
  /** The charts that were stand-ins. */
  standIns: string[]
  /** The real programs that ran in the place of pods. */
  real: string[]
  milliseconds: number
}

/**
 * Dev with everything that may happen to an application, then staging and prod, each from nothing.
 * @throws HomelabError when an environment does not get Synced and Healthy, with the cause of each application
 */
export async function gitopsStage(
  { sandbox, cluster, site, report }: { sandbox: Sandbox; cluster: Cluster; site: Site; report: Report },
  say: (line: string) => void,
): Promise<GitOps> {
  const begin = Date.now()
  const snapshot = await makeSnapshot(sandbox, site, report)
  const story = new Story(sandbox, cluster, snapshot, report)
  await story.prepare()
  const shown: Shown[] = []
  const waves: string[] = []
  for (const environment of environments) {
    const since = Date.now()
    waves.push(...(await story.bringUp(environment)))
    say(
      `  ${environment.padEnd(8)} ${story.names(environment).length} applications Synced and Healthy, in ${seconds(Date.now() - since)}`,
    )
    if (environment === 'dev') {
      shown.push(...(await Promise.all([story.heals(), story.prunes()]))) // they are about different applications
      shown.push(await story.leaves(), await story.parentGoes())
    }
    if (environment !== 'prod') await story.clear(environment)
  }
  const claim: Shown = { claim: 'applications', holds: waves.length === 0, but: waves.join('; ') }
  return {
    shown: [claim, ...shown],
    standIns: snapshot.charts.filter(chart => chart.standIn).map(chart => chart.name),
    real: await programsRunning(sandbox.name),
    milliseconds: Date.now() - begin,
  }
}

/**
 * The programs without which an application never gets healthy: Argo CD itself, and those that write the status of their own
 * kinds. Sealed Secrets is in it where it is built.
 */
export const gitopsPrograms = ['argocd', 'operator', 'backup'] as const satisfies readonly ExtraName[]

/** Seconds that Argo CD has for one change. */
const patience = 60

/** What is done to the applications, and what is seen of it. */
export class Story {
  readonly #sandbox: Sandbox
  readonly #cluster: Cluster
  readonly #snapshot: Snapshot
  readonly #report: Report

  constructor(sandbox: Sandbox, cluster: Cluster, snapshot: Snapshot, report: Report) {
    this.#sandbox = sandbox
    this.#cluster = cluster
    this.#snapshot = snapshot
    this.#report = report
  }

  /** The applications of an environment, without the parent. */
  names(environment: Environment): string[] {
    return built(this.#sandbox, this.#snapshot.git.folder, environment).map(({ metadata }) => metadata.name)
  }

  /** What Argo CD needs for a rehearsal, once, before the first application. */
  async prepare(): Promise<void> {
    await this.#openProjects()
    await this.#readPlainly()
  }

  /** The projects allow the rehearsal's addresses beside the owner's. */
  async #openProjects(): Promise<void> {
    const { addresses } = this.#snapshot
    for (const name of ['homelab', 'security']) {
      const project = await this.#need('appproject.argoproj.io', argocd, name)
      const allowed = (at(project.spec, 'sourceRepos') ?? []) as string[]
      const ours = allowed.flatMap(one => addresses[one] ?? [])
      await this.#cluster.patch(project, { spec: { sourceRepos: [...new Set([...allowed, ...ours])] } })
    }
  }

  /**
   * Argo CD asks for nothing compressed: on this machine gzip is only work. After each new kind it reads all schemas of the API
   * twice, and holds its cache's lock meanwhile. It takes this setting from no kubeconfig, only from the Secret of a cluster.
   */
  async #readPlainly(): Promise<void> {
    await this.#cluster.create({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'in-cluster', namespace: argocd, labels: { 'argocd.argoproj.io/secret-type': 'cluster' } },
      stringData: {
        name: 'in-cluster',
        server: 'https://kubernetes.default.svc',
        config: JSON.stringify({ disableCompression: true }),
      },
    })
  }

  /** The parent follows an environment, until all of its applications are Synced and Healthy. @returns breaches of the waves */
  async bringUp(environment: Environment): Promise<string[]> {
    const { git } = this.#snapshot
    const source = { repoURL: git.url, targetRevision: git.branch, path: `gitops/environments/${environment}` }
    const found = await this.#cluster.find(`application.argoproj.io/${argocd}/${parent}`)
    this.#parent ??= found
    if (!this.#parent) throw new Error('step 07 has made no parent application')
    const followed = found && isDeepStrictEqual(at(found.spec, 'source'), source)
    // Step 07's own could not be compared: a sync that begins before Argo CD has read its own word that it can be now fails,
    // and waits for twenty seconds. A new one has no such word.
    if (found && !followed) await this.#cluster.delete(found)
    if (!followed) {
      const { apiVersion, kind, spec } = this.#parent
      const metadata = { name: parent, namespace: argocd }
      await this.#cluster.create({ apiVersion, kind, metadata, spec: { ...(spec as object), source } })
    }
    await refresh(this.#cluster, [parent]) // what was committed meanwhile, not at its next poll
    const states = await settled(
      this.#cluster,
      [parent, ...this.names(environment)],
      `gitops: ${environment}`,
      this.#report,
    )
    return early(states.filter(({ name }) => name !== parent)).map(one => `${environment}: ${one}`)
  }
  #parent: K8sObject | undefined

  /** A change by hand is undone. */
  async heals(): Promise<Shown> {
    const before = await this.#need('deployment.apps', 'monitoring', 'blackbox')
    const wanted = at(before.spec, 'replicas')
    await this.#cluster.patch(before, { spec: { replicas: 3 } }, 'by-hand')
    const healed = await this.#until('heals', async () => {
      const now = await this.#cluster.now(before)
      return at(now?.spec, 'replicas') === wanted
    })
    return { claim: 'git-sync', holds: healed, but: `its Deployment has not gone back to ${wanted} replica` }
  }

  /** What is taken out of Git is taken out of the cluster. */
  async prunes(): Promise<Shown> {
    const { git } = this.#snapshot
    const file = 'gitops/apps/welcome/kustomization.yaml'
    const before = await this.#need('service', 'welcome', 'welcome')
    const text = this.#snapshot.read(file)
    git.commit('the page has no Service any more', { [file]: text.replace(/^ +- service\.yaml\n/m, '') })
    await refresh(this.#cluster, ['welcome'])
    const gone = await this.#until('prunes', async () => (await this.#cluster.now(before)) === undefined)
    git.commit('and has it again', { [file]: text })
    return { claim: 'prune', holds: gone, but: 'the Service that left Git is still there' }
  }

  /** A file that leaves Git takes nothing along: its application is out of sync with the parent, and stays. */
  async leaves(): Promise<Shown> {
    const { git } = this.#snapshot
    const file = 'gitops/applications/kustomization.yaml'
    const text = this.#snapshot.read(file)
    const deployment = await this.#need('deployment.apps', 'welcome', 'welcome')
    git.commit('welcome is not listed any more', { [file]: text.replace(/^ +- welcome\.yaml\n/m, '') })
    await refresh(this.#cluster, [parent])
    const noticed = await this.#until('leaves', async () => {
      const found = await this.#cluster.find(`application.argoproj.io/${argocd}/${parent}`)
      return textAt(found?.status, 'sync', 'status') === 'OutOfSync'
    })
    const stays = await this.#same([await this.#need('application.argoproj.io', argocd, 'welcome'), deployment])
    // Confirmed, as `make remove-app` does it.
    await this.#remove(['welcome'])
    const gone = (await this.#cluster.now(deployment)) === undefined
    git.commit('and is listed again', { [file]: text })
    const but = !noticed
      ? 'the parent has not noticed'
      : stays || (gone ? '' : 'its Deployment stayed when it was confirmed')
    return { claim: 'leave', holds: but === '', but }
  }

  /** Deleting the parent deletes neither an application nor what it made. */
  async parentGoes(): Promise<Shown> {
    const kept = [
      ...(await applications(this.#cluster)),
      ...(await this.#cluster.list('deployments.apps,statefulsets.apps')),
    ].filter(({ metadata }) => metadata.name !== parent)
    await this.#cluster.delete(await this.#need('application.argoproj.io', argocd, parent))
    await sleep(3000) // what would go with it would be gone by then
    const but = await this.#same(kept)
    return { claim: 'parent', holds: but === '', but }
  }

  /** Everything of an environment goes, so that the next one begins with nothing, as on a cluster of its own. */
  async clear(environment: Environment): Promise<void> {
    this.#report(`gitops: ${environment} goes again`)
    const found = await this.#cluster.find(`application.argoproj.io/${argocd}/${parent}`)
    if (found) await this.#cluster.delete(found)
    const all = (await applications(this.#cluster)).filter(({ metadata }) => metadata.name !== parent)
    const namespaces = new Set(all.map(({ spec }) => textAt(spec, 'destination', 'namespace')))
    await this.#remove(all.map(({ metadata }) => metadata.name))
    // Claims of a StatefulSet stay on purpose; another environment has other sizes.
    for (const claim of await this.#cluster.list('persistentvolumeclaims'))
      if (namespaces.has(claim.metadata.namespace)) await this.#cluster.delete(claim)
  }

  /** Applications go with what they made. */
  async #remove(names: readonly string[]): Promise<void> {
    const all = (await applications(this.#cluster)).filter(({ metadata }) => names.includes(metadata.name))
    await Promise.all(
      all.map(async one => {
        await this.#cluster.finalizers(one, [cascade])
        await this.#cluster.delete(one)
      }),
    )
    await this.#until('go', async () =>
      (await applications(this.#cluster)).every(({ metadata }) => !names.includes(metadata.name)),
    )
  }

  /** Empty when all of them are there as they were, else what is not. */
  async #same(objects: readonly K8sObject[]): Promise<string> {
    const now = await Promise.all(objects.map(object => this.#cluster.now(object)))
    const other = objects.filter(
      ({ metadata }, i) => now[i]?.metadata.uid !== metadata.uid || now[i]?.metadata.deletionTimestamp,
    )
    return other.map(one => `${one.kind} ${nameOf(one)} is not there any more`).join('; ')
  }

  async #until(what: string, holds: () => Promise<boolean>): Promise<boolean> {
    for (const end = Date.now() + patience * 1000; Date.now() < end; await sleep(300)) {
      if (await holds()) return true
      this.#report(`gitops: watching · ${what}`)
    }
    return false
  }

  async #need(kind: string, namespace: string, name: string): Promise<K8sObject> {
    const found = await this.#cluster.find(`${kind}/${namespace}/${name}`)
    if (!found) throw new Error(`${kind} ${namespace}/${name} is not there`)
    return found
  }
}
