// The cluster, through kubectl. Every call names kubeconfig and context; nothing else in the project runs kubectl.
import { type Change, changes } from './diff.ts'
import { HomelabError } from './errors.ts'
import { toList } from './fill.ts'
import type { K8sObject } from './k8s.ts'
import { type Ran, run, start } from './shell.ts'
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

export interface Applied {
  object: K8sObject
  result: 'created' | 'changed' | 'unchanged'
  changes: Change[]
}

export interface ApplyOptions {
  /** Says what would be done, writes nothing. */
  plan?: boolean
  /** Whose fields these are; Helm's when a chart's objects are compared. */
  manager?: string
  /** Seconds to go on while a webhook or a kind is not served yet. */
  patience?: number
  waiting?: (what: string) => void
}

export class Cluster {
  readonly target: Target
  /** Namespaces that this run has made: nothing can be in them that it did not put there, so nothing need be asked. */
  readonly newNamespaces = new Set<string>()

  constructor(target: Target) {
    this.target = target
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
   * Objects by `kubectl get`, e.g. `['deployments,pods', '-n', 'traefik']`. What is absent is left out.
   * Failures that pass by themselves are retried for 20 s.
   */
  async get(
    args: readonly string[],
    options: { input?: string; kindsMayBeMissing?: boolean } = {},
  ): Promise<K8sObject[]> {
    const ran = await retry(
      async () => {
        const once = await this.kubectl(
          ['get', '-o', 'json', '--ignore-not-found', ...args],
          options.input === undefined ? {} : { input: options.input },
        )
        const unknownKind =
          /no matches for kind|doesn't have a resource type|could not find the requested resource/.test(once.stderr)
        return unknownKind && options.kindsMayBeMissing ? { ...once, code: 0 } : once
      },
      20,
      () => {},
    )
    if (ran.code !== 0) throw this.failure(`kubectl get ${args.join(' ')}`, ran)
    return parseObjects(ran.stdout)
  }

  /** One object, or undefined when it (or its kind) is not there. `ref` is kind/name or kind/namespace/name. */
  async find(ref: string): Promise<K8sObject | undefined> {
    const { kind, namespace, name } = parseRef(ref)
    const [object] = await this.get([kind, name, ...(namespace ? ['-n', namespace] : [])], { kindsMayBeMissing: true })
    return object
  }

  /** A GET of an API path. */
  async raw(path: string): Promise<string> {
    const ran = await this.kubectl(['get', '--raw', path])
    if (ran.code !== 0) throw this.failure(`GET ${path}`, ran)
    return ran.stdout
  }

  /**
   * A way to a pod's port that needs neither its address nor a published Service.
   * @param use given the local port; the way is closed when it ends
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
    const child = start(sandbox?.programs.kubectl ?? 'kubectl', args, sandbox?.env)
    try {
      const line = await child.line(/Forwarding from 127\.0\.0\.1:(\d+)/, 15)
      if (!line) throw this.failure(`reaching ${namespace}/${pod}`, { code: 1, stdout: '', stderr: child.stderr() })
      return await use(Number(line[1]))
    } finally {
      child.end()
    }
  }

  /**
   * Makes the cluster hold these objects, by server-side apply, and writes only those that differ. Whether one
   * differs is the API server's own answer to a dry run, so defaults and other owners' fields never count.
   * @throws HomelabError when the API server or a webhook refuses
   */
  async apply(objects: readonly K8sObject[], options: ApplyOptions = {}): Promise<Applied[]> {
    if (objects.length === 0) return []
    const flags = ['-f', '-']
    const asked = objects.filter(object => !this.newNamespaces.has(object.metadata.namespace ?? ''))
    const live = index(asked.length ? await this.get(flags, { input: toList(asked), kindsMayBeMissing: true }) : [])
    const find = (object: K8sObject) => live.get(keyOf(object))
    const known = objects.filter(find)
    const wanted = index(known.length ? await this.#write(known, ['--dry-run=server', ...flags], options) : [])
    const applied = objects.map((object): Applied => {
      const before = find(object)
      if (!before) return { object, result: 'created', changes: [] }
      const found = changes(before, wanted.get(keyOf(object)) ?? before)
      return { object, result: found.length ? 'changed' : 'unchanged', changes: found }
    })
    const toWrite = applied.filter(one => one.result !== 'unchanged').map(one => one.object)
    if (options.plan || toWrite.length === 0) return applied
    await this.#write(toWrite, flags, options)
    for (const { object, result } of applied)
      if (object.kind === 'Namespace' && result === 'created') this.newNamespaces.add(object.metadata.name)
    return applied
  }

  async #write(objects: readonly K8sObject[], flags: readonly string[], options: ApplyOptions): Promise<K8sObject[]> {
    const input = toList(objects)
    const args = [
      'apply',
      '--server-side',
      '--force-conflicts',
      `--field-manager=${options.manager ?? fieldManager}`,
      '-o',
      'json',
      ...flags,
    ]
    const ran = await retry(() => this.kubectl(args, { input }), options.patience ?? 20, options.waiting ?? (() => {}))
    if (ran.code !== 0) throw this.failure(`applying ${objects.map(nameOf).slice(0, 3).join(', ')}`, ran)
    return parseObjects(ran.stdout)
  }

  /** kubectl's or helm's own words as an error, with the next command where the cause is one of the usual. */
  failure(doing: string, ran: Ran): HomelabError {
    const words = ran.stderr
      .trim()
      .split('\n')
      .filter(line => !/^(Warning|W\d{4})/.test(line))
    const why = words.slice(-3).join(' ').slice(0, 600) || `exit code ${ran.code}`
    const fix = /refused|no such host|i\/o timeout|no route|no answer within/.test(why)
      ? `check that the cluster is up: kubectl --context ${this.target.context} get nodes`
      : /Unauthorized|certificate has expired/.test(why)
        ? 'the kubeconfig is no longer accepted: copy it anew from the server (k3s: /etc/rancher/k3s/k3s.yaml)'
        : /no matches for kind/.test(why)
          ? 'the step that brings this kind has not run: ./bootstrap/bootstrap-all.ts'
          : 'run the same command again with --debug to see each command'
    return new HomelabError({ what: `${doing} failed`, why, fix })
  }
}

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

function keyOf(object: K8sObject): string {
  const [group] = object.apiVersion.includes('/') ? object.apiVersion.split('/') : ['']
  return [group, object.kind, object.metadata.namespace ?? '', object.metadata.name].join('|')
}

function index(objects: readonly K8sObject[]): Map<string, K8sObject> {
  return new Map(objects.map(object => [keyOf(object), object]))
}

/** kubectl prints one object, or a List of several; nothing when there is none. */
export function parseObjects(stdout: string): K8sObject[] {
  if (stdout.trim() === '') return []
  const value = JSON.parse(stdout) as K8sObject & { items?: K8sObject[] }
  return value.kind === 'List' ? (value.items ?? []) : [value]
}
