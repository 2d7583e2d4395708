// What an owner asks a cluster: how is it, what are the passwords, which authority do my devices trust. Faults are real
// ones: the scheduler, the quota, Pod Security and MetalLB say no, and status must repeat it in plain words.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { HomelabError } from '../../scripts/lib/errors.ts'
import { mapAt } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import { sandboxSite } from '../../scripts/lib/sandbox/site.ts'
import type { Row } from '../../scripts/lib/status/component.ts'
import { readSummary } from '../../scripts/lib/status/read.ts'
import { handOut } from '../../scripts/lib/status/trust-ca.ts'
import { temporaryFolder } from '../temporary.ts'
import { Lab, sandboxFor, script } from './support.ts'

const name = 'e2e-status'
let lab: Lab

before(async () => {
  lab = new Lab(await sandboxFor(name))
})
after(() => lab.end())

interface Status {
  well: boolean
  next: string
  rows: Row[]
}

async function status() {
  const ended = await lab.run('scripts/status.ts')
  const answer = JSON.parse(ended.stdout) as Status
  const row = (wanted: string): Row => {
    const found = answer.rows.find(one => one.name === wanted)
    assert.ok(found, `a row ${wanted} in ${ended.stdout}`)
    return found
  }
  return { ...ended, ...answer, row }
}

const human = (file: string, ...args: string[]) => script(file, ['--sandbox', ...args], { env: { SANDBOX: name } })

test('of an empty cluster it says what is not installed and how to begin', async () => {
  const seen = await status()
  assert.equal(seen.code, 1)
  assert.equal(seen.next, './bootstrap/bootstrap-all.ts --sandbox')
  assert.deepEqual(
    seen.rows.filter(row => row.layer === 'platform').map(row => row.state),
    Array(7).fill('missing'),
  )
  assert.deepEqual(seen.writes, [])
})

test('there is nothing to show before the platform is there', async () => {
  const credentials = await human('scripts/credentials.ts')
  assert.match(credentials.stdout, /not there: the Secret adguard\/adguard-admin does not exist/)
  const authority = await human('scripts/trust-ca.ts')
  assert.equal(authority.code, 1)
  assert.match(authority.stderr, /the lab has no authority yet[\s\S]*fix .*05-cert-manager/)
})

describe('with a part of the platform', () => {
  before(async () => {
    const built = await lab.run('bootstrap/bootstrap-all.ts', ['--only', '1,2,4,5'])
    assert.equal(built.code, 0, built.stdout + built.stderr)
  })

  test('it shows versions, addresses, pages and certificates, and names the first step that is missing', async () => {
    const seen = await status()
    for (const wanted of ['Storage class', 'MetalLB', 'Traefik', 'cert-manager'])
      assert.equal(seen.row(wanted).state, 'ready', `${wanted}: ${seen.row(wanted).cause}`)
    assert.equal(seen.row('Storage class').facts, 'default: local-path')
    assert.match(seen.row('MetalLB').version ?? '', /^0\.\d+\.\d+$/)
    assert.equal(seen.row('Traefik').facts, '192.168.77.200')
    assert.equal(seen.row('Traefik').url, 'https://traefik.lab.home.arpa')
    assert.equal(seen.row('Traefik').certificate?.name, 'wildcard')
    assert.ok(Date.parse(seen.row('Traefik').certificate?.ends ?? '') > Date.now(), 'its certificate has not ended')
    assert.equal(seen.next, './bootstrap/03-adguard.ts --sandbox')
    assert.deepEqual([seen.code, seen.well, seen.writes], [1, false, []])
  })

  test('people read it on 80 columns, and commands stay whole', async () => {
    const { stdout } = await human('scripts/status.ts')
    for (const line of stdout.split('\n')) if (!/^( {2}fix|next:)/.test(line)) assert.ok([...line].length <= 80, line)
    assert.match(stdout, /✓ 04 Traefik .* 192\.168\.77\.200/)
    assert.match(stdout, /· 03 AdGuard Home .*not installed: \.\/bootstrap\/03-adguard\.ts --sandbox/)
    const esc = String.fromCharCode(27)
    assert.ok(!stdout.includes(esc), 'no colour where nobody looks')
  })

  const pod = (memory: string, limits?: object) => ({
    securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    containers: [
      {
        name: 'main',
        image: 'example.org/nothing:1',
        securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
        resources: { requests: { cpu: '1m', memory }, ...(limits ? { limits } : {}) },
      },
    ],
  })
  const deployment = (spec: unknown, replicas = 1) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'fault', namespace: 'traefik' },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'fault' } },
      template: { metadata: { labels: { app: 'fault' } }, spec },
    },
  })
  const service = (address?: string) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: 'fault',
      namespace: 'traefik',
      annotations: address ? { 'metallb.io/loadBalancerIPs': address } : {},
    },
    spec: { type: 'LoadBalancer', ports: [{ port: 443 }] },
  })

  interface Fault {
    fault: string
    objects: unknown[]
    row: string
    cause: RegExp
  }
  const beyondOurLimits: Fault[] = [
    {
      fault: 'a container larger than our limit range allows',
      objects: [deployment(pod('64Gi', { cpu: '1', memory: '64Gi' }))],
      row: 'Traefik',
      cause: /no pod of fault may be made: the limit range allows 512Mi memory for a container at most, 64Gi is asked/,
    },
    {
      fault: 'more pods than our quota allows',
      objects: [deployment(pod('8Mi', { cpu: '10m', memory: '16Mi' }), 9)],
      row: 'Traefik',
      cause: /no pod of fault may be made: the quota homelab allows pods=6, pods=6 is used, pods=1 is asked for/,
    },
  ]
  const faults: Fault[] = [
    {
      fault: 'a pod larger than every node',
      objects: [deployment(pod('64Gi'))],
      row: 'Traefik',
      cause: /pod fault-\S+ fits on no node: it asks for 64Gi memory, and the largest node has \S+Gi in all/,
    },
    {
      // Three nodes of 8 GiB, of which something is taken everywhere: 7.9 GiB would fit on an empty one only.
      fault: 'a pod larger than the room that is left',
      objects: [deployment(pod('7990Mi'))],
      row: 'Traefik',
      cause: /it asks for 7\.9Gi memory, and the freest node \(\S+\) has \S+Gi left: \d+Mi too little/,
    },
    {
      fault: 'a quota',
      objects: [
        {
          apiVersion: 'v1',
          kind: 'ResourceQuota',
          metadata: { name: 'fault', namespace: 'traefik' },
          spec: { hard: { 'requests.memory': '1Mi' } },
        },
        deployment(pod('10Mi')),
      ],
      row: 'Traefik',
      cause: /no pod of fault may be made: the quota fault allows requests\.memory=1Mi/,
    },
    {
      fault: 'Pod Security',
      objects: [deployment({ containers: [{ name: 'main', image: 'example.org/nothing:1' }] })],
      row: 'Traefik',
      cause:
        /no pod of fault may be made: the namespace's Pod Security level restricted forbids allowPrivilegeEscalation/,
    },
    {
      fault: 'an address outside the pool',
      objects: [service('192.168.77.250')],
      row: 'Traefik',
      cause: /wants the address 192\.168\.77\.250, which lies outside the pool 192\.168\.77\.200-192\.168\.77\.220/,
    },
    {
      fault: 'an address that is taken',
      objects: [service('192.168.77.200')],
      row: 'Traefik',
      cause: /wants the address 192\.168\.77\.200, which traefik\/traefik already has/,
    },
    {
      fault: 'a second default class',
      objects: [
        {
          apiVersion: 'storage.k8s.io/v1',
          kind: 'StorageClass',
          metadata: { name: 'fault', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
          provisioner: 'example.org/none',
        },
      ],
      row: 'Storage class',
      cause: /2 StorageClasses are the default \(fault, local-path\)/,
    },
    {
      fault: 'a claim of a class that does not exist',
      objects: [
        {
          apiVersion: 'v1',
          kind: 'PersistentVolumeClaim',
          metadata: { name: 'fault', namespace: 'traefik' },
          spec: {
            storageClassName: 'absent',
            accessModes: ['ReadWriteOnce'],
            resources: { requests: { storage: '1Gi' } },
          },
        },
      ],
      row: 'Traefik',
      cause: /claim fault wants the StorageClass absent, which does not exist \(there is: local-path\)/,
    },
    {
      fault: 'a certificate of an issuer that does not exist',
      objects: [
        {
          apiVersion: 'cert-manager.io/v1',
          kind: 'Certificate',
          metadata: { name: 'fault', namespace: 'traefik' },
          spec: {
            secretName: 'fault',
            dnsNames: ['x.lab.home.arpa'],
            issuerRef: { kind: 'ClusterIssuer', name: 'absent' },
          },
        },
      ],
      row: 'Traefik',
      cause: /certificate fault is not issued: its ClusterIssuer absent does not exist/,
    },
    {
      fault: 'a Helm that was killed at work',
      objects: [
        {
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: {
            name: 'sh.helm.release.v1.traefik.v99',
            namespace: 'traefik',
            labels: {
              owner: 'helm',
              name: 'traefik',
              status: 'pending-upgrade',
              version: '99',
              modifiedAt: '1700000000',
            },
          },
          type: 'helm.sh/release.v1',
        },
      ],
      row: 'Traefik',
      cause: /the release traefik was left pending-upgrade/,
    },
  ]
  // Each begins where all is well: the test above has seen it, and so has the end of each fault.
  for (const one of beyondOurLimits) seesFault(one)
  test('without our limits', async () => {
    await lab.cluster.kubectl(['delete', 'quota,limitrange', '-n', 'traefik', 'homelab'])
  })
  for (const one of faults) seesFault(one)

  function seesFault({ fault, objects, row, cause }: Fault): void {
    test(`it names the cause: ${fault}`, async () => {
      const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
      const kubectl = async (...args: string[]) => {
        const ran = await lab.cluster.kubectl([...args, '-f', '-'], { input })
        assert.equal(ran.code, 0, ran.stderr)
      }
      await kubectl('create')
      try {
        const deadline = Date.now() + 20_000
        for (;;) {
          const seen = (await status()).row(row)
          if (seen.state === 'unwell' && cause.test(seen.cause ?? '')) break
          assert.ok(Date.now() < deadline, `after 20 s it says: ${seen.state} ${seen.cause}`)
        }
      } finally {
        await kubectl('delete', '--wait')
      }
      const deadline = Date.now() + 20_000
      while ((await status()).row(row).state !== 'ready') assert.ok(Date.now() < deadline, 'well again after the fault')
    })
  }

  test('passwords are listed by name and place, never by value', async () => {
    const secret = mapAt(await lab.cluster.find('secret/traefik/dashboard-auth'), 'data')
    const password = Buffer.from(secret.password ?? '', 'base64').toString()
    assert.equal(password.length >= 24, true)
    for (const args of [[], ['--json'], ['--debug']]) {
      const { code, stdout, stderr } = await human('scripts/credentials.ts', ...args)
      assert.equal(code, 0)
      assert.match(stdout, /traefik/)
      for (const key of ['password', 'users'])
        for (const form of [secret[key] ?? '', Buffer.from(secret[key] ?? '', 'base64').toString()])
          assert.equal(form.length >= 24 && (stdout + stderr).includes(form), false, `${key} in the output of ${args}`)
    }
  })

  test('the command that is shown prints the password, and so does --show', async () => {
    const secret = mapAt(await lab.cluster.find('secret/traefik/dashboard-auth'), 'data')
    const password = Buffer.from(secret.password ?? '', 'base64').toString()
    const list = JSON.parse((await human('scripts/credentials.ts', '--json')).stdout) as {
      name: string
      command?: string
    }[]
    const command = list.find(one => one.name === 'traefik')?.command ?? ''
    const bin = lab.sandbox.programs.kubectl.replace(/\/kubectl$/, '')
    const pasted = await script('/bin/sh', ['-c', command], { env: { PATH: `${bin}:${process.env.PATH}` } })
    assert.equal(pasted.stdout, `${password}\n`, pasted.stderr)
    const shown = await human('scripts/credentials.ts', '--show', 'traefik')
    assert.equal(shown.stdout, password)
    assert.match(shown.stderr, /user admin/)
  })

  test('a name that is not in the list, and one whose component is not there', async () => {
    const unknown = await human('scripts/credentials.ts', '--show', 'nas')
    assert.deepEqual([unknown.code, unknown.stdout], [2, ''])
    assert.match(unknown.stderr, /no credential nas[\s\S]*one of: adguard, traefik/)
    const absent = await human('scripts/credentials.ts', '--show', 'adguard')
    assert.deepEqual([absent.code, absent.stdout], [1, ''])
  })

  test('the authority is handed out without its key, and is the one that signs', async () => {
    const folder = temporaryFolder('ca')
    const file = join(folder, 'ca.crt')
    const [printed, written] = [await human('scripts/trust-ca.ts'), await human('scripts/trust-ca.ts', '--out', file)]
    assert.deepEqual([printed.code, written.code, written.stdout], [0, 0, ''])
    assert.equal(readFileSync(file, 'utf8'), printed.stdout)
    assert.doesNotMatch(printed.stdout + printed.stderr, /PRIVATE/)
    const authority = new X509Certificate(printed.stdout)
    const wildcard = mapAt(await lab.cluster.find('secret/traefik/wildcard'), 'data')
    const leaf = new X509Certificate(Buffer.from(wildcard['tls.crt'] ?? '', 'base64'))
    assert.equal(leaf.verify(authority.publicKey), true)
    assert.equal(printed.stderr.includes(authority.fingerprint256), true)
    for (const system of ['Debian', 'Fedora', 'macOS', 'Windows', 'Firefox', 'iOS', 'Android'])
      assert.match(printed.stderr, new RegExp(system))
    const refused = await human('scripts/trust-ca.ts', '--out', join(folder, 'no/such/folder'))
    assert.equal(refused.code, 2)
  })

  test("with Let's Encrypt there is no authority to hand out", async () => {
    const { site } = await sandboxSite(name)
    const dns01 = { provider: 'rfc2136', credentials: {}, vars: {} } as const
    for (const issuer of ['letsencrypt', 'letsencrypt-staging'] as const) {
      const other = {
        ...site,
        issuer: { name: issuer, email: 'a@b.net', dns01 },
      }
      await assert.rejects(handOut(other, { json: false }), (error: HomelabError) => {
        return error.code === 2 && /Let's Encrypt/.test(error.why ?? '')
      })
    }
  })
})

test('a cluster that does not answer is named within seconds', async () => {
  const folder = temporaryFolder('dead')
  const { site } = await sandboxSite(name)
  // The same kubeconfig, but at a port where nothing listens.
  const kubeconfig = join(folder, 'kubeconfig')
  writeFileSync(
    kubeconfig,
    readFileSync(site.kubeconfig, 'utf8').replace(/(server: https:\/\/127\.0\.0\.1):\d+/, '$1:9'),
    { mode: 0o600 },
  )
  const started = Date.now()
  await assert.rejects(readSummary({ ...site, kubeconfig }), (error: HomelabError) => {
    assert.equal(error.name, 'HomelabError')
    assert.deepEqual([error.code, error.what], [2, 'the cluster cannot be read'])
    assert.match(error.why ?? '', /refused/)
    assert.match(error.fix ?? '', /check that the cluster is up/)
    return true
  })
  assert.ok(Date.now() - started < 5000, `it took ${Date.now() - started} ms`)
})

test('--help and wrong options need no cluster and no configuration', async () => {
  for (const file of ['status', 'doctor', 'credentials', 'trust-ca']) {
    const help = await script(`scripts/${file}.ts`, ['--help'])
    assert.equal(help.code, 0)
    assert.match(help.stdout, new RegExp(`usage: scripts/${file}\\.ts`))
    const wrong = await script(`scripts/${file}.ts`, ['--nonsense'])
    assert.equal(wrong.code, 2)
    assert.match(wrong.stderr, /nonsense/)
  }
})

test('without .env the way to begin is named', {
  skip: existsSync(join(root, '.env')) ? 'this checkout has a .env' : false,
}, async () => {
  const ended = await script('scripts/status.ts', [], { env: { ENV: undefined } })
  assert.equal(ended.code, 2)
  assert.match(ended.stderr, /\.env/)
  assert.match(ended.stderr, /fix/i)
})
