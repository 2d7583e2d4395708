// The sandbox itself, with real charts: what is real in it is real, what is off is missed, and nothing is left behind.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { Resolver } from 'node:dns/promises'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import bcrypt from 'bcryptjs'
import { stringify } from 'yaml'
import {
  runningSandbox,
  type Sandbox,
  sandboxDown,
  sandboxSwitch,
  sandboxUp,
} from '../../scripts/lib/sandbox/cluster.ts'
import { parseNodes } from '../../scripts/lib/sandbox/nodes.ts'
import { sandboxProcesses } from '../../scripts/lib/sandbox/processes.ts'
import { ensurePrograms } from '../../scripts/lib/sandbox/programs.ts'
import { readOff } from '../../scripts/lib/sandbox/record.ts'
import { temporaryFolder } from '../temporary.ts'

const run = promisify(execFile)
const folder = temporaryFolder('sandbox')
process.env.HOMELAB_SANDBOX_DIR = folder
const report = () => {}
let sandbox: Sandbox
let upTime = 0

before(async () => {
  await ensurePrograms(line => console.error(line))
  const start = Date.now()
  sandbox = await sandboxUp({
    name: 'one',
    nodes: parseNodes('4x8Gi 4x8Gi 2x4Gi'),
    report,
    readyAfter: 800,
    ownerPid: process.pid,
  })
  upTime = Date.now() - start
})

after(async () => {
  for (const name of ['one', 'two']) await sandboxDown(name)
})

const env = () => ({ ...process.env, ...sandbox.env, KUBECONFIG: sandbox.kubeconfig })

async function kubectl(args: string, objects?: object | object[]): Promise<string> {
  const child = run(sandbox.programs.kubectl, args.split(' '), { env: env() })
  child.child.stdin?.end(
    objects
      ? [objects]
          .flat()
          .map(one => stringify(one))
          .join('---\n')
      : '',
  )
  return (await child).stdout.trim()
}

const apply = (...objects: object[]) => kubectl('apply --server-side -f -', objects)
const helm = async (args: string) => (await run(sandbox.programs.helm, args.split(' '), { env: env() })).stdout

/** Ask until the answer is right; the last one is in the failure. */
async function until(
  what: string,
  ask: () => Promise<string>,
  right: (answer: string) => boolean,
  seconds = 30,
): Promise<string> {
  let answer = ''
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(200)) {
    answer = await ask().catch((error: Error) => error.message)
    if (right(answer)) return answer
  }
  throw new Error(`${what}: not within ${seconds} s; last: ${answer}`)
}

const fails = (work: Promise<unknown>, words: RegExp) =>
  assert.rejects(work, (error: Error) => {
    assert.match(error.message, words)
    return true
  })
const running = (part: string) => sandboxProcesses(sandbox.dir).filter(({ command }) => command.includes(part))

const pool = (range: string) => ({
  apiVersion: 'metallb.io/v1beta1',
  kind: 'IPAddressPool',
  metadata: { name: 'lan', namespace: 'metallb-system' },
  spec: { addresses: [range] },
})
const balancer = (name: string, ip: string) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'default', annotations: { 'metallb.io/loadBalancerIPs': ip } },
  spec: { type: 'LoadBalancer', ports: [{ port: 80 }], selector: { app: name } },
})
const addressOf = (name: string) => kubectl(`get service ${name} -o jsonpath={.status.loadBalancer.ingress[0].ip}`)
const namespace = (name: string) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } })

test('it is up within five seconds, with nodes of the sizes asked for', async t => {
  t.diagnostic(`up after ${upTime} ms, load ${loadavg()[0]?.toFixed(1)} on ${availableParallelism()} cores`)
  const idle = (loadavg()[0] ?? 0) < availableParallelism()
  assert.ok(upTime < (idle ? 5000 : 30_000), `up took ${upTime} ms`)
  assert.equal(await kubectl('get nodes -o jsonpath={.items[*].status.capacity.memory}'), '8Gi 8Gi 4Gi')
  assert.match(await kubectl('get nodes'), /^node-1 +Ready(.*\n)+node-2 +Ready(.*\n)+node-3 +Ready/m)
})

test('a port that somebody takes between choosing and using it costs a second start, not the sandbox', async t => {
  const [file, said] = [join(folder, 'raced', 'sandbox.json'), [] as string[]]
  const squatter = createServer()
  const watching = setInterval(() => {
    if (squatter.listening || !existsSync(file)) return
    squatter.listen(Number(new URL(JSON.parse(readFileSync(file, 'utf8')).server).port), '127.0.0.1')
    clearInterval(watching)
  }, 5)
  t.after(async () => {
    clearInterval(watching)
    squatter.close()
    await sandboxDown('raced')
  })
  const up = { name: 'raced', nodes: parseNodes(), ownerPid: process.pid }
  await sandboxUp({ ...up, report: line => said.push(line) })
  assert.equal(said.filter(line => line.includes('took one of its ports')).length, 1, said.join('\n'))
})

test('wrong use is refused before anything starts', async () => {
  const cli = (...args: string[]) =>
    run('scripts/sandbox.ts', args).then(
      () => '',
      (error: { code: number; stderr: string }) => `${error.code} ${error.stderr}`,
    )
  assert.match(await cli('up', '--nodes', '4x8G', '--name', 'never'), /^2 .*not a node size: 4x8G/)
  assert.match(
    await cli('up', '--without', 'pod-redy', '--name', 'never'),
    /^2 .*no pod-redy to switch off\n.*pod-ready, .*metallb-controller/,
  )
  assert.match(await cli('up', '--name', 'Not_a_name'), /^2 .*not a name/)
  assert.match(await cli('off', 'pod-ready', '--name', 'never'), /^2 .*never is not up/)
  assert.match(await cli('sideways'), /^2 .*not a command: sideways/)
  assert.equal(existsSync(join(folder, 'never')), false)
})

test('the real scheduler says what does not fit', async () => {
  const container = { name: 'c', image: 'x', resources: { requests: { cpu: '5' } } }
  await apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'big', namespace: 'default' },
    spec: { containers: [container] },
  })
  const ask = () => kubectl('get pod big -o jsonpath={.status.conditions[0].message}')
  await until('the reason', ask, text => text.includes('3 Insufficient cpu'))
  await kubectl('delete pod big')
})

test("MetalLB's real chart: no endpoints until it is Ready, then its webhook refuses and accepts, and it gives addresses", async () => {
  await apply(namespace('metallb-system'))
  await helm(
    `install metallb ${sandbox.charts.metallb} -n metallb-system --set frrk8s.enabled=false --set speaker.frr.enabled=false`,
  )
  await fails(
    apply(pool('192.168.77.200-192.168.77.220')),
    /no endpoints available for service metallb-system\/metallb-webhook-service/,
  )
  await until(
    'the pool',
    () => apply(pool('192.168.77.200-192.168.77.220')),
    text => text.includes('serverside-applied'),
  )
  await fails(
    apply(pool('192.168.77.220-192.168.77.200')),
    /admission webhook .* denied the request: .*invalid IP range/,
  )
  await apply(balancer('first', '192.168.77.205'))
  await until(
    'an address',
    () => addressOf('first'),
    ip => ip === '192.168.77.205',
  )
  await until(
    'a speaker on each node',
    () => kubectl('get ds -n metallb-system -o jsonpath={.items[0].status.numberReady}'),
    ready => ready === '3',
  )
})

test('a controller that dies is started again; one that is scaled to 0 is missed', async () => {
  const [first] = running('/metallb-controller ')
  assert.ok(first)
  process.kill(first.pid, 'SIGKILL')
  await until(
    'a new process',
    async () => String(running('/metallb-controller ')[0]?.pid),
    pid => pid !== 'undefined' && pid !== String(first.pid),
  )
  await kubectl('scale deployment metallb-controller -n metallb-system --replicas=0')
  await until(
    'no process',
    async () => String(running('/metallb-controller ').length),
    count => count === '0',
  )
  await apply(balancer('second', '192.168.77.206'))
  await sleep(2000)
  assert.equal(await addressOf('second'), '', 'nobody assigns addresses')
  await fails(apply(pool('192.168.77.200-192.168.77.219')), /no endpoints available/)
  await kubectl('scale deployment metallb-controller -n metallb-system --replicas=1')
  await until(
    'an address',
    () => addressOf('second'),
    ip => ip === '192.168.77.206',
  )
})

test("cert-manager's real chart issues a chain, and renews a certificate that is due", async () => {
  await helm(
    `install cert-manager ${sandbox.charts['cert-manager']} -n cert-manager --create-namespace --set crds.enabled=true`,
  )
  const issuer = (name: string, spec: object) => ({
    apiVersion: 'cert-manager.io/v1',
    kind: 'ClusterIssuer',
    metadata: { name },
    spec,
  })
  const certificate = (name: string, space: string, spec: object) => ({
    apiVersion: 'cert-manager.io/v1',
    kind: 'Certificate',
    metadata: { name, namespace: space },
    spec: { secretName: name, privateKey: { algorithm: 'ECDSA' }, ...spec },
  })
  const ref = (name: string) => ({ name, kind: 'ClusterIssuer' })
  const chain = [
    issuer('selfsigned', { selfSigned: {} }),
    certificate('ca', 'cert-manager', { isCA: true, commonName: 'lab', issuerRef: ref('selfsigned') }),
    issuer('ca', { ca: { secretName: 'ca' } }),
    certificate('short', 'default', {
      duration: '1h',
      renewBefore: '59m55s',
      dnsNames: ['a.lab.home.arpa'],
      issuerRef: ref('ca'),
    }),
  ]
  await until(
    'the webhook',
    () => apply(...chain),
    text => /certificate.*short serverside-applied/.test(text),
    60,
  )
  const broken = certificate('broken', 'default', { issuerRef: ref('ca') })
  await fails(apply(broken), /admission webhook "webhook.cert-manager.io" denied/)
  const serial = () => kubectl('get secret short -o jsonpath={.data.tls\\.crt}')
  const first = await until('the certificate', serial, text => text.startsWith('LS0t'))
  await until('its renewal', serial, text => text.startsWith('LS0t') && text !== first)
})

test('each acts as who it is: we as homelab-owner, a controller as its ServiceAccount under the RBAC of its chart', async () => {
  type Entry = {
    verb: string
    impersonatedUser?: { username: string }
    objectRef?: { resource: string; subresource?: string; name?: string }
  }
  const entries = readFileSync(sandbox.auditLog, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Entry)
  const who = (resource: string, subresource?: string) =>
    new Set(
      entries
        .filter(
          ({ verb, objectRef }) =>
            !/get|list|watch/.test(verb) && objectRef?.resource === resource && objectRef.subresource === subresource,
        )
        .map(one => one.impersonatedUser?.username),
    )
  assert.deepEqual(who('ipaddresspools'), new Set(['homelab-owner']))
  assert.deepEqual(who('services', 'status'), new Set(['system:serviceaccount:metallb-system:metallb-controller']))
  assert.deepEqual(who('certificates', 'status'), new Set(['system:serviceaccount:cert-manager:cert-manager']))
})

const provisioner = [
  namespace('local-path-storage'),
  {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'local-path-provisioner', namespace: 'local-path-storage' },
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name: 'local-path' },
    rules: [{ apiGroups: [''], resources: ['persistentvolumes'], verbs: ['create', 'delete'] }],
  },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: 'local-path' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'local-path' },
    subjects: [{ kind: 'ServiceAccount', name: 'local-path-provisioner', namespace: 'local-path-storage' }],
  },
  {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'local-path-config', namespace: 'local-path-storage' },
    data: { 'config.json': '{"nodePathMap":[{"node":"DEFAULT_PATH_FOR_NON_LISTED_NODES","paths":["/opt/local"]}]}' },
  },
  workload(
    'Deployment',
    'local-path-provisioner',
    'local-path-storage',
    'rancher/local-path-provisioner:v0.0.37',
    'local-path-provisioner',
  ),
]

function workload(
  kind: string,
  name: string,
  space: string,
  image: string,
  serviceAccountName = 'default',
  more: object = {},
  pod: object = {},
): object {
  const labels = { app: name }
  const container = { name: 'main', image, ...('ports' in pod ? { ports: pod.ports } : {}) }
  const volumes = 'volumes' in pod ? { volumes: pod.volumes } : {}
  const template = { metadata: { labels }, spec: { serviceAccountName, containers: [container], ...volumes } }
  return {
    apiVersion: 'apps/v1',
    kind,
    metadata: { name, namespace: space },
    spec: { selector: { matchLabels: labels }, template, ...more },
  }
}

const claim = {
  metadata: { name: 'data' },
  spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'local-path', resources: { requests: { storage: '1Gi' } } },
}
const passwordHash = bcrypt.hashSync('a-password-of-the-test', 4)
const adguard = [
  namespace('adguard'),
  {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'adguard-admin', namespace: 'adguard' },
    stringData: { passwordHash },
  },
  {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'adguard-seed', namespace: 'adguard' },
    data: {
      'AdGuardHome.yaml': stringify({
        http: { address: '0.0.0.0:3000' },
        users: [{ name: 'admin', password: '@PASSWORD_HASH@' }],
        dns: { port: 5353, bind_hosts: ['0.0.0.0'], upstream_dns: ['127.0.0.1:1'] },
        filtering: {
          rewrites_enabled: true,
          rewrites: [{ domain: '*.lab.home.arpa', answer: '192.168.77.200', enabled: true }],
        },
        schema_version: 32,
      }),
    },
  },
  workload(
    'StatefulSet',
    'adguard',
    'adguard',
    'adguard/adguardhome:v0.107.71',
    'default',
    { replicas: 1, serviceName: 'adguard', volumeClaimTemplates: [claim] },
    { ports: [{ containerPort: 5353, protocol: 'UDP', name: 'dns' }] },
  ),
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: 'adguard-0',
      namespace: 'adguard',
      annotations: { 'metallb.io/loadBalancerIPs': '192.168.77.201' },
    },
    spec: {
      type: 'LoadBalancer',
      ports: [{ port: 53, protocol: 'UDP', targetPort: 'dns' }],
      selector: { app: 'adguard' },
    },
  },
]

test('a claim waits until the provisioner is there, and its volume goes with it', async () => {
  await apply(
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: 'local-path', annotations: { defaultVolumeType: 'local' } },
      provisioner: 'rancher.io/local-path',
      volumeBindingMode: 'WaitForFirstConsumer',
    },
    ...adguard,
  )
  await sleep(2500)
  assert.match(await kubectl('get pod,pvc -n adguard'), /adguard-0 +0\/1 +Pending[\s\S]*data-adguard-0 +Pending/)
  await apply(...provisioner)
  await until(
    'a bound claim',
    () => kubectl('get pvc -n adguard -o jsonpath={.items[0].status.phase}'),
    phase => phase === 'Bound',
  )
  assert.match(
    await kubectl('get pv -o jsonpath={.items[0].spec.local.path}'),
    /^\/opt\/local\/pvc-.*_adguard_data-adguard-0$/,
  )
  await until(
    'the pod',
    () => kubectl('get pod adguard-0 -n adguard'),
    text => /1\/1 +Running/.test(text),
  )
})

/** A request to AdGuard's API through the real kubectl port-forward. */
async function api(path: string, init: RequestInit = {}, password?: string): Promise<Response> {
  const child = spawn(sandbox.programs.kubectl, ['port-forward', '-n', 'adguard', 'pod/adguard-0', ':3000'], {
    env: env(),
  })
  try {
    const port = await new Promise<string>((done, fail) => {
      child.stdout.on('data', (text: Buffer) => done(/127\.0\.0\.1:(\d+)/.exec(String(text))?.[1] ?? ''))
      child.stderr.on('data', (text: Buffer) => fail(new Error(String(text))))
    })
    const authorization = password === undefined ? {} : { authorization: `Basic ${btoa(`admin:${password}`)}` }
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      ...init,
      headers: { 'content-type': 'application/json', ...authorization },
    })
    return new Response(await answer.text(), answer)
  } finally {
    child.kill()
  }
}

test("AdGuard's real API answers through kubectl port-forward, and its DNS on the address that MetalLB gave", async () => {
  await until(
    'the API',
    async () => String((await api('/control/status')).status),
    status => status === '401',
  )
  assert.equal((await api('/control/status', {}, 'wrong')).status, 401)
  assert.equal((await api('/control/status', {}, 'a-password-of-the-test')).status, 200)
  const routes = await until(
    'a route',
    async () => readFileSync(sandbox.routesFile, 'utf8'),
    text => text.includes('192.168.77.201:53/udp'),
  )
  const resolver = new Resolver()
  resolver.setServers([(JSON.parse(routes) as Record<string, string>)['192.168.77.201:53/udp'] ?? ''])
  assert.deepEqual(await resolver.resolve4('any.lab.home.arpa'), ['192.168.77.200'])
})

test('AdGuard keeps its settings when its pod is replaced', async () => {
  const body = JSON.stringify({ domain: 'kept.example', answer: '192.168.77.9' })
  assert.equal((await api('/control/rewrite/add', { method: 'POST', body }, 'a-password-of-the-test')).status, 200)
  const before = running('/adguardhome ')[0]?.pid
  await kubectl('delete pod adguard-0 -n adguard')
  await until(
    'a new process',
    async () => String(running('/adguardhome ')[0]?.pid),
    pid => pid !== 'undefined' && pid !== String(before),
  )
  await until(
    'the rewrite',
    async () => (await api('/control/rewrite/list', {}, 'a-password-of-the-test')).text(),
    text => text.includes('kept.example'),
  )
})

test('a volume goes when its claim goes', async () => {
  await kubectl('delete statefulset adguard -n adguard')
  await kubectl('delete pvc data-adguard-0 -n adguard')
  await until(
    'no volume',
    () => kubectl('get pv -o name'),
    text => text === '',
  )
  await until(
    'no route',
    async () => readFileSync(sandbox.routesFile, 'utf8'),
    text => !text.includes('192.168.77.201'),
  )
})

test('what is switched off is missed, and comes back', async () => {
  await assert.rejects(sandboxSwitch(sandbox, ['pod-redy']), /has no pod-redy/)
  await sandboxSwitch(sandbox, ['pod-ready', 'metallb-controller'])
  assert.deepEqual(await readOff(sandbox.dir), ['pod-ready', 'metallb-controller'])
  await apply(workload('Deployment', 'waits', 'default', 'nginx'))
  await until(
    'no MetalLB',
    async () => String(running('/metallb-controller ').length),
    count => count === '0',
  )
  const pods = () => kubectl('get pods -l app=waits')
  await until('the pod', pods, text => /0\/1 +ContainerCreating/.test(text))
  await sleep(2500)
  assert.match(await pods(), /0\/1 +ContainerCreating/)
  await sandboxSwitch(sandbox, [])
  await until(
    'the pod',
    () => kubectl('get pods -l app=waits'),
    text => /1\/1 +Running/.test(text),
  )
  await until(
    'MetalLB',
    async () => String(running('/metallb-controller ').length),
    count => count === '1',
  )
})

test('a Job ends well; an annotation makes a pod slower', async () => {
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'x' }] } }
  await apply({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'job', namespace: 'default' },
    spec: { template },
  })
  await kubectl('wait --for=condition=complete job/job --timeout=20s')
  const annotations = { 'sandbox.homelab/ready-after': '4s' }
  const start = Date.now()
  await apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'slow', namespace: 'default', annotations },
    spec: { containers: [{ name: 'c', image: 'x' }] },
  })
  await kubectl('wait --for=condition=ready pod/slow --timeout=20s')
  assert.ok(Date.now() - start >= 3900, `Ready after ${Date.now() - start} ms`)
})

test('two sandboxes stand side by side; one goes with its owner', async () => {
  const owner = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  const two = await sandboxUp({ name: 'two', nodes: parseNodes('1x1Gi'), report, ownerPid: owner.pid ?? 0 })
  assert.notEqual(
    JSON.parse(readFileSync(join(two.dir, 'sandbox.json'), 'utf8')).server,
    JSON.parse(readFileSync(join(sandbox.dir, 'sandbox.json'), 'utf8')).server,
  )
  assert.match(await kubectl('get nodes'), /node-3/)
  owner.kill('SIGKILL')
  await until(
    'its end',
    async () => String(sandboxProcesses(two.dir).length),
    count => count === '0',
  )
  await until(
    'its folder',
    async () => String(existsSync(two.dir)),
    there => there === 'false',
  )
  assert.match(await kubectl('get nodes'), /node-3/, 'the other one is as it was')
})

test('a crashed one is no sandbox any more, and the next up clears it away', async () => {
  const two = await sandboxUp({ name: 'two', nodes: parseNodes('1x1Gi'), report })
  assert.equal(
    (await sandboxUp({ name: 'two', nodes: parseNodes('1x1Gi'), report })).kubeconfig,
    two.kubeconfig,
    'up again changes nothing',
  )
  const victims = sandboxProcesses(two.dir).filter(({ command }) => /kube-apiserver|agent\.ts/.test(command))
  assert.equal(victims.length, 2)
  for (const { pid } of victims) process.kill(pid, 'SIGKILL')
  await sleep(200)
  assert.equal(await runningSandbox('two'), undefined)
  const again = await sandboxUp({ name: 'two', nodes: parseNodes('1x1Gi'), report })
  assert.equal((await runningSandbox('two'))?.kubeconfig, again.kubeconfig)
})

test('down leaves no process and no folder, and is safe to repeat', async () => {
  const dir = sandbox.dir
  for (const name of ['one', 'two']) assert.equal(await sandboxDown(name), true)
  assert.deepEqual(sandboxProcesses(dir), [])
  assert.equal(existsSync(dir), false)
  assert.equal(await sandboxDown('one'), false)
})
