// What an owner hears of the published hosts, on a platform that the real scripts built: names are asked of real AdGuard
// Homes, and causes come from the real API; what needs Traefik itself is said to be not measurable here.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { HomelabError } from '../../scripts/lib/errors.ts'
import type { Finding } from '../../scripts/lib/ingress/findings.ts'
import type { HostLook, ResolverLook } from '../../scripts/lib/ingress/look.ts'
import { testIngress } from '../../scripts/lib/ingress/read.ts'
import { sandboxSite } from '../../scripts/lib/sandbox/site.ts'
import { temporaryFolder } from '../temporary.ts'
import { Lab, sandboxFor, script } from './support.ts'

const name = 'e2e-ingress'
const file = 'scripts/test-ingress.ts'
let lab: Lab

before(async () => {
  lab = new Lab(await sandboxFor(name))
})
after(() => lab.end())

interface Answer {
  well: boolean
  next: string
  counts: { hosts: number; right: number; wrong: number; notMeasurable: number }
  hosts: HostLook[]
  resolvers: ResolverLook[]
  findings: Finding[]
}

async function look(args: string[] = [], env: Record<string, string> = {}) {
  const ended = await lab.run(file, args, { env })
  assert.match(ended.stdout, /"hosts"/, ended.stdout + ended.stderr)
  return { ...ended, ...(JSON.parse(ended.stdout) as Answer) }
}

const human = (...args: string[]) => script(file, ['--sandbox', ...args], { env: { SANDBOX: name } })

test('of an empty cluster it says that nobody publishes anything, and how to begin', async () => {
  const seen = await human()
  assert.equal(seen.code, 1, seen.stderr)
  assert.match(seen.stdout, /No host is published\.[\s\S]*next: \.\/bootstrap\/bootstrap-all\.ts --sandbox\n$/)
})

test('the whole platform is there', async () => {
  const built = await lab.run('bootstrap/bootstrap-all.ts')
  assert.equal(built.code, 0, built.stdout + built.stderr)
})

test('it lists every host, asks for its name for real, and counts what cannot be measured', async () => {
  const seen = await look()
  assert.deepEqual(
    seen.hosts.map(({ host }) => host.name),
    ['adguard-1', 'adguard', 'argocd', 'rancher', 'traefik'].map(host => `${host}.lab.home.arpa`),
  )
  for (const { host, dns, tcp, page } of seen.hosts) {
    assert.deepEqual(
      dns.map(({ ok }) => ok),
      [true, true, true, true],
      host.name,
    )
    assert.deepEqual([tcp.notMeasurable, page?.notMeasurable], [true, true], host.name)
  }
  assert.equal(
    seen.resolvers.every(({ wildcard }) => wildcard.every(({ ok }) => ok)),
    true,
  )
  assert.deepEqual(seen.counts, { hosts: 5, right: 5 * 4 + 4, wrong: 0, notMeasurable: 5 * 4 })
  assert.deepEqual([seen.code, seen.well, seen.writes], [0, true, []])
  // What a sandbox's upstreams say depends on the network of this machine: known or not, it is no failure.
  assert.equal(
    seen.findings.every(({ level }) => level === 'warning'),
    true,
    JSON.stringify(seen.findings),
  )
})

test('people read it on 80 columns, and it is no pass', async () => {
  const { code, stdout } = await human()
  assert.equal(code, 0, stdout)
  for (const line of stdout.split('\n'))
    if (!/^( {2}(fix|see)|next:)/.test(line)) assert.equal([...line].length <= 80, true, line)
  assert.match(stdout, /^argocd\.lab\.home\.arpa {4}✓ {3}\? {3}\?/m)
  assert.match(stdout, /^– 5 hosts in [\d.]+s: 24 checks right, 0 wrong.*\n {2}\? {2}20 not measurable here: /m)
  assert.equal(stdout.includes(String.fromCharCode(27)), false, 'no colour where nobody looks')
})

test('one host alone, by what stands before the domain; one that nobody publishes', async () => {
  const seen = await look(['--host', 'ARGOCD'])
  assert.deepEqual(
    seen.hosts.map(({ host }) => host.name),
    ['argocd.lab.home.arpa'],
  )
  const nobody = await human('--host', 'nas')
  assert.equal(nobody.code, 2)
  assert.match(nobody.stderr, /--host nas: nobody publishes it[\s\S]*one of: adguard-1\.lab\.home\.arpa, /)
})

test('names that lead elsewhere are named', async () => {
  // The servers lead to the old address; this site says that Traefik has moved.
  const seen = await look([], { HOMELAB_SANDBOX_SITE: 'tests/fixtures/sandbox-moved.env' })
  assert.equal(seen.code, 1)
  assert.deepEqual(
    seen.findings.filter(({ level }) => level === 'wrong').map(({ what, fix }) => [what, fix]),
    [
      [
        'AdGuard at 192.168.77.201 and 192.168.77.202 leads names below lab.home.arpa to 192.168.77.200 instead of 192.168.77.210',
        './bootstrap/03-adguard.ts --sandbox',
      ],
    ],
  )
})

const faults: { fault: string; make: unknown[]; expected: { what: RegExp; fix: RegExp } }[] = [
  {
    fault: 'an Ingress whose Service does not exist',
    make: [
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'Ingress',
        metadata: { name: 'fault', namespace: 'argocd' },
        spec: {
          rules: [
            {
              host: 'fault.lab.home.arpa',
              http: {
                paths: [
                  { path: '/', pathType: 'Prefix', backend: { service: { name: 'none', port: { number: 80 } } } },
                ],
              },
            },
          ],
        },
      },
    ],
    expected: {
      what: /^fault\.lab\.home\.arpa: Ingress argocd\/fault leads to the Service argocd\/none, which does not exist$/,
      fix: /^kubectl --kubeconfig \S+ -n argocd describe ingress fault$/,
    },
  },
  {
    fault: 'a pod that is too large for every node',
    make: [
      {
        apiVersion: 'traefik.io/v1alpha1',
        kind: 'IngressRoute',
        metadata: { name: 'fault', namespace: 'default' },
        spec: {
          routes: [{ kind: 'Rule', match: 'Host(`fault.lab.home.arpa`)', services: [{ name: 'fault', port: 80 }] }],
        },
      },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'fault', namespace: 'default' },
        spec: { selector: { app: 'fault' }, ports: [{ port: 80 }] },
      },
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'fault', namespace: 'default' },
        spec: {
          selector: { matchLabels: { app: 'fault' } },
          template: {
            metadata: { labels: { app: 'fault' } },
            spec: {
              containers: [
                { name: 'main', image: 'example.org/nothing:1', resources: { requests: { memory: '900Gi' } } },
              ],
            },
          },
        },
      },
    ],
    expected: {
      what: /^fault\.lab\.home\.arpa: the Service default\/fault has no ready pod: .*memory/,
      fix: /^kubectl --kubeconfig /,
    },
  },
]
for (const { fault, make, expected } of faults)
  test(`it names ${fault}, although the page itself cannot be measured`, async () => {
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: make })
    const kubectl = async (...args: string[]) => {
      const ran = await lab.cluster.kubectl([...args, '-f', '-'], { input })
      assert.equal(ran.code, 0, ran.stderr)
    }
    await kubectl('create')
    try {
      const deadline = Date.now() + 20_000
      for (;;) {
        const seen = await look()
        const [found] = seen.findings.filter(({ level }) => level === 'wrong')
        if (found && expected.what.test(found.what)) {
          assert.match(found.fix ?? '', expected.fix)
          assert.deepEqual([seen.code, seen.well, seen.next], [1, false, found.fix])
          break
        }
        assert.equal(Date.now() < deadline, true, `after 20 s it says: ${JSON.stringify(seen.findings)}`)
      }
    } finally {
      await kubectl('delete', '--wait')
    }
    assert.equal((await look()).code, 0, 'well again after the fault')
  })

test('a rule that names no host is left out, and that is said', async () => {
  const input = JSON.stringify({
    apiVersion: 'traefik.io/v1alpha1',
    kind: 'IngressRoute',
    metadata: { name: 'pattern', namespace: 'argocd' },
    spec: { routes: [{ kind: 'Rule', match: 'HostRegexp(`^home\\.`)' }] },
  })
  await lab.cluster.kubectl(['create', '-f', '-'], { input })
  try {
    const { code, stdout } = await human()
    assert.equal(code, 0, stdout)
    const said = stdout.replace(/\s+/g, ' ') // it may be broken into lines
    assert.match(said, /– not looked at: IngressRoute argocd\/pattern: HostRegexp\(`\^home\\.`\) is no single name/)
  } finally {
    await lab.cluster.kubectl(['delete', '-f', '-'], { input })
  }
})

test('a cluster that does not answer is named within seconds', async () => {
  const folder = temporaryFolder('dead')
  const { site } = await sandboxSite(name)
  const kubeconfig = join(folder, 'kubeconfig')
  // The same kubeconfig, but at a port where nothing listens.
  const dead = readFileSync(site.kubeconfig, 'utf8').replace(/(server: https:\/\/127\.0\.0\.1):\d+/, '$1:9')
  writeFileSync(kubeconfig, dead, { mode: 0o600 })
  await assert.rejects(
    testIngress({ ...site, kubeconfig }, undefined, () => {}),
    (error: HomelabError) => {
      assert.equal(error.code, 2, error.what)
      assert.match(error.why ?? '', /refused/)
      return true
    },
  )
})
