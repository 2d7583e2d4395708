// make configure as its owner runs it: without a cluster, from flags, by answers, again, and on a file that is there.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { closedPort, kubeconfigOf } from './closed.ts'
import { checkout, type Ended, Lab, sandboxFor, script, withTools } from './support.ts'

let tools: Record<string, string>
let lab: Lab
before(async () => {
  tools = await withTools()
  lab = new Lab(await sandboxFor('configure'))
})
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
  return lab.end()
})
const folders: string[] = []

/** A checkout of an owner who has forked, with a home folder of its own. */
class Owner {
  readonly folder = checkout()
  readonly env = join(this.folder, '.env')

  constructor() {
    folders.push(this.folder)
    mkdirSync(join(this.folder, 'home'))
    for (const args of [
      ['init', '-q', '-b', 'main'],
      ['remote', 'add', 'origin', 'git@github.com:me/homelab.git'],
    ])
      execFileSync('git', ['-C', this.folder, ...args])
  }

  configure(
    args: string[],
    options: { stdin?: string; env?: Record<string, string | undefined> } = {},
  ): Promise<Ended> {
    const env = { ...tools, HOME: join(this.folder, 'home'), KUBECONFIG: undefined, TZ: 'UTC', ...options.env }
    const { stdin } = options
    return script(join(this.folder, 'scripts/configure.ts'), args, { env, ...(stdin === undefined ? {} : { stdin }) })
  }

  text(): string {
    return readFileSync(this.env, 'utf8')
  }

  write(text: string, mode = 0o600): void {
    writeFileSync(this.env, text)
    chmodSync(this.env, mode)
  }

  /** The lines that say something. */
  values(): string[] {
    return this.text()
      .split('\n')
      .filter(line => /^[A-Z]/.test(line))
  }
}

const flags = ['--domain', 'lab.home.arpa', '--pool', '192.168.77.200-192.168.77.220']

test('without a terminal and without flags, what is missing is one list, and nothing is written', async () => {
  const owner = new Owner()
  const ended = await owner.configure([])
  assert.equal(ended.code, 2, ended.stderr)
  assert.match(ended.stderr, /No cluster was looked at, KUBECONFIG: not found/)
  assert.match(ended.stderr, /DOMAIN: not set\n {2}fix {2}--domain /)
  assert.match(ended.stderr, /METALLB_POOL: not set\n {2}fix {2}--pool /)
  assert.match(ended.stderr, /2 problems, nothing was written/)
  assert.deepEqual(readdirSync(owner.folder).includes('.env'), false)
})

test('an ACME issuer from flags names everything that it needs at once', async () => {
  const ended = await new Owner().configure([...flags.slice(2), '--domain', 'lab.mine.net', '--issuer', 'letsencrypt'])
  assert.equal(ended.code, 2, ended.stderr)
  assert.match(ended.stderr, /ACME_EMAIL: not set[\s\S]*--acme-email/)
  assert.match(ended.stderr, /DNS_PROVIDER: none[\s\S]*--dns-provider/)
})

test('flags alone write a file that the bootstrap accepts; a second run writes nothing', async () => {
  const owner = new Owner()
  const kube = join(owner.folder, 'kube')
  writeFileSync(kube, kubeconfigOf(`https://127.0.0.1:${await closedPort()}`), { mode: 0o600 })
  const first = await owner.configure([...flags, '--kubeconfig', kube])
  assert.equal(first.code, 0, first.stderr)
  assert.match(first.stderr, /The cluster of the context lab was not looked at: connection refused/)
  assert.match(first.stderr, /is this computer\.\s+If\s+it was copied from the server/)
  assert.equal(statSync(owner.env).mode & 0o777, 0o600)
  assert.deepEqual(owner.values(), [
    'DOMAIN=lab.home.arpa',
    'METALLB_POOL=192.168.77.200-192.168.77.220',
    'KUBE_CONTEXT=lab',
    `KUBECONFIG=${kube}`,
    'TLS_ISSUER=internal-ca',
    'RANCHER=true',
    'GIT_REPOSITORY=https://github.com/me/homelab.git',
  ])
  const written = statSync(owner.env)
  for (const again of [flags, ['--yes'], []]) {
    const second = await owner.configure(again)
    assert.equal(second.code, 0, second.stderr)
    assert.match(second.stdout, /Nothing to change/)
  }
  assert.deepEqual([statSync(owner.env).ino, statSync(owner.env).mtimeMs], [written.ino, written.mtimeMs])
  const plan = await script(join(owner.folder, 'bootstrap/bootstrap-all.ts'), ['--plan'], { env: tools })
  assert.doesNotMatch(plan.stderr, /\.env/, 'the only complaint is about the cluster')
  assert.match(plan.stderr, /refused/)
})

describe('the site file in gitops/, which Argo CD reads', () => {
  const file = 'gitops/environments/prod/site.yaml'
  const read = (owner: Owner) => readFileSync(join(owner.folder, file), 'utf8')

  test('is shown and written with .env, the rest of it stays, and a second run changes nothing', async () => {
    const owner = new Owner()
    const before = read(owner)
    const ended = await owner.configure([...flags.slice(2), '--domain', 'mine.home.arpa'])
    assert.equal(ended.code, 0, ended.stderr)
    assert.match(ended.stderr, /site\.yaml, which Argo CD reads[\s\S]*~ domain: lab\.home\.arpa → mine\.home\.arpa/)
    assert.match(ended.stdout, /git add gitops\/environments\/prod\/site\.yaml && git commit .* && git push/)
    const after = read(owner)
    assert.equal(
      after,
      before
        .replaceAll('lab.home.arpa', 'mine.home.arpa')
        .replace('github.com/OWNER/', 'github.com/me/')
        .replace(/(adguardAddress\d: )192\.168\.1\./g, '$1192.168.77.'), // in the pool of the flags
    )
    const again = await owner.configure([])
    assert.match(again.stdout, /Nothing to change/)
    assert.equal(read(owner), after)
  })

  test('that somebody has written is not changed unasked; --yes changes these lines', async () => {
    const owner = new Owner()
    await owner.configure(flags)
    const mine = `${read(owner).replace('revision: main', 'revision: tryout # for a week')}  mySize: 7Gi\n`
    writeFileSync(join(owner.folder, file), mine)
    const asked = await owner.configure([])
    assert.equal(asked.code, 2, asked.stderr)
    assert.match(asked.stderr, /site\.yaml is there, and nobody confirmed/)
    assert.equal(read(owner), mine)
    const plan = JSON.parse((await owner.configure(['--plan', '--json'])).stdout)
    assert.deepEqual(plan.site, { file, changes: [{ key: 'revision', from: 'tryout', to: 'main' }] })
    const yes = await owner.configure(['--yes'])
    assert.equal(yes.code, 0, yes.stderr)
    assert.equal(read(owner), mine.replace('tryout', 'main'))
  })

  test('that is no site file is said, with the way back, and nothing is written', async () => {
    const owner = new Owner()
    writeFileSync(join(owner.folder, file), 'data: [\n')
    const ended = await owner.configure(flags)
    assert.equal(ended.code, 2, ended.stderr)
    assert.match(ended.stderr, /is not the facts of an environment[\s\S]*git checkout -- gitops/)
    assert.deepEqual(readdirSync(owner.folder).includes('.env'), false)
  })
})

test('another environment has a file of its own', async () => {
  const owner = new Owner()
  const ended = await owner.configure(['--environment', 'staging', ...flags])
  assert.equal(ended.code, 0, ended.stderr)
  assert.match(ended.stdout, /Written: \.env\.staging.*make plan ENV=staging/)
  assert.deepEqual(
    readdirSync(owner.folder).filter(name => name.startsWith('.env')),
    ['.env.staging'],
  )
})

describe('a file that is there', () => {
  const mine = `# my lab
DOMAIN=lab.home.arpa   # since 2019
# TIMEZONE=Europe/Berlin was wrong

METALLB_POOL=192.168.77.200-192.168.77.220
STORAGE_PATH=/srv/volumes/lab
`
  test('is never changed unasked, keeps what it has, and ends readable by its owner alone', async () => {
    const owner = new Owner()
    owner.write(mine, 0o644)
    const change = ['--domain', 'new.home.arpa']
    const asked = await owner.configure(change)
    assert.equal(asked.code, 2, asked.stderr)
    assert.match(asked.stderr, /~ DOMAIN: lab\.home\.arpa → new\.home\.arpa/)
    assert.match(asked.stderr, /nobody confirmed the change[\s\S]*--yes/)
    assert.equal(owner.text(), mine)
    const done = await owner.configure([...change, '--yes'])
    assert.equal(done.code, 0, done.stderr)
    assert.match(done.stderr, /mode 0644 → 0600/)
    assert.equal(statSync(owner.env).mode & 0o777, 0o600)
    assert.equal(
      owner.text(),
      `${mine.replace('=lab.home', '=new.home')}TLS_ISSUER=internal-ca\nRANCHER=true\nGIT_REPOSITORY=https://github.com/me/homelab.git\n`,
    )
  })

  test('with lines that no command accepts is refused before any question', async () => {
    const owner = new Owner()
    const bad = `${mine}COLOUR=blue\nGIT_TOKEN="open\n`
    owner.write(bad)
    const ended = await owner.configure(['--ask', '--domain', 'other.home.arpa'], { stdin: 'y\n'.repeat(9) })
    assert.equal(ended.code, 2, ended.stderr)
    assert.match(ended.stderr, /\.env:7 COLOUR: unknown key/)
    assert.match(ended.stderr, /\.env:8 GIT_TOKEN: quote opened on line 8 never closed/)
    assert.doesNotMatch(ended.stderr, /METALLB_POOL|\?/)
    assert.equal(owner.text(), bad)
  })

  test('with a value that is wrong shows it in the list, or asks anew', async () => {
    const owner = new Owner()
    owner.write(mine.replace('lab.home.arpa ', 'https://x '))
    const listed = await owner.configure([])
    assert.equal(listed.code, 2, listed.stderr)
    assert.match(listed.stderr, /\.env:2 DOMAIN: "https:\/\/x" is not a host name/)
    const asked = await owner.configure(['--ask'], { stdin: '\nlab.home.arpa\n\n\n\ny\n' })
    assert.equal(asked.code, 0, asked.stderr)
    assert.match(asked.stderr, /✗ "https:\/\/x" is not a host name/)
    assert.ok(owner.values().includes('DOMAIN=lab.home.arpa   # since 2019'), owner.text())
  })
})

describe('secrets', () => {
  const token = 'canaryCanaryCanaryCanaryCanaryCanary0123'
  const acme = [
    '--domain',
    'lab.mine.net',
    ...flags.slice(2),
    '--issuer',
    'letsencrypt-staging',
    '--acme-email',
    'me@posteo.net',
  ]

  test('come from the environment, are never an option, and are shown nowhere', async () => {
    const owner = new Owner()
    const option = await owner.configure([...acme, '--dns-provider', 'cloudflare', `--cloudflare-api-token=${token}`])
    assert.equal(option.code, 2)
    assert.match(option.stderr, /is a secret and no option[\s\S]*can read the arguments/)
    const missing = await owner.configure([...acme, '--dns-provider', 'cloudflare'])
    assert.match(missing.stderr, /CLOUDFLARE_API_TOKEN: not set[\s\S]*environment/)
    const ended = await owner.configure([...acme, '--dns-provider', 'cloudflare', '--json'], {
      env: { CLOUDFLARE_API_TOKEN: token },
    })
    assert.equal(ended.code, 0, ended.stderr)
    assert.ok(owner.values().includes(`CLOUDFLARE_API_TOKEN=${token}`), 'it is written')
    assert.doesNotMatch(option.stdout + option.stderr + missing.stderr + ended.stdout + ended.stderr, /canary/i)
    const { written, changes } = JSON.parse(ended.stdout)
    assert.equal(written, true)
    assert.equal(
      changes.find(({ key }: { key: string }) => key === 'CLOUDFLARE_API_TOKEN').to,
      '‹secret, 40 characters›',
    )
  })

  test('are asked for, and what belonged to another provider goes', async () => {
    const owner = new Owner()
    const stdin = `lab.mine.net\n192.168.77.200-220\nletsencrypt-staging\nme@posteo.net\ncloudflare\ntoo short\n${token}\nno\n\n`
    const first = await owner.configure(['--ask'], { stdin })
    assert.equal(first.code, 0, first.stderr)
    assert.match(first.stderr, /✗ not a Cloudflare API token/)
    assert.ok(owner.values().includes('RANCHER=false'), owner.text())
    const second = await owner.configure(['--yes', '--dns-provider', 'digitalocean'], {
      env: { DIGITALOCEAN_TOKEN: 'a'.repeat(64) },
    })
    assert.equal(second.code, 0, second.stderr)
    assert.match(second.stderr, /~ CLOUDFLARE_API_TOKEN: ‹secret, 40 characters› → nothing/)
    assert.ok(owner.values().includes('CLOUDFLARE_API_TOKEN='), owner.text())
    assert.doesNotMatch(first.stderr + second.stderr, /canary/i)
  })
})

describe('with a cluster', () => {
  const kube = () => lab.sandbox.kubeconfig

  test('answers from a pipe, one a line: the cluster is confirmed, the pool avoids its nodes', async () => {
    const owner = new Owner()
    const answers = ['y', 'lab.home.arpa', '192.168.77.5-15', '', '', '', '']
    const ended = await owner.configure(['--ask'], { env: { KUBECONFIG: kube() }, stdin: `${answers.join('\n')}\n` })
    assert.equal(ended.code, 0, ended.stderr)
    assert.match(ended.stderr, /The cluster: context .*3 nodes \(node-1, node-2, node-3\), UID [0-9a-f-]{36}/)
    assert.match(ended.stderr, /it contains the node node-1 \(192\.168\.77\.11\)/)
    const uid = (await lab.cluster.find('namespace/kube-system'))?.metadata.uid
    assert.deepEqual(owner.values(), [
      'DOMAIN=lab.home.arpa',
      'METALLB_POOL=192.168.77.230-192.168.77.250',
      `KUBE_CONTEXT=${lab.sandbox.context}`,
      `KUBECONFIG=${kube()}`,
      `CLUSTER_UID=${uid}`,
      'TLS_ISSUER=internal-ca',
      'RANCHER=true',
      'GIT_REPOSITORY=https://github.com/me/homelab.git',
    ])
    const plan = await script(join(owner.folder, 'bootstrap/01-storage-class.ts'), ['--plan'], { env: tools })
    assert.equal(plan.code, 0, plan.stderr)
  })

  test('answers that end too early write nothing', async () => {
    const owner = new Owner()
    const ended = await owner.configure(['--ask'], { env: { KUBECONFIG: kube() }, stdin: 'y\nlab.home.arpa\n' })
    assert.equal(ended.code, 2, ended.stderr)
    assert.match(ended.stderr, /no answer for METALLB_POOL, nothing was written/)
    assert.deepEqual(readdirSync(owner.folder).includes('.env'), false)
  })

  test('without a terminal the proposed pool is only named; --yes takes it and keeps the UID', async () => {
    const owner = new Owner()
    const env = { KUBECONFIG: kube() }
    const named = await owner.configure(['--domain', 'lab.home.arpa'], { env })
    assert.equal(named.code, 2, named.stderr)
    assert.match(named.stderr, /--pool 192\.168\.77\.230-192\.168\.77\.250 \(a proposal\)/)
    const overlapping = await owner.configure(['--domain', 'lab.home.arpa', '--pool', '192.168.77.10-20'], { env })
    assert.equal(overlapping.code, 2, overlapping.stderr)
    assert.match(overlapping.stderr, /METALLB_POOL: contains the node node-1/)
    const taken = await owner.configure(['--domain', 'lab.home.arpa', '--yes'], { env })
    assert.equal(taken.code, 0, taken.stderr)
    assert.match(owner.text(), /^METALLB_POOL=192\.168\.77\.230-192\.168\.77\.250$/m)
    assert.match(owner.text(), /^CLUSTER_UID=[0-9a-f-]{36}$/m)
  })

  test('another cluster under the same name is refused', async () => {
    const owner = new Owner()
    const env = { KUBECONFIG: kube() }
    owner.write(
      `DOMAIN=lab.home.arpa\nMETALLB_POOL=192.168.77.200-220\nKUBE_CONTEXT=${lab.sandbox.context}\nCLUSTER_UID=7f0c2b1e-5a3d-4c55-9a0e-2d4b8f6c1a90\n`,
    )
    const text = owner.text()
    const ended = await owner.configure(['--yes'], { env })
    assert.equal(ended.code, 3, ended.stderr)
    assert.match(ended.stderr, /another cluster than the one in \.env/)
    assert.equal(owner.text(), text)
  })

  test('of several contexts one is chosen by number; without a terminal it must be named', async () => {
    const owner = new Owner()
    const several = join(owner.folder, 'several')
    const { parse, stringify } = await import('yaml')
    const config = parse(readFileSync(kube(), 'utf8'))
    config.contexts.push({ name: 'work', context: { cluster: 'none', user: 'work' } })
    config.users.push({ name: 'work', user: { exec: { command: 'touch', args: [join(owner.folder, 'canary')] } } })
    config.clusters.push({ name: 'none', cluster: { server: 'https://127.0.0.1:1' } })
    writeFileSync(several, stringify({ ...config, 'current-context': 'work' }), { mode: 0o600 })
    const env = { KUBECONFIG: several }
    const named = await owner.configure([...flags, '--yes'], { env })
    assert.equal(named.code, 2, named.stderr)
    assert.match(named.stderr, /KUBE_CONTEXT: not set, and \S+ has \S+, work/)
    const asked = await owner.configure([...flags, '--ask'], { env, stdin: '9\n1\ny\n\n\n\n' })
    assert.equal(asked.code, 0, asked.stderr)
    assert.match(asked.stderr, /2 {2}work +127\.0\.0\.1:1: not asked, its login starts a program/)
    assert.match(asked.stderr, /✗ that is not in the list/)
    assert.ok(owner.values().includes(`KUBE_CONTEXT=${lab.sandbox.context}`), owner.text())
    assert.equal(readdirSync(owner.folder).includes('canary'), false, 'no login program ran')
  })
})
