// S, N: storage classes, quotas and what blocks pods; addresses; what the distribution brings along.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mapAt } from '../../../scripts/lib/k8s.ts'
import { root } from '../../../scripts/lib/root.ts'
import type { Row } from '../row.ts'
import { bootstrap, type Trial } from '../trial.ts'
import { definition } from './webhooks.ts'

const marked = 'storageclass.kubernetes.io/is-default-class'

const storageClass = (name: string): object => ({
  apiVersion: 'storage.k8s.io/v1',
  kind: 'StorageClass',
  metadata: { name, annotations: { [marked]: 'true' } },
  provisioner: 'driver.example.org',
})

const namespace = (name: string, labels = {}): object => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, labels },
})

/** Objects of somebody else that a run refuses before its first write, and that are taken away again. */
function refusal(
  id: string,
  fault: string,
  objects: readonly object[],
  words: RegExp,
  on: 'bare' | 'built' = 'bare',
): Row {
  return {
    id,
    on,
    fault,
    expect: 'refused before the first write, with the way out',
    ends: 'refused',
    async run(trial) {
      await trial.others(objects)
      const ended = await trial.run()
      trial.fired('they were there')
      trial.refused(ended, 2, words)
      trial.untouched(ended.writes)
      await trial.kubectl(['delete', '--cascade=foreground', '-f', '-'], [...objects].reverse())
      await trial.until(
        'the pods are gone',
        async () => (await trial.admin.list('pods', { labels: 'app=other' })).length === 0,
      )
    },
  }
}

/** A rehearsal's site with some lines of its own. */
async function withSite(trial: Trial, id: string, lines: string): Promise<Awaited<ReturnType<Trial['run']>>> {
  const keys = lines.split('\n').map(line => line.split('=')[0])
  const kept = readFileSync(join(root, 'infrastructure/sandbox/site.env'), 'utf8')
    .split('\n')
    .filter(line => !keys.includes(line.split('=')[0]))
  mkdirSync(join(root, '.homelab'), { recursive: true })
  const file = `.homelab/site-${id}.env`
  writeFileSync(join(root, file), `${kept.join('\n')}${lines}\n`, { mode: 0o600 })
  return trial.run(bootstrap, [], { env: { HOMELAB_SANDBOX_SITE: file } })
}

const badSite = (id: string, fault: string, lines: string, words: RegExp): Row => ({
  id,
  fault,
  expect: 'refused before the first write; the address is named',
  ends: 'refused',
  async run(trial) {
    const ended = await withSite(trial, id, lines)
    trial.fired(lines)
    trial.refused(ended, 2, words)
    trial.untouched(ended.writes)
  },
})

const daemonSet = (name: string): object => ({
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name, namespace: 'kube-system' },
  spec: {
    selector: { matchLabels: { app: 'other' } },
    template: {
      metadata: { labels: { app: 'other' } },
      spec: { nodeSelector: { none: 'such' }, containers: [{ name: 'a', image: 'example.org/a:1' }] },
    },
  },
})

/** What keeps a step's pods from being made: the cause is told while it waits, and in the end. */
const blocked = (id: string, fault: string, steps: string, objects: readonly object[], words: RegExp): Row => ({
  id,
  fault,
  expect: 'named within 30 s of the wait, and in the end; the same command converges once it is gone',
  ends: 'refused',
  ...(id === 'S2-quota' ? { quick: true as const } : {}),
  async run(trial) {
    // The namespace as a run makes it, so that afterwards no trace of another maker is left on it.
    const [space, ...others] = objects
    if (space) await trial.others([space], 'homelab')
    await trial.others(others)
    let begun = 0
    let after = Number.POSITIVE_INFINITY
    const ended = await trial.run(bootstrap, ['--only', steps], {
      env: { HOMELAB_PATIENCE: '15' },
      onEvent: ({ event, text = '' }) => {
        if (text.startsWith('installing')) begun = Date.now()
        if (begun && event === 'doing' && words.test(text)) after = Math.min(after, Date.now() - begun)
      },
    })
    trial.refused(ended, 1, words)
    trial.expect(after < 30_000, `the cause was told after ${after} ms`)
    trial.fired(`told after ${Math.round(after / 100) / 10} s`)
    await trial.kubectl(['delete', '-f', '-'], objects.slice(1))
    await trial.converged(await trial.run())
  },
})

/** As after a request that was cut off between its admission and its write: the quota has counted what never came. */
const counted = (id: string, namespace: string, service: string): Row => ({
  id,
  on: 'built',
  fault: `the quota of ${namespace} counts a Service ${service} that is not there, as after a request that was cut off`,
  expect: 'it is counted anew, and the run puts the Service back',
  async run(trial) {
    const ref = `resourcequota/${namespace}/homelab`
    const used = async () => mapAt((await trial.admin.find(ref))?.status, 'used')['services.loadbalancers'] ?? ''
    const before = await used()
    await trial.kubectl(['delete', 'service', '-n', namespace, service])
    await trial.until('the quota has noticed', async () => (await used()) !== before)
    const status = JSON.stringify({ status: { used: { 'services.loadbalancers': before } } })
    const patch = 'patch resourcequota homelab --subresource=status --type=merge'.split(' ')
    await trial.kubectl([...patch, '-n', namespace, '-p', status])
    const ended = await trial.run()
    const told = ended.events.find(({ text }) => text?.includes(`the quota of ${namespace} counts anew`))?.text
    trial.expect(told !== undefined, 'nobody said that the quota refused')
    trial.fired(told ?? '')
    await trial.converged(ended)
  },
})

export const cluster: readonly Row[] = [
  refusal(
    'S1-two',
    'two default StorageClasses',
    ['red', 'blue'].map(storageClass),
    /2 StorageClasses are the default: blue, red/,
  ),
  refusal(
    'S1-added',
    'a second default StorageClass beside ours, as k3s adds one at every restart',
    [storageClass('local-path-of-k3s')],
    /2 StorageClasses are the default: local-path, local-path-of-k3s/,
    'built',
  ),
  {
    id: 'S1-none',
    on: 'built',
    fault: 'somebody takes the mark off the only default StorageClass',
    expect: 'a run puts it back',
    async run(trial) {
      await trial.kubectl(['annotate', 'storageclass', 'local-path', `${marked}-`])
      const ended = await trial.run()
      trial.fired(ended.events.find(({ event }) => event === 'did')?.text ?? '')
      await trial.converged(ended)
    },
  },
  blocked(
    'S2-quota',
    'a ResourceQuota lets no pod of cert-manager in',
    '05',
    [
      namespace('cert-manager'),
      {
        apiVersion: 'v1',
        kind: 'ResourceQuota',
        metadata: { name: 'none', namespace: 'cert-manager' },
        spec: { hard: { pods: '0' } },
      },
    ],
    /quota/,
  ),
  blocked(
    'S2-limits',
    'a LimitRange lets no pod of Traefik in',
    '02,04',
    [
      namespace('traefik'),
      {
        apiVersion: 'v1',
        kind: 'LimitRange',
        metadata: { name: 'tiny', namespace: 'traefik' },
        spec: { limits: [{ type: 'Container', max: { cpu: '1m', memory: '1Mi' } }] },
      },
    ],
    /the limit range allows/,
  ),
  counted('S2-count', 'adguard', 'adguard-1'),
  counted('S2-count-chart', 'traefik', 'traefik'),
  {
    id: 'S2-security',
    fault: "MetalLB's namespace is there already, with the Pod Security level restricted",
    expect: 'the step sets the level that its pods need, and converges',
    async run(trial) {
      await trial.others([namespace('metallb-system', { 'pod-security.kubernetes.io/enforce': 'restricted' })])
      const ended = await trial.run()
      const told = ended.events.find(({ text }) => text?.startsWith('~ Namespace metallb-system'))?.text
      trial.expect(told !== undefined, 'the change was not told')
      trial.fired(told ?? '')
      await trial.converged(ended)
    },
  },
  badSite(
    'N1-node',
    'the pool contains a node',
    'METALLB_POOL=192.168.77.10-192.168.77.30',
    /contains the node node-1 \(192\.168\.77\.11\)/,
  ),
  badSite(
    'N1-gateway',
    'the pool contains the gateway',
    'METALLB_POOL=192.168.77.200-192.168.77.220\nGATEWAY_IP=192.168.77.205',
    /192\.168\.77\.205/,
  ),
  badSite(
    'N1-outside',
    'the address for Traefik is not of the pool',
    'TRAEFIK_IP=192.168.77.50',
    /TRAEFIK_IP.*192\.168\.77\.50|192\.168\.77\.50.*METALLB_POOL/s,
  ),
  refusal(
    'N1-taken',
    'a Service of somebody else has the address that is meant for Traefik',
    [
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'old-door', namespace: 'default' },
        spec: { ports: [{ port: 80 }], externalIPs: ['192.168.77.200'] },
      },
    ],
    /192\.168\.77\.200, meant for Traefik, belongs to the Service default\/old-door/,
  ),
  refusal(
    'N2-servicelb',
    "k3s's own load balancer is on",
    [daemonSet('svclb-traefik-1a2b3c4d')],
    /svclb-traefik.*disable: \[servicelb, traefik\]/s,
  ),
  refusal(
    'N2-traefik',
    "k3s's own Traefik is on",
    [definition('helmcharts', 'helm.cattle.io', 'HelmChart'), daemonSet('traefik')],
    /k3s's own Traefik is on.*disable: \[servicelb, traefik\].*systemctl restart k3s/s,
  ),
  refusal(
    'N2-rke2',
    "RKE2's own ingress controller is on",
    [daemonSet('rke2-ingress-nginx-controller')],
    /RKE2's own ingress controller is on.*disable: \[rke2-ingress-nginx\].*systemctl restart rke2-server/s,
  ),
  {
    id: 'D1',
    on: 'built',
    fault: 'the domain and the pool in .env change on a platform that is built, and change back',
    expect: 'a plan tells the drift; each run ends as if it had been so from the start',
    async run(trial) {
      const lines = 'DOMAIN=house.home.arpa\nMETALLB_POOL=192.168.77.230-192.168.77.240'
      const moved = await withSite(trial, 'D1', lines)
      trial.expect(moved.code === 0, `it does not move: ${JSON.stringify(moved.summary?.problems)}`)
      const plan = await trial.run(bootstrap, ['--plan'])
      trial.untouched(plan.writes)
      trial.expect((plan.summary?.changes ?? 0) > 5, 'the plan tells no drift')
      trial.fired(`${plan.summary?.changes} changes in the plan back`)
      await trial.converged(await trial.run())
    },
  },
]
