import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '../../scripts/lib/sandbox/pod.ts'
import { type Net, outsideRoutes, route, type Service } from '../../scripts/lib/sandbox/proxy.ts'

const pod = (name: string, labels: Record<string, string>, ready = true): Pod => ({
  metadata: { name, namespace: 'ns', uid: name, labels },
  spec: {
    containers: [
      {
        name: 'main',
        image: 'x',
        ports: [
          { name: 'web', containerPort: 9443 },
          { name: 'dns', containerPort: 5353, protocol: 'UDP' },
          { name: 'dns', containerPort: 5354, protocol: 'TCP' },
        ],
      },
    ],
  },
  status: { podIP: `10.42.0.${name.length}`, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
})

const service = (spec: Service['spec'], address?: string): Service => ({
  metadata: { name: 'svc', namespace: 'ns', uid: 'svc' },
  spec: { clusterIP: '10.43.0.10', ...spec },
  status: { loadBalancer: address ? { ingress: [{ ip: address }] } : {} },
})

/** A net in which `local` says which ports of which pods a program stands for. */
const net = (services: Service[], pods: Pod[], local: Record<string, number> = {}): Net => ({
  services,
  pods,
  nodeAddresses: new Set(['192.168.77.11']),
  kubeletPort: 10250,
  portOf: (one, port) => local[`${one.metadata.name}:${port}`],
})

const https = service({ selector: { app: 'a' }, ports: [{ port: 443, targetPort: 9443 }] })
const named = service({ selector: { app: 'a' }, ports: [{ port: 443, targetPort: 'web' }] })

test("a Service's address leads to the program that stands for its Ready pod", () => {
  const pods = [pod('old', { app: 'a' }, false), pod('other', { app: 'b' }), pod('new', { app: 'a', more: 'x' })]
  const local = { 'old:9443/tcp': 1, 'other:9443/tcp': 2, 'new:9443/tcp': 3 }
  assert.deepEqual(route('10.43.0.10', 443, net([https], pods, local)), { port: 3 })
  assert.deepEqual(route('10.43.0.10', 443, net([named], pods, local)), { port: 3 }, 'by the name of the port')
})

test('who is missing is said in words that an owner knows from a cluster', () => {
  const nobody = (host: string, port: number, of: Net) => (route(host, port, of) as { nobody: string }).nobody
  assert.equal(nobody('10.43.0.10', 443, net([https], [])), 'no endpoints available for service ns/svc')
  assert.match(nobody('10.43.0.10', 443, net([https], [pod('p', { app: 'a' }, false)])), /no endpoints/)
  assert.match(nobody('10.43.0.10', 443, net([https], [pod('p', { app: 'a' })])), /no real program/)
  assert.match(nobody('10.43.0.10', 80, net([https], [])), /has no port 80/)
  assert.match(nobody('10.43.9.9', 80, net([https], [])), /nobody has the address 10.43.9.9/)
  const without = service({ ports: [{ port: 443 }] })
  assert.match(nobody('10.43.0.10', 443, net([without], [pod('p', {})])), /no endpoints/, 'no selector selects nothing')
})

test("a node's address leads to the kubelet, a pod's to its own program", () => {
  assert.deepEqual(route('192.168.77.11', 4711, net([], [])), { port: 10250 })
  assert.deepEqual(route('10.42.0.1', 3000, net([], [pod('p', {})], { 'p:3000/tcp': 9 })), { port: 9 })
})

test('load balancer addresses are listed only where a real program answers, TCP and UDP apart', () => {
  const dns = service(
    {
      type: 'LoadBalancer',
      selector: { app: 'a' },
      ports: [
        { port: 53, targetPort: 'dns', protocol: 'UDP' },
        { port: 53, targetPort: 'dns', protocol: 'TCP' },
      ],
    },
    '192.168.77.201',
  )
  const local = { 'p:5353/udp': 111, 'p:5354/tcp': 222 }
  assert.deepEqual(outsideRoutes(net([dns], [pod('p', { app: 'a' })], local)), {
    '192.168.77.201:53/udp': '127.0.0.1:111',
    '192.168.77.201:53/tcp': '127.0.0.1:222',
  })
  assert.deepEqual(outsideRoutes(net([dns], [pod('p', { app: 'a' }, false)], local)), {}, 'a pod that is not Ready')
  assert.deepEqual(outsideRoutes(net([dns], [pod('p', { app: 'a' })])), {}, 'no program')
  const waiting = service({ ...dns.spec })
  assert.deepEqual(outsideRoutes(net([waiting], [pod('p', { app: 'a' })], local)), {}, 'no address yet')
})
