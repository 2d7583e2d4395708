// The older layout, for tests: Argo CD owns the platform too, from a Git repository on this machine.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments, stringify } from 'yaml'
import type { Cluster } from '../../scripts/lib/cluster.ts'
import { readManifest, readValues } from '../../scripts/lib/fill.ts'
import { type K8sObject, textAt } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import type { Sandbox } from '../../scripts/lib/sandbox/cluster.ts'
import { GitFolder } from '../../scripts/lib/sandbox/gitops/git-folder.ts'
import { sandboxSite } from '../../scripts/lib/sandbox/site.ts'
import { vars } from '../../scripts/lib/site/site.ts'
import { temporaryFolder } from '../temporary.ts'

/** Argo CD's namespace, and that of every Application. */
const argocd = 'argocd'

export class OlderLayout {
  readonly #git = new GitFolder(temporaryFolder('older'))
  readonly #sandbox: Sandbox
  readonly #cluster: Cluster

  constructor(sandbox: Sandbox, cluster: Cluster) {
    this.#sandbox = sandbox
    this.#cluster = cluster
  }

  /** The Git repository, as a folder. */
  get repository(): string {
    return this.#git.folder
  }

  /** What Git has from now on; without a text, no longer. */
  commit(files: Readonly<Record<string, string | undefined>>): void {
    this.#git.commit('change', files)
  }

  /** Argo CD by hand, as the owner once put it there, and Git with charts, manifests and Applications. */
  async install(applications: readonly K8sObject[]): Promise<void> {
    const facts = vars((await sandboxSite(this.#sandbox.name)).site)
    const values = (component: string) => readValues(`infrastructure/platform/${component}/values.yaml`, facts)
    const charts = join(this.repository, 'charts')
    mkdirSync(charts)
    for (const name of ['traefik', 'argo-cd'])
      cpSync(join(root, 'infrastructure/sandbox/charts', name), join(charts, name), { recursive: true })
    execFileSync('tar', ['-xzf', this.#sandbox.charts.metallb, '-C', charts])
    for (const [chart, component] of [
      ['traefik', 'traefik'],
      ['argo-cd', 'argocd'],
      ['metallb', 'metallb'],
    ] as const)
      writeFileSync(join(charts, chart, 'lab.yaml'), stringify(values(component)))
    this.commit({
      'local-path/provisioner.yaml': readManifest('infrastructure/platform/local-path/provisioner.yaml', facts)
        .map(object => stringify(object))
        .join('---\n'),
      'extras/note.yaml': stringify({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'note', namespace: 'extras' },
        data: { text: 'mine' },
      }),
      ...Object.fromEntries(applications.map(one => [`apps/${one.metadata.name}.yaml`, stringify(one)])),
    })
    const rendered = execFileSync(
      this.#sandbox.programs.helm,
      ['template', argocd, join(charts, 'argo-cd'), '-n', argocd, '--no-hooks', '-f', join(charts, 'argo-cd/lab.yaml')],
      { encoding: 'utf8' },
    )
    const objects = parseAllDocuments(rendered).map(document => document.toJS() as K8sObject | null)
    const namespace: K8sObject = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: argocd } }
    const placed = objects
      .filter(one => one !== null)
      .map(one => ({ ...one, metadata: { ...one.metadata, namespace: one.metadata.namespace ?? argocd } }))
    await this.#cluster.apply([namespace, ...placed], { manager: 'kubectl', patience: 30 })
    const project = {
      ...{ apiVersion: 'argoproj.io/v1alpha1', kind: 'AppProject' },
      metadata: { name: 'default', namespace: argocd },
      spec: {
        sourceRepos: ['*'],
        destinations: [{ server: '*', namespace: '*' }],
        clusterResourceWhitelist: [{ group: '*', kind: '*' }],
      },
    }
    await this.#cluster.apply([project], { manager: 'kubectl', patience: 30 })
  }

  /** An Application of a folder of that repository: prune and self-heal on, and its finalizer, as people had it. */
  application(name: string, path: string, namespace: string, more: object = {}): K8sObject {
    return {
      apiVersion: 'argoproj.io/v1alpha1',
      kind: 'Application',
      metadata: { name, namespace: argocd, finalizers: ['resources-finalizer.argocd.argoproj.io'] },
      spec: {
        project: 'default',
        source: { repoURL: this.#git.url, targetRevision: 'main', path, ...more },
        destination: { server: 'https://kubernetes.default.svc', namespace },
        syncPolicy: { automated: { prune: true, selfHeal: true }, syncOptions: ['CreateNamespace=true'] },
      },
    }
  }

  /** Of a chart, as the release of that name. */
  chart(name: string, chart: string, namespace: string): K8sObject {
    return this.application(name, `charts/${chart}`, namespace, {
      helm: { releaseName: name, valueFiles: ['lab.yaml'] },
    })
  }

  /** Until Argo CD has brought these in. (MetalLB's CRDs never compare equal: its controller writes into them.) */
  async synced(...names: string[]): Promise<void> {
    for (const end = Date.now() + 240_000; ; await new Promise(done => setTimeout(done, 500))) {
      const found = await this.#cluster.list('applications.argoproj.io', { namespace: argocd })
      const states = names.map(name => {
        const status = found.find(({ metadata }) => metadata.name === name)?.status
        const last = textAt(status, 'operationState', 'phase')
        const ready = last === 'Succeeded' || textAt(status, 'sync', 'status') === 'Synced'
        return { name, ready, status: JSON.stringify(status ?? 'missing').slice(0, 1500) }
      })
      const missing = states.filter(({ ready }) => !ready)
      if (!missing.length) return
      if (Date.now() > end) throw new Error(`not synced: ${missing.map(one => `${one.name} ${one.status}`).join('\n')}`)
    }
  }
}
