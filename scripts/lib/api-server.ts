// One `kubectl proxy` a run: it authenticates as kubectl does, whatever the kubeconfig says, and then a question to the API
// server costs a millisecond instead of the start of a program. It listens on a socket in a folder of its own.
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Target } from './cluster.ts'
import { missing, type Ran, type Started, start } from './shell.ts'

/** How an API is reached, from the API server's own account of itself. */
interface Resource {
  /** `/api/v1` or `/apis/GROUP/VERSION` */
  base: string
  group: string
  kind: string
  plural: string
  names: readonly string[]
  namespaced: boolean
}

export interface Ask {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  body?: string
  contentType?: string
  accept?: string
  /** Seconds. */
  timeout?: number
}

export interface Answer extends Ran {
  /** 0 when there was none. */
  status: number
  /** The API server's clock, from its Date header: milliseconds since 1970, in whole seconds. */
  date?: number
}

export class ApiServer {
  readonly #target: Target
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 12 })
  #proxy: Promise<{ child: Started; socket: string; folder: string } | Ran> | undefined
  #resources: Promise<Resource[]> | undefined
  /** Every proxy that was started: one that stopped answering may still run. */
  readonly #started: { child: Started; folder: string }[] = []
  #closed = false
  /** By how many milliseconds its clock is ahead of ours, as its last answer showed. */
  ahead = 0

  constructor(target: Target) {
    this.#target = target
  }

  /** One request; `code` 0 for a 2xx. A refusal has the API server's words as kubectl would print them. */
  async ask(path: string, options: Ask = {}): Promise<Answer> {
    // Of several questions at once the first refusal ends a command; the others are asked again, and must not open it anew.
    if (this.#closed) return { status: 0, code: 1, stdout: '', stderr: 'this run has ended' }
    this.#proxy ??= this.#open()
    const proxy = await this.#proxy
    if (!('socket' in proxy)) {
      this.#proxy = undefined
      return { ...proxy, status: 0 }
    }
    const answer = await this.#send(proxy.socket, path, options)
    if (answer.status === 0) this.#proxy = undefined // the proxy is gone: the next request starts another
    return answer
  }

  /** The API of a kind as an object names it, or undefined while nobody serves it. */
  async resourceOf(object: { apiVersion: string; kind: string }): Promise<Resource | undefined> {
    const base = object.apiVersion.includes('/') ? `/apis/${object.apiVersion}` : `/api/${object.apiVersion}`
    return this.#find(resource => resource.base === base && resource.kind === object.kind)
  }

  /** The API of a kind as a person names it: `pods`, `deployment`, `certificate.cert-manager.io`. */
  async resourceNamed(name: string): Promise<Resource | undefined> {
    const [short = '', ...rest] = name.toLowerCase().split('.')
    const group = rest.join('.')
    return this.#find(resource => resource.names.includes(short) && (group === '' || resource.group === group))
  }

  /** Everything that is served, as Helm's `.Capabilities.APIVersions` has it: `apps/v1`, `apps/v1/Deployment`. */
  async versions(): Promise<string[]> {
    this.#resources ??= this.#discover()
    const all = (await this.#resources).map(({ base, kind }) => [base.replace(/^\/apis?\//, ''), kind] as const)
    return [...new Set(all.flatMap(([version, kind]) => [version, `${version}/${kind}`]))].sort()
  }

  /** Ends the proxy; what is asked afterwards fails. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#proxy
    this.#agent.destroy()
    for (const { child, folder } of this.#started) {
      child.end()
      rmSync(folder, { recursive: true, force: true })
    }
  }

  async #open(): Promise<{ child: Started; socket: string; folder: string } | Ran> {
    const { kubeconfig, context, sandbox } = this.#target
    const folder = mkdtempSync(join(tmpdir(), 'homelab-api-')) // 0700: whoever reaches the socket is us
    const socket = join(folder, 's')
    const args = [`--kubeconfig=${kubeconfig}`, `--context=${context}`, 'proxy', `--unix-socket=${socket}`]
    const program = sandbox?.programs.kubectl ?? 'kubectl'
    const child = start(program, args, sandbox?.env)
    this.#started.push({ child, folder })
    if (await child.line(/Starting to serve/, 15)) return { child, socket, folder }
    rmSync(folder, { recursive: true, force: true })
    child.end()
    if (/not found|No such file/.test(child.stderr())) throw missing(program)
    return { code: 1, stdout: '', stderr: child.stderr() || 'kubectl proxy: no answer within 15 s' }
  }

  #send(socketPath: string, path: string, options: Ask): Promise<Answer> {
    const { method = 'GET', body, contentType, accept = 'application/json', timeout = 30 } = options
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) } // Node leaves it out of a DELETE
    const headers = { host: 'localhost', accept, ...length, ...(contentType ? { 'content-type': contentType } : {}) }
    const asked = Date.now()
    return new Promise(resolve => {
      const fail = (error: Error) => resolve({ status: 0, code: 1, stdout: '', stderr: error.message })
      const sent = request({ socketPath, path, method, headers, agent: this.#agent }, response => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('error', fail)
        response.on('end', () => {
          const text = Buffer.concat(parts).toString()
          const status = response.statusCode ?? 0
          const date = Date.parse(response.headers.date ?? '')
          const clock = Number.isNaN(date) ? {} : { date }
          if (!Number.isNaN(date)) this.ahead = date + 500 - (asked + Date.now()) / 2 // its date has whole seconds
          if (status >= 200 && status < 300) resolve({ status, code: 0, stdout: text, stderr: '', ...clock })
          else resolve({ status, code: 1, stdout: '', stderr: words(status, text), ...clock })
        })
      })
      sent.setTimeout(timeout * 1000, () => sent.destroy(new Error(`no answer within ${timeout} s`)))
      sent.on('error', fail)
      sent.end(body)
    })
  }

  /** Looks once more when a kind is not known: a chart may just have brought it. */
  async #find(matches: (resource: Resource) => boolean): Promise<Resource | undefined> {
    const known = this.#resources
    const found = (await known)?.find(matches)
    if (found) return found
    if (this.#resources === known) this.#resources = this.#discover()
    return (await this.#resources)?.find(matches)
  }

  /** Aggregated discovery: two requests for everything (https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery). */
  async #discover(): Promise<Resource[]> {
    const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
    const answers = await Promise.all(['/api', '/apis'].map(path => this.ask(path, { accept })))
    return answers.flatMap(({ code, stdout }) => (code === 0 ? readDiscovery(stdout) : []))
  }
}

interface Discovery {
  items: {
    metadata: { name?: string }
    versions: {
      version: string
      resources?: {
        resource: string
        singularResource: string
        shortNames?: string[]
        scope: string
        responseKind?: { kind: string }
      }[]
    }[]
  }[]
}

function readDiscovery(text: string): Resource[] {
  return (JSON.parse(text) as Discovery).items.flatMap(({ metadata: { name: group = '' }, versions }) =>
    versions.flatMap(({ version, resources = [] }) =>
      resources.map(({ resource, singularResource, shortNames = [], scope, responseKind }) => ({
        base: group ? `/apis/${group}/${version}` : `/api/${version}`,
        group,
        kind: responseKind?.kind ?? '',
        plural: resource,
        names: [resource, singularResource, ...shortNames],
        namespaced: scope === 'Namespaced',
      })),
    ),
  )
}

/** A Status object's reason and message as kubectl prints them, so that one table of error classes fits both. */
function words(status: number, text: string): string {
  try {
    const { reason, message } = JSON.parse(text) as { reason?: string; message?: string }
    return `Error from server${reason ? ` (${reason})` : ''}: ${message ?? text}`
  } catch {
    return `HTTP ${status}: ${text.trim()}`
  }
}
