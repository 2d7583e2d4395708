// Releases, through helm 4. Nothing else in the project runs helm.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { parseAllDocuments } from 'yaml'
import { cacheFolder } from './cache.ts'
import type { Chart } from './charts.ts'
import type { Cluster } from './cluster.ts'
import { exit, HomelabError } from './errors.ts'
import { asKubectl } from './fill.ts'
import { type K8sObject, textAt } from './k8s.ts'
import { retryCounted } from './quota.ts'
import { type Ran, run } from './shell.ts'
import { retry } from './transient.ts'

export interface Release {
  /** Helm's own word: deployed, failed, pending-install, … */
  status: string
  revision: number
  chartVersion: string
  /** Of the program, as the chart says it; empty when it says none. */
  appVersion: string
  /** What it was made from (see `inputsOf`), as the release's label says. */
  inputs: string
  /** The objects that it made, hooks aside. */
  manifest: K8sObject[]
  /** The run of ours that wrote this revision; empty when it was not ours. */
  run: string
  /** When Helm wrote it, milliseconds since 1970. */
  modified: number
}

/** Labels that we put on a release's record: status reads them without reading the record. */
const releaseLabels = {
  inputs: 'homelab/inputs',
  chartVersion: 'homelab/chart-version',
  run: 'homelab/run',
} as const

export class Helm {
  readonly #cluster: Cluster
  readonly #program: string

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#program = cluster.target.sandbox?.programs.helm ?? 'helm'
  }

  /** The newest revision of a release, read from its record in the cluster. */
  async release(namespace: string, name: string): Promise<Release | undefined> {
    const records = await this.#cluster.list('secrets', { namespace, labels: `owner=helm,name=${name}` })
    const revision = (record: K8sObject) => Number(record.metadata.labels?.version ?? 0)
    const [newest, before] = records.sort((a, b) => revision(b) - revision(a))
    const data = newest && textAt(newest, 'data', 'release')
    if (!newest || !data) return undefined
    const record: unknown = JSON.parse(
      gunzipSync(Buffer.from(Buffer.from(data, 'base64').toString(), 'base64')).toString(),
    )
    return {
      status: newest.metadata.labels?.status ?? 'unknown',
      revision: revision(newest),
      chartVersion: textAt(record, 'chart', 'metadata', 'version') ?? '?',
      appVersion: textAt(record, 'chart', 'metadata', 'appVersion') ?? '',
      inputs: newest.metadata.labels?.[releaseLabels.inputs] ?? '',
      manifest: asHelmApplies(parseManifest(textAt(record, 'manifest') ?? ''), namespace, name),
      run: writer(newest) === writer(before) ? '' : writer(newest), // Helm copies our labels into everybody's next revision
      modified: Number(newest.metadata.labels?.modifiedAt ?? 0) * 1000,
    }
  }

  /**
   * Takes the newest revision away when a helm of ours was killed while it wrote it: Helm itself then refuses every
   * further change (helm/helm#8987). Only under the lock: nobody of ours can be at work on it.
   * @returns the status in which it was left; undefined when there was nothing to mend
   * @throws HomelabError (exit 3) when it was not ours: somebody else may be at work
   */
  async repair(namespace: string, name: string): Promise<string | undefined> {
    const found = await this.release(namespace, name)
    if (!found || !isHalfWritten(found)) return undefined
    const record = `sh.helm.release.v1.${name}.v${found.revision}`
    if (found.status === 'uninstalling') {
      await this.uninstall(namespace, name, 120)
      return found.status
    }
    if (found.run === '')
      throw new HomelabError({
        what: `another helm is at work on the release ${name}`,
        why: `its revision ${found.revision} is ${found.status} since ${new Date(found.modified).toISOString()}, and these scripts have not begun it`,
        fix: `if nobody is at it any more: kubectl delete secret -n ${namespace} ${record}`,
        code: exit.refused,
      })
    await this.#cluster.delete({ apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name: record } })
    return found.status
  }

  /**
   * Mends every release that a dead run left half-written, all of them at once.
   * @param id of that run, as its releases are labelled
   * @returns what was mended: `traefik (pending-install)`
   */
  async repairAll(id: string): Promise<string[]> {
    const records = await this.#cluster.list('secrets', {
      labels: `owner=helm,${releaseLabels.run}=${id}`,
      metadataOnly: true,
    })
    const left = records.filter(({ metadata: { labels } }) => labels?.status?.startsWith('pending-'))
    const mended = await Promise.all(
      left.map(async ({ metadata: { namespace = '', labels } }) => {
        const name = labels?.name ?? ''
        const status = await this.repair(namespace, name)
        return status ? [`${name} (${status})`] : []
      }),
    )
    return mended.flat().sort()
  }

  /**
   * The objects that an installation would make, hooks and crds/ aside.
   * @param installed whether the release is there: then the chart sees the cluster, as `helm upgrade` would; before the
   *   first installation its own kinds are missing, and rendering against the cluster would fail
   * @param hooks with the hooks' objects too
   * @throws HomelabError with Helm's words when values or chart are refused
   */
  async render(
    namespace: string,
    name: string,
    chart: Chart,
    values: Record<string, unknown>,
    kubernetes: string,
    installed: boolean,
    hooks = false,
  ): Promise<K8sObject[]> {
    const against = installed ? ['--dry-run=server'] : ['--kube-version', kubernetes]
    const ran = await this.#helm(
      ['template', name, chart.path, '-n', namespace, ...(hooks ? [] : ['--no-hooks']), ...against, '-f', '-'],
      JSON.stringify(values),
    )
    if (ran.code !== 0) throw this.#failure(`rendering the chart ${chart.name} ${chart.version}`, ran)
    return asHelmApplies(parseManifest(ran.stdout), namespace, name)
  }

  /** `v4.3.1+g1234567`, the helm that would be used. */
  async version(): Promise<string> {
    return (await run(this.#program, ['version', '--short'], { timeout: 10 })).stdout.trim()
  }

  /** CRDs in a chart's crds/ folder, which Helm installs once and never upgrades: we apply them ourselves. */
  async crds(chart: Chart): Promise<K8sObject[]> {
    const kept = join(cacheFolder('crds'), `${chart.name}-${chart.digest}.yaml`) // helm is asked once a chart
    if (!existsSync(kept)) {
      const ran = await this.#helm(['show', 'crds', chart.path])
      if (ran.code !== 0) throw this.#failure(`reading the CRDs of ${chart.name}`, ran)
      writeFileSync(`${kept}.${process.pid}`, ran.stdout)
      renameSync(`${kept}.${process.pid}`, kept)
    }
    return parseManifest(readFileSync(kept, 'utf8'))
  }

  /**
   * Installs or upgrades with exactly these values. Helm waits for its hooks only; what the pods do is watched by us.
   * @param patience seconds for the hooks
   * @param waiting told what is being waited for while a failure passes by itself
   * @returns the release that was made
   */
  async upgrade(
    namespace: string,
    name: string,
    chart: Chart,
    values: Record<string, unknown>,
    inputs: string,
    patience: number,
    waiting: (what: string) => void,
  ): Promise<Release> {
    const { lock } = this.#cluster
    await lock?.take()
    const labels = [
      `${releaseLabels.inputs}=${inputs}`,
      `${releaseLabels.chartVersion}=${chart.version.replaceAll('+', '_')}`,
      ...(lock ? [`${releaseLabels.run}=${lock.run}`] : []),
    ].join(',')
    const args = [
      'upgrade',
      '--install',
      name,
      chart.path,
      '-n',
      namespace,
      '--reset-values',
      '--history-max',
      '3',
      '--skip-crds',
      '--disable-openapi-validation', // the API server validates each write strictly; helm would fetch megabytes of schemas for the same
    ]
    const flags = [
      '--wait=hookOnly',
      '--timeout',
      `${patience}s`,
      '--server-side=true',
      '--force-conflicts',
      '--labels',
      labels,
      '-f',
      '-',
    ]
    const once = () => this.#helm([...args, ...flags], JSON.stringify(values), patience + 30)
    let made: Release | undefined
    const attempt = async () => {
      for (let attempts = 1; ; attempts++) {
        const ran = await once()
        made = ran.code === 0 ? await this.release(namespace, name) : undefined
        // Killed; or the API server went away, so that this one, or the one before, could not close its record. Of the
        // first of these helm says nothing: to it the release is made.
        const cut = ran.code === killed || halfWritten.test(ran.stderr) || (made && isHalfWritten(made))
        if (!cut || attempts === 3) return ran
        const left = await this.repair(namespace, name)
        if (left) waiting(`helm was ended in the middle; its release, ${left}, is mended: once more`)
      }
    }
    const ran = await retryCounted(this.#cluster, namespace, attempt, 120, waiting)
    if (ran.code !== 0) throw this.#failure(`installing ${name} ${chart.version}`, ran)
    if (!made || isHalfWritten(made))
      throw this.#failure(`installing ${name} ${chart.version}`, {
        ...ran,
        stderr: `its release is ${made?.status ?? 'not there'}`,
      })
    return made
  }

  /**
   * Takes a release away, hooks included; one that is not there is as wanted.
   * @param patience seconds for the hooks
   */
  async uninstall(namespace: string, name: string, patience: number): Promise<void> {
    const args = [
      'uninstall',
      name,
      '-n',
      namespace,
      '--ignore-not-found',
      '--wait=hookOnly',
      '--timeout',
      `${patience}s`,
    ]
    await this.#cluster.lock?.take()
    const ran = await retry(
      () => this.#helm(args, undefined, patience + 30),
      60,
      () => {},
    )
    if (ran.code !== 0) throw this.#failure(`uninstalling ${name}`, ran)
  }

  #helm(args: readonly string[], input?: string, timeout = 60): Promise<Ran> {
    const { kubeconfig, context, sandbox } = this.#cluster.target
    return run(this.#program, [...args, `--kubeconfig=${kubeconfig}`, `--kube-context=${context}`], {
      timeout,
      onStart: group => this.#cluster.lock?.child(group) ?? (() => {}),
      ...(input === undefined ? {} : { input }),
      ...(sandbox ? { env: sandbox.env } : {}),
    })
  }

  #failure(doing: string, ran: Ran): HomelabError {
    const error = this.#cluster.failure(doing, ran)
    if (halfWritten.test(ran.stderr))
      return new HomelabError({
        what: error.what,
        why: 'an earlier helm was killed in the middle, or another one is at work',
        fix: 'make sure that nobody else is installing; then delete the newest pending record: kubectl get secrets -A -l owner=helm,status!=deployed',
      })
    return error
  }
}

/** Whether a helm was at work on it, or still is. */
export function isHalfWritten({ status }: Release): boolean {
  return /^(pending-|uninstalling$)/.test(status)
}

/** A hash of everything that a release is made from: chart, values, Kubernetes version. */
export function inputsOf(chart: Chart, values: Record<string, unknown>, kubernetes: string): string {
  return createHash('sha256')
    .update(JSON.stringify([chart.version, chart.digest, values, kubernetes]))
    .digest('hex')
    .slice(0, 40)
}

// What a shell says of a child that was ended by SIGKILL (9): not by us, who ask with SIGTERM first.
const killed = 128 + 9

// Helm's word for a release whose newest revision nobody has ended.
const halfWritten = /another operation .* in progress/

function writer(record: K8sObject | undefined): string {
  return record?.metadata.labels?.[releaseLabels.run] ?? ''
}

function parseManifest(text: string): K8sObject[] {
  const documents = parseAllDocuments(text, asKubectl)
  if (!Array.isArray(documents)) return []
  return documents
    .map(document => document.toJS() as K8sObject | null)
    .filter(object => object !== null && typeof object?.kind === 'string')
    .flatMap(object =>
      object?.kind === 'List' ? ((object as unknown as { items: K8sObject[] }).items ?? []) : object ? [object] : [],
    )
}

/** With the marks and the namespace that Helm adds when it applies: without them a comparison would take them away. */
function asHelmApplies(objects: readonly K8sObject[], namespace: string, name: string): K8sObject[] {
  return objects.map(object => ({
    ...object,
    metadata: {
      ...object.metadata,
      namespace: object.metadata.namespace ?? namespace, // taken off again where a kind has none
      labels: { ...object.metadata.labels, 'app.kubernetes.io/managed-by': 'Helm' },
      annotations: {
        ...object.metadata.annotations,
        'meta.helm.sh/release-name': name,
        'meta.helm.sh/release-namespace': namespace,
      },
    },
  }))
}
