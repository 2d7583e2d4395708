// The cluster, through kubectl and one `kubectl proxy`. Every call names kubeconfig and context; nothing else runs kubectl.
import { ApiServer, type Ask } from './api-server.ts'
import { type Change, changes } from './diff.ts'
import { HomelabError } from './errors.ts'
import type { K8sObject } from './k8s.ts'
import type { Lock } from './lock.ts'
import { retryCounted } from './quota.ts'
import { debug, type Ran, run, type Started, start } from './shell.ts'
import { retry } from './transient.ts'

/** What is needed to reach a cluster. A Site has all of it. */
export interface Target {
  kubeconfig: string
  context: string
  /** In a rehearsal: the sandbox's own programs and environment. */
  sandbox?: { programs: { kubectl: string; helm: string }; env: Readonly<Record<string, string>> }
}

/** The name under which our fields stand in managedFields. */
export const fieldManager = 'homelab'

// Somebody else was faster (HTTP status).
const conflict = 409

export interface Applied {
  object: K8sObject
  result: 'created' | 'changed' | 'unchanged'
  changes: Change[]
}

/** Which objects of a kind. */
export interface Where {
  namespace?: string
  /** A label selector: `owner=helm,name=traefik` */
  labels?: string
  /** A field selector: `type=Warning` */
  fields?: string
  /** Only the metadata: what a Secret holds stays where it is. */
  metadataOnly?: boolean
}

export interface ApplyOptions {
  /** Says what would be done, writes nothing. */
  plan?: boolean
  /** Whose fields these are; Helm's when a chart's objects are compared. */
  manager?: string
  /** Seconds to go on while a webhook or a kind is not served yet. */
  patience?: number
  waiting?: (what: string, words: string) => void
}

export class Cluster {
  readonly target: Target

  readonly api: ApiServer
  /** Seconds to go on asking an API server that does not answer. */
  patience: number
  /** Of a run that writes: taken before the first write. */
  lock: Lock | undefined

  /** @param patience seconds to go on asking an API server that does not answer */
  constructor(target: Target, patience = 20) {
    this.target = target
    this.api = new ApiServer(target)
    this.patience = patience
  }

  /**
   * Runs kubectl and returns what it said, also when it failed.
   * @param timeout seconds, for the request and (a little more) for the process
   */
  kubectl(args: readonly string[], options: { input?: string; timeout?: number } = {}): Promise<Ran> {
    const { kubeconfig, context, sandbox } = this.target
    const timeout = options.timeout ?? 30
    return run(
      sandbox?.programs.kubectl ?? 'kubectl',
      [`--kubeconfig=${kubeconfig}`, `--context=${context}`, `--request-timeout=${timeout}s`, ...args],
      {
        timeout: timeout + 15,
        ...(options.input === undefined ? {} : { input: options.input }),
        ...(sandbox ? { env: sandbox.env } : {}),
      },
    )
  }

  /**
   * All objects of some kinds, e.g. `deployments.apps,pods`. Kinds that nobody serves are left out.
   * Failures that pass by themselves are retried, within the cluster's patience.
   */
  async list(kinds: string, where: Where = {}): Promise<K8sObject[]> {
    const lists = await Promise.all(kinds.split(',').map(kind => this.#list(kind, where)))
    return lists.flat()
  }

  async #list(name: string, { namespace, labels, fields, metadataOnly }: Where): Promise<K8sObject[]> {
    const resource = await this.#served(name)
    if (!resource) return []
    const query = new URLSearchParams({
      ...(labels ? { labelSelector: labels } : {}),
      ...(fields ? { fieldSelector: fields } : {}),
    })
    const within = namespace && resource.namespaced ? `/namespaces/${namespace}` : ''
    const path = `${resource.base}${within}/${resource.plural}?${query}`
    shown('get', name, namespace ? `-n ${namespace}` : '-A', labels ? `-l ${labels}` : '')
    const accept = metadataOnly
      ? 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1'
      : 'application/json'
    const ran = await this.#patiently(() => this.api.ask(path, { accept }))
    if (ran.code !== 0) throw this.failure(`reading ${name}`, ran)
    const apiVersion = resource.base.replace(/^\/apis?\//, '')
    const { items } = JSON.parse(ran.stdout) as { items: K8sObject[] | null } // null: an empty list of metadata
    return (items ?? []).map(item => ({ ...item, apiVersion, kind: resource.kind })) // a list leaves both out of its items
  }

  /** The API of a kind; undefined when nobody serves it. What cannot be asked is an error, not an absence. */
  async #served(name: string): Promise<Awaited<ReturnType<ApiServer['resourceNamed']>>> {
    const found = await this.api.resourceNamed(name)
    if (found) return found
    const ran = await this.#patiently(() => this.api.ask('/version'))
    if (ran.code !== 0) throw this.failure('asking the API server', ran)
    return this.api.resourceNamed(name)
  }

  /** One object, or undefined when it (or its kind) is not there. `ref` is kind/name or kind/namespace/name. */
  async find(ref: string): Promise<K8sObject | undefined> {
    const { kind, namespace, name } = parseRef(ref)
    const resource = await this.#served(kind)
    if (!resource) return undefined
    shown('get', kind, name, namespace ? `-n ${namespace}` : '')
    return this.#read(`${resource.base}${namespace ? `/namespaces/${namespace}` : ''}/${resource.plural}/${name}`)
  }

  async #read(path: string): Promise<K8sObject | undefined> {
    const ran = await this.#patiently(() => this.api.ask(path), 404)
    if (ran.status === 404) return undefined
    if (ran.code !== 0) throw this.failure(`reading ${path}`, ran)
    return JSON.parse(ran.stdout) as K8sObject
  }

  /** A GET of an API path. */
  async raw(path: string): Promise<string> {
    const ran = await this.#patiently(() => this.api.ask(path))
    if (ran.code !== 0) throw this.failure(`GET ${path}`, ran)
    return ran.stdout
  }

  #patiently<T extends Ran & { status: number }>(attempt: () => Promise<T>, ...fine: number[]): Promise<T> {
    const once = async () => {
      const ran = await attempt()
      return fine.includes(ran.status) ? { ...ran, code: 0 } : ran
    }
    return retry(once, this.patience, () => {})
  }

  /**
   * A way to a pod's port that needs neither its address nor a published Service.
   * @param use given the local port; the way is closed when it ends. Begun anew when the way is lost: the API server went away
   */
  async forward<T>(namespace: string, pod: string, port: number, use: (localPort: number) => Promise<T>): Promise<T> {
    const { kubeconfig, context, sandbox } = this.target
    const args = [
      `--kubeconfig=${kubeconfig}`,
      `--context=${context}`,
      'port-forward',
      '-n',
      namespace,
      `pod/${pod}`,
      `:${port}`,
    ]
    const open = async (): Promise<Ran & { way?: { child: Started; port: number } }> => {
      const child = start(sandbox?.programs.kubectl ?? 'kubectl', args, sandbox?.env)
      const line = await child.line(/Forwarding from 127\.0\.0\.1:(\d+)/, 15)
      if (line) return { code: 0, stdout: '', stderr: '', way: { child, port: Number(line[1]) } }
      child.end()
      return { code: 1, stdout: '', stderr: child.stderr() || 'kubectl port-forward: no answer within 15 s' }
    }
    for (let lost = 0; ; lost++) {
      const { way, ...ran } = await retry(open, this.patience, () => {})
      if (!way) throw this.failure(`reaching ${namespace}/${pod}`, ran)
      try {
        return await use(way.port)
      } catch (error) {
        if (lost === 2 || !(await way.child.ends(1))) throw error // kubectl ends when it has lost the pod
      } finally {
        way.child.end()
      }
    }
  }

  /**
   * Makes the cluster hold these objects, by server-side apply, and writes only those that differ. Whether one
   * differs is the API server's own answer to a dry run, so defaults and other owners' fields never count.
   * @throws HomelabError when the API server or a webhook refuses
   */
  async apply(objects: readonly K8sObject[], options: ApplyOptions = {}): Promise<Applied[]> {
    const compared = await Promise.all(objects.map(async object => this.#compare(await this.placed(object), options)))
    if (options.plan) return compared
    // In the order of the file: a namespace stands before what goes into it.
    for (const { object, result } of compared) if (result !== 'unchanged') await this.#write(object, options, false)
    return compared
  }

  async #compare(object: K8sObject, options: ApplyOptions): Promise<Applied> {
    const path = await this.#path(object)
    const before = path === undefined ? undefined : await this.#read(path)
    if (!before) return { object, result: 'created', changes: [] }
    const found = changes(before, await this.#write(object, options, true))
    return { object, result: found.length ? 'changed' : 'unchanged', changes: found }
  }

  /** Server-side apply of one object; as a dry run, what it would become. */
  async #write(object: K8sObject, options: ApplyOptions, dryRun: boolean): Promise<K8sObject> {
    const query = new URLSearchParams({
      fieldManager: options.manager ?? fieldManager,
      force: 'true',
      ...(dryRun ? { dryRun: 'All' } : {}),
    })
    if (!dryRun) {
      await this.lock?.take()
      shown(
        'apply',
        '--server-side',
        '--force-conflicts',
        `--field-manager=${query.get('fieldManager')}`,
        `-f - # ${nameOf(object)}`,
      )
    }
    const attempt = async () => {
      const path = await this.#path(object)
      if (path === undefined)
        return {
          status: 0,
          code: 1,
          stdout: '',
          stderr: `no matches for kind "${object.kind}" in version "${object.apiVersion}"`,
        }
      return this.api.ask(`${path}?${query}`, {
        method: 'PATCH',
        contentType: 'application/apply-patch+yaml',
        body: JSON.stringify(object),
      })
    }
    const { patience = this.patience, waiting = () => {} } = options
    const ran = dryRun
      ? await retry(attempt, patience, waiting)
      : await retryCounted(this, object.metadata.namespace, attempt, patience, waiting)
    if (ran.code !== 0) throw this.failure(`applying ${nameOf(object)}`, ran)
    return JSON.parse(ran.stdout) as K8sObject
  }

  /** What the API server would make of an object, with defaults and webhooks; nothing is written. */
  dryRun(object: K8sObject): Promise<K8sObject> {
    return this.#write(object, {}, true)
  }

  /** An object as it is now; undefined when it, or its kind, is not there. */
  async now(object: K8sObject): Promise<K8sObject | undefined> {
    const path = await this.#path(object)
    return path === undefined ? undefined : this.#read(path)
  }

  /**
   * Deletes an object, and what belongs to it by and by; one that is not there is as wanted.
   * @param unchanged its resourceVersion: only if nobody has changed it since
   * @returns false when somebody has
   */
  async delete(object: K8sObject, unchanged?: string): Promise<boolean> {
    shown(
      'delete',
      object.kind,
      object.metadata.name,
      object.metadata.namespace ? `-n ${object.metadata.namespace}` : '',
    )
    const body = { preconditions: { resourceVersion: unchanged } }
    const ask: Ask = {
      method: 'DELETE',
      ...(unchanged ? { body: JSON.stringify(body), contentType: 'application/json' } : {}),
    }
    return this.#change(object, '?propagationPolicy=Background', ask, 'deleting')
  }

  /** Sets the finalizers of an object: for what nobody is left to finalize. */
  async finalizers(object: K8sObject, finalizers: readonly string[]): Promise<void> {
    await this.patch(object, { metadata: { finalizers } })
  }

  /**
   * A merge patch (RFC 7386: null takes a field away).
   * @param manager who then owns the fields
   * @returns false when it names a resourceVersion and somebody has changed the object since
   */
  async patch(object: K8sObject, patch: Record<string, unknown>, manager = fieldManager): Promise<boolean> {
    const body = JSON.stringify(patch)
    const { namespace, name } = object.metadata
    const at = namespace ? `-n ${namespace}` : ''
    const short = body.length > 300 ? `${body.slice(0, 300)}…` : body
    shown('patch', object.kind, name, at, '--type=merge', `-p '${short}'`)
    const ask: Ask = { method: 'PATCH', contentType: 'application/merge-patch+json', body }
    return this.#change(object, `?fieldManager=${manager}`, ask, 'changing')
  }

  /**
   * Makes an object, or replaces the one whose resourceVersion it names.
   * @returns false when somebody was faster
   */
  async create(object: K8sObject, replace = false): Promise<boolean> {
    const path = (await this.#path(object)) ?? ''
    const ask: Ask = { method: replace ? 'PUT' : 'POST', contentType: 'application/json', body: JSON.stringify(object) }
    const ran = await this.#patiently(() => this.api.ask(replace ? path : path.replace(/\/[^/]+$/, ''), ask), conflict)
    if (ran.code !== 0) throw this.failure(`${replace ? 'replacing' : 'making'} ${nameOf(object)}`, ran)
    return ran.status !== conflict
  }

  /** Now, by the API server's clock: milliseconds since 1970. */
  serverTime(): number {
    return Date.now() + this.api.ahead
  }

  async #change(object: K8sObject, query: string, ask: Ask, doing: string): Promise<boolean> {
    await this.lock?.take()
    const path = await this.#path(object)
    if (path === undefined) return true
    const ran = await this.#patiently(() => this.api.ask(`${path}${query}`, ask), 404, conflict)
    if (ran.code !== 0) throw this.failure(`${doing} ${nameOf(object)}`, ran)
    return ran.status !== conflict
  }

  /** Where an object lives in the API; undefined while its kind is not served. */
  async #path(object: K8sObject): Promise<string | undefined> {
    const resource = await this.api.resourceOf(object)
    if (!resource) return undefined
    const { namespace, name } = object.metadata
    return `${resource.base}${resource.namespaced ? `/namespaces/${namespace ?? 'default'}` : ''}/${resource.plural}/${name}`
  }

  /** The object without a namespace if its kind has none: Helm says the release's of all of them. */
  async placed(object: K8sObject): Promise<K8sObject> {
    if (object.metadata.namespace === undefined || (await this.api.resourceOf(object))?.namespaced !== false)
      return object
    const { namespace: _, ...metadata } = object.metadata
    return { ...object, metadata }
  }

  /** Ends what was started to reach the cluster. */
  close(): Promise<void> {
    return this.api.close()
  }

  /** kubectl's or helm's own words as an error, with the next command where the cause is one of the usual. */
  failure(doing: string, ran: Ran): HomelabError {
    const lines = ran.stderr.trim().split('\n')
    const words = lines.filter(line => !/^(Warning|[IWE]\d{4} )/.test(line)) // their libraries' own log
    const why = (words.length ? words : lines).slice(-3).join(' ').slice(0, 600) || `exit code ${ran.code}`
    const [, fix = 'run the same command again with --debug to see each command'] =
      waysOut(this.target.context).find(([cause]) => cause.test(why)) ?? []
    return new HomelabError({ what: `${doing} failed`, why, fix })
  }
}

/** The next command for the usual causes; the first that fits. */
const waysOut = (context: string): readonly (readonly [cause: RegExp, fix: string])[] => [
  [
    /refused|no such host|i\/o timeout|no route|no answer within/,
    `check that the cluster is up: kubectl --context ${context} get nodes`,
  ],
  [
    /Unauthorized|certificate has expired/,
    'the kubeconfig is no longer accepted: copy it anew from the server (k3s: /etc/rancher/k3s/k3s.yaml)',
  ],
  [/no matches for kind/, 'the step that brings this kind has not run: ./bootstrap/bootstrap-all.ts'],
  [
    /exceeded quota: homelab/,
    'kubectl get resourcequota -A shows what is in use; to allow more, raise it in infrastructure/security/resource-quotas',
  ],
]

/** The context that a kubeconfig is at; empty when it is at none. Only to be shown and confirmed, never to be used unasked. */
export async function currentContext(kubeconfig: string): Promise<string> {
  return (
    await run('kubectl', [`--kubeconfig=${kubeconfig}`, 'config', 'current-context'], { timeout: 10 })
  ).stdout.trim()
}

/** `deployment/traefik/traefik` → its parts; without namespace for what has none. */
export function parseRef(ref: string): { kind: string; namespace?: string; name: string } {
  const [kind = '', a = '', b] = ref.split('/')
  return b === undefined ? { kind, name: a } : { kind, namespace: a, name: b }
}

/** A short name for people: `Deployment traefik/traefik`. */
export function nameOf(object: K8sObject): string {
  const { namespace, name } = object.metadata
  return `${object.kind} ${namespace ? `${namespace}/` : ''}${name}`
}

/** `--debug`: a request as the kubectl command that would do the same. */
function shown(...words: string[]): void {
  if (debug.on) debug.print(`+ kubectl ${words.filter(Boolean).join(' ')}`)
}
