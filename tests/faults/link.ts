// The line between the scripts and the API server: it can be cut and mended while a run goes on.
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer as createHttpsServer, request } from 'node:https'
import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Sandbox } from '../../scripts/lib/sandbox/cluster.ts'
import { freePort } from '../../scripts/lib/sandbox/ports.ts'

export class Link {
  readonly #open = new Set<Socket>()
  readonly #port: number
  readonly #target: number
  #server: Server | undefined

  private constructor(port: number, target: number) {
    this.#port = port
    this.#target = target
  }

  /** Puts itself between: from here on the scripts' kubeconfig leads through it. The harness's own does not. */
  static async between(sandbox: Sandbox): Promise<Link> {
    const text = readFileSync(sandbox.kubeconfig, 'utf8')
    const target = Number(/server: https:\/\/127\.0\.0\.1:(\d+)/.exec(text)?.[1])
    const link = new Link(await freePort(), target)
    await link.mend()
    writeFileSync(sandbox.kubeconfig, text.replace(`127.0.0.1:${target}`, `127.0.0.1:${link.#port}`), { mode: 0o600 })
    return link
  }

  /** Connections are refused from now on, those that are open break. @returns how many those were */
  async cut(): Promise<number> {
    const server = this.#server
    this.#server = undefined
    const closed = new Promise(done => (server ? server.close(done) : done(undefined)))
    const open = [...this.#open]
    for (const socket of open) socket.resetAndDestroy()
    await closed
    return open.length / 2 // both ends of each
  }

  async mend(): Promise<void> {
    const server = createServer(client => {
      const upstream = connect(this.#target, '127.0.0.1')
      for (const [one, other] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.#open.add(one)
        one.on('error', () => other.destroy())
        one.on('close', () => {
          this.#open.delete(one)
          other.destroy()
        })
        one.pipe(other)
      }
    })
    await new Promise<void>(done => server.listen(this.#port, '127.0.0.1', done))
    server.unref() // the sandbox leads through it to its end; the tests do not wait for it
    this.#server = server
  }
}

/** The same, but one that looks inside: it can answer every request with 429, as an API server with too much to do. */
export class BusyLink {
  #busy = false
  /** Requests answered with 429. */
  refused = 0

  static async between(sandbox: Sandbox, pki: string): Promise<BusyLink> {
    const [ca, cert, key] = ['ca.crt', 'admin.crt', 'admin.key'].map(name => readFileSync(`${pki}/${name}`))
    if (!ca || !cert || !key) throw new Error('the sandbox has no certificates')
    const link = new BusyLink()
    const port = await freePort()
    const text = readFileSync(sandbox.kubeconfig, 'utf8')
    const target = Number(/server: https:\/\/127\.0\.0\.1:(\d+)/.exec(text)?.[1])
    const server = createHttpsServer({ cert, key }, (asked, answer) => {
      if (link.#busy) {
        link.refused++
        asked.resume()
        return answer.writeHead(429, { 'retry-after': '1' }).end('Too many requests, please try again later.\n')
      }
      const { method, headers, url: path } = asked
      const onward = request({ host: '127.0.0.1', port: target, method, headers, path, ca, cert, key }, found => {
        answer.writeHead(found.statusCode ?? 502, found.headers)
        found.pipe(answer)
      })
      onward.on('error', () => answer.destroy())
      answer.on('close', () => onward.destroy())
      asked.pipe(onward)
    })
    // kubectl port-forward speaks something else from its first answer on.
    server.on('upgrade', (asked, client, head) => {
      const { method, headers, url: path } = asked
      const onward = request({ host: '127.0.0.1', port: target, method, headers, path, ca, cert, key })
      onward.on('upgrade', (found, upstream, first) => {
        const lines = Object.entries(found.headers).map(([name, value]) => `${name}: ${value}`)
        client.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`)
        client.write(first)
        upstream.write(head)
        client.on('error', () => upstream.destroy()).pipe(upstream)
        upstream.on('error', () => client.destroy()).pipe(client)
      })
      onward.on('error', () => client.destroy())
      onward.end()
    })
    await new Promise<void>(done => server.listen(port, '127.0.0.1', done))
    server.unref()
    server.unref()
    writeFileSync(sandbox.kubeconfig, text.replace(`127.0.0.1:${target}`, `127.0.0.1:${port}`), { mode: 0o600 })
    return link
  }

  busy(now: boolean): void {
    this.#busy = now
  }
}
