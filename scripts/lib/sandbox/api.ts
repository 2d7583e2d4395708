// A small client of the API server for the sandbox's own use: the agent must watch without a kubectl for each thing.
import { readFile } from 'node:fs/promises'
import { Agent, request as httpsRequest } from 'node:https'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

/** What we read of any object. */
export interface KubeObject {
  apiVersion?: string
  kind?: string
  metadata: {
    name: string
    namespace?: string
    uid: string
    resourceVersion?: string
    labels?: Record<string, string>
    annotations?: Record<string, string>
    deletionTimestamp?: string
  }
}

export class Api {
  readonly #server: URL
  readonly #tls: { ca: Buffer; cert: Buffer; key: Buffer; agent: Agent }

  private constructor(server: string, tls: { ca: Buffer; cert: Buffer; key: Buffer }) {
    this.#server = new URL(server)
    this.#tls = { ...tls, agent: new Agent({ keepAlive: true }) }
  }

  /** @param server `https://127.0.0.1:PORT` @param pki folder with ca.crt, admin.crt and admin.key */
  static async open(server: string, pki: string): Promise<Api> {
    const [ca, cert, key] = await Promise.all(
      ['ca.crt', 'admin.crt', 'admin.key'].map(name => readFile(`${pki}/${name}`)),
    )
    if (!ca || !cert || !key) throw new Error('unreachable')
    return new Api(server, { ca, cert, key })
  }

  /** One request. The answer's status is the caller's to judge; a broken connection rejects. @param as act as this user */
  request<T = unknown>(
    method: string,
    path: string,
    body?: unknown,
    type = 'application/json',
    as?: string,
  ): Promise<{ status: number; body: T }> {
    return new Promise((done, fail) => {
      const req = httpsRequest(new URL(path, this.#server), {
        method,
        ...this.#tls,
        headers: { 'content-type': type, ...(as ? { 'impersonate-user': as } : {}) },
      })
      req.setTimeout(10_000, () => req.destroy(new Error(`${method} ${path}: no answer within ten seconds`)))
      req.once('error', fail)
      req.once('response', res => {
        let text = ''
        res.setEncoding('utf8').on('data', (part: string) => {
          text += part
        })
        res.once('error', fail)
        res.once('end', () => {
          const json = res.headers['content-type']?.includes('json')
          done({ status: res.statusCode ?? 0, body: (json ? JSON.parse(text) : text) as T })
        })
      })
      req.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  /**
   * Keep a copy of a collection up to date, until `signal` aborts: a list, then a watch, again whenever it breaks.
   * @param path e.g. `/api/v1/pods` @param changed called after every change, and once after the first list
   */
  mirror<T extends KubeObject>(path: string, changed: () => void, signal: AbortSignal): Map<string, T> {
    const items = new Map<string, T>()
    void (async () => {
      while (!signal.aborted) {
        try {
          const list = await this.request<{ metadata: { resourceVersion: string }; items: T[] }>('GET', path)
          if (list.status !== 200) throw new Error(`GET ${path}: ${list.status}`)
          items.clear()
          for (const item of list.body.items) items.set(item.metadata.uid, item)
          changed()
          await this.#watch(path, list.body.metadata.resourceVersion, signal, (type, item: T) => {
            if (type === 'DELETED') items.delete(item.metadata.uid)
            else items.set(item.metadata.uid, item)
            changed()
          })
        } catch {
          await sleep(200) // the API server is starting, ending or busy: it is on this machine, so ask again soon
        }
      }
    })()
    return items
  }

  #watch<T extends KubeObject>(
    path: string,
    from: string,
    signal: AbortSignal,
    event: (type: string, item: T) => void,
  ): Promise<void> {
    return new Promise((done, fail) => {
      const url = new URL(path, this.#server)
      url.searchParams.set('watch', '1')
      url.searchParams.set('resourceVersion', from)
      const req = httpsRequest(url, { ...this.#tls, signal })
      req.once('error', fail)
      req.once('response', res => {
        if (res.statusCode !== 200) return fail(new Error(`watch ${path}: ${res.statusCode}`))
        const lines = createInterface({ input: res })
        lines.on('line', line => {
          const { type, object } = JSON.parse(line) as { type: string; object: T }
          if (type === 'ERROR')
            res.destroy() // too old a version: list again
          else event(type, object)
        })
        lines.once('close', done)
        lines.on('error', fail) // it repeats those of the response
        res.once('error', fail)
      })
      req.end()
    })
  }
}
