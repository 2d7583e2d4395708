// The network of the sandbox: the API server's in-cluster calls, `kubectl port-forward`, and what stands behind addresses.
import { createServer, type Server } from 'node:http'
import { connect, createServer as createTcpServer, type Socket } from 'node:net'
import type { KubeObject } from './api.ts'
import { isReady, type Pod } from './pod.ts'

export interface Service extends KubeObject {
  spec: {
    type?: string
    clusterIP?: string
    clusterIPs?: string[]
    selector?: Record<string, string>
    ports?: { name?: string; port: number; targetPort?: number | string; protocol?: string }[]
  }
  status?: { loadBalancer?: { ingress?: { ip?: string }[] } }
}

/** What a route is found in. */
export interface Net {
  services: Iterable<Service>
  pods: Iterable<Pod>
  nodeAddresses: ReadonlySet<string>
  kubeletPort: number
  /** The local port behind a pod's `9443/tcp`, while a program stands for it. */
  portOf: (pod: Pod, port: string) => number | undefined
}

export type Route = { port: number } | { nobody: string }

/** Where a call to `host:port` inside the cluster goes on this machine. Says who is missing in Kubernetes' own words. */
export function route(host: string, port: number, net: Net): Route {
  if (net.nodeAddresses.has(host)) return { port: net.kubeletPort }
  for (const service of net.services) {
    if (service.spec.clusterIP !== host && !service.spec.clusterIPs?.includes(host)) continue
    const name = `${service.metadata.namespace}/${service.metadata.name}`
    const entry = service.spec.ports?.find(one => one.port === port && (one.protocol ?? 'TCP') === 'TCP')
    if (!entry) return { nobody: `service ${name} has no port ${port}` }
    const behind = backends(service, entry, net)
    if (behind.ready === 0) return { nobody: `no endpoints available for service ${name}` }
    const [first] = behind.ports
    return first === undefined
      ? { nobody: `service ${name}: no real program stands for its pods in the sandbox` }
      : { port: first }
  }
  for (const pod of net.pods) {
    if (pod.status?.podIP !== host) continue
    const local = net.portOf(pod, `${port}/tcp`)
    return local === undefined
      ? { nobody: `pod ${pod.metadata.namespace}/${pod.metadata.name}: no real program in the sandbox` }
      : { port: local }
  }
  return { nobody: `nobody has the address ${host}` }
}

/** The local ports behind one port of a Service, and how many of its pods are Ready. */
function backends(
  service: Service,
  entry: { port: number; targetPort?: number | string; protocol?: string },
  net: Net,
): { ready: number; ports: number[] } {
  const selector = Object.entries(service.spec.selector ?? {})
  const protocol = (entry.protocol ?? 'TCP').toLowerCase()
  let ready = 0
  const ports: number[] = []
  if (selector.length === 0) return { ready, ports }
  for (const pod of net.pods) {
    if (pod.metadata.namespace !== service.metadata.namespace || !isReady(pod)) continue
    if (!selector.every(([key, value]) => pod.metadata.labels?.[key] === value)) continue
    ready++
    const target = entry.targetPort ?? entry.port
    const number =
      typeof target === 'number'
        ? target
        : pod.spec.containers
            .flatMap(container => container.ports ?? [])
            .find(one => one.name === target && (one.protocol ?? 'TCP').toLowerCase() === protocol)?.containerPort
    const local = number === undefined ? undefined : net.portOf(pod, `${number}/${protocol}`)
    if (local !== undefined) ports.push(local)
  }
  return { ready, ports }
}

/** `"192.168.77.201:53/udp": "127.0.0.1:PORT"` for each load balancer address behind which a real program stands. */
export function outsideRoutes(net: Net): Record<string, string> {
  const routes: Record<string, string> = {}
  for (const service of net.services) {
    if (service.spec.type !== 'LoadBalancer') continue
    for (const { ip } of service.status?.loadBalancer?.ingress ?? [])
      for (const entry of service.spec.ports ?? []) {
        const [port] = backends(service, entry, net).ports
        if (ip && port !== undefined)
          routes[`${ip}:${entry.port}/${(entry.protocol ?? 'TCP').toLowerCase()}`] = `127.0.0.1:${port}`
      }
  }
  return routes
}

/** The proxy behind the API server's egress selector: HTTP CONNECT on a Unix socket. */
export function egressProxy(
  socketPath: string,
  find: (host: string, port: number) => Route,
  log: (text: string) => void,
): Server {
  const server = createServer((_, res) => res.writeHead(405).end())
  server.on('connect', (req, client: Socket, head: Buffer) => {
    const [, host = '', port = '0'] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(req.url ?? '') ?? []
    const refuse = (reason: string) => {
      log(`proxy: ${req.url}: ${reason}`)
      // The API server repeats the status line in its error: so the reason stands there.
      client.end(`HTTP/1.1 503 ${reason}\r\n\r\n`)
    }
    client.on('error', () => client.destroy())
    const target = find(host, Number(port))
    if ('nobody' in target) return refuse(target.nobody)
    const upstream = connect(target.port, '127.0.0.1')
    const failed = (error: Error) => refuse(`the program behind ${req.url} does not answer: ${error.message}`)
    upstream.once('error', failed)
    upstream.once('connect', () => {
      upstream.off('error', failed)
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      if (head.length > 0) upstream.write(head)
      join(client, upstream)
    })
  })
  return server.listen(socketPath)
}

/** A loopback port that leads to whatever `find` says at the moment a connection comes. */
export function forward(port: number, find: () => number | undefined): void {
  createTcpServer(client => {
    const target = find()
    if (target === undefined) return void client.destroy()
    client.on('error', () => client.destroy())
    const upstream = connect(target, '127.0.0.1')
    upstream.once('error', () => client.destroy())
    upstream.once('connect', () => join(client, upstream))
  }).listen(port, '127.0.0.1')
}

/** Join two connections until either ends. */
function join(a: Socket, b: Socket): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.pipe(to)
    from.on('error', () => to.destroy())
    from.on('close', () => to.destroy())
  }
}
