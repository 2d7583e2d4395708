// The site, as far as no file of tests/fixtures can show it (those: corpus.test.ts).
import assert from 'node:assert/strict'
import { chmodSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { inspect } from 'node:util'
import { generated } from '../../scripts/docs.ts'
import { redact } from '../../scripts/lib/redact.ts'
import { root as repository } from '../../scripts/lib/root.ts'
import { Secret } from '../../scripts/lib/secrets.ts'
import { parseEnv } from '../../scripts/lib/site/env-lines.ts'
import { quoteValue } from '../../scripts/lib/site/env-write.ts'
import type { LoadOptions } from '../../scripts/lib/site/examine.ts'
import { readSource } from '../../scripts/lib/site/git.ts'
import { collect, describeProblems, readValues } from '../../scripts/lib/site/read.ts'
import { addressProblems, certificateProblems } from '../../scripts/lib/site/rules.ts'
import { about, keys, secretKeys } from '../../scripts/lib/site/schema.ts'
import { keepInEnv, loadSite, vars } from '../../scripts/lib/site/site.ts'
import { HomeLab } from '../fixtures/lab.ts'
import { random } from '../fixtures/random.ts'

const lab = new HomeLab()

const load = (options?: LoadOptions) => lab.load(options)
const write = (content: string, mode?: number, name?: string) => lab.write(content, mode, name)
const git = (...args: string[]) => lab.git(...args)

describe('what no fixture can show', () => {
  const valid = 'DOMAIN=lab.home.arpa\nMETALLB_POOL=192.168.1.200-192.168.1.220\nKUBE_CONTEXT=homelab\n'

  test('the example, copied and its first three values filled in, is a valid file', async () => {
    const example = generated['.env.example']?.() ?? ''
    write(example)
    const untouched = await load()
    assert.equal(untouched.problems.length, 3)
    for (const problem of untouched.problems) assert.match(problem, /still the placeholder/)
    write(
      example
        .replace(/^DOMAIN=.*/m, 'DOMAIN=lab.home.arpa')
        .replace(/^METALLB_POOL=.*/m, 'METALLB_POOL=192.168.1.200-192.168.1.220')
        .replace(/^KUBE_CONTEXT=.*/m, 'KUBE_CONTEXT=homelab'),
    )
    assert.deepEqual((await load()).problems, [])
  })

  test('a default that is written out changes nothing', async () => {
    write(valid)
    const { site } = await load()
    const presets = keys.filter(key => about(key).default !== undefined)
    assert.ok(presets.length >= 7)
    write(valid + presets.map(key => `${key}=${about(key).default}\n`).join(''))
    assert.deepEqual((await load()).site, site)
  })

  test('the committed example and reference page are those of the schema', () => {
    for (const [name, text] of Object.entries(generated))
      assert.equal(readFileSync(join(repository, name), 'utf8'), text(), name)
  })

  test('the sandbox has a site of its own and takes nothing from the environment', async () => {
    const sandbox = { programs: { kubectl: '/k', helm: '/h' }, env: {}, charts: {}, routesFile: '/r' }
    const { site, notices } = await loadSite({
      file: 'infrastructure/sandbox/site.env',
      processEnv: { DOMAIN: 'elsewhere.home.arpa', ENV: 'prod', KUBECONFIG: '/nowhere' },
      overrides: { kubeconfig: '/sandbox/kubeconfig', context: 'sandbox', sandbox },
    })
    assert.deepEqual(notices, [])
    assert.equal(site.environment, 'dev')
    assert.equal(site.domain, 'lab.home.arpa')
    assert.equal(site.kubeconfig, '/sandbox/kubeconfig')
    assert.equal(site.context, 'sandbox')
    assert.equal(site.sandbox, sandbox)
  })

  test('vars has every name that manifests may use, and no secret', async () => {
    write(`${valid}GIT_TOKEN=canary-0123456789\n`)
    const { site } = await load()
    assert.ok(site)
    assert.deepEqual(vars(site), {
      domain: 'lab.home.arpa',
      environment: 'prod',
      metallbPool: '192.168.1.200-192.168.1.220',
      metallbFixed: ['192.168.1.200/32', '192.168.1.201/32', '192.168.1.202/32'],
      metallbFree: ['192.168.1.203-192.168.1.220'],
      traefikAddress: '192.168.1.200',
      adguardAddress1: '192.168.1.201',
      adguardAddress2: '192.168.1.202',
      dnsUpstreams: ['9.9.9.9', '1.1.1.1'],
      issuerName: 'internal-ca',
      acmeEmail: '',
      storagePath: '/opt/local-path-provisioner',
      gitRepository: 'https://github.com/you/homelab.git',
      gitRevision: 'main',
      gitPath: 'gitops/environments/prod',
      sshKnownHosts: '',
      timezone: 'Etc/UTC',
    })
    assert.equal(reveal(site.git.credentials?.password), 'canary-0123456789')
    assert.doesNotMatch(inspect(site, { depth: 9 }) + JSON.stringify(site), /canary/)
    assert.doesNotMatch(redact('the token is canary-0123456789'), /canary/)
  })

  test('another environment has a file of its own, and an unknown one is refused', async () => {
    write(valid.replace('lab.', 'staging.'), 0o600, '.env.staging')
    const { site } = await load({ env: 'staging' })
    assert.equal(site?.domain, 'staging.home.arpa')
    assert.equal(site?.git.path, 'gitops/environments/staging')
    assert.deepEqual((await load({ env: 'dev' })).problems, [
      '.env.dev not found at ROOT/.env.dev. Fix: make configure ENV=dev, or by hand: install -m 600 .env.example .env.dev and fill in its first lines',
    ])
    for (const env of ['production', '../../etc/passwd', '/root/.shrc'])
      assert.match(
        (await load({ env })).problems[0] ?? '',
        /^ENV: .* is not an environment\. Fix: ENV=dev, ENV=staging, ENV=prod$/,
      )
  })

  test('a file that git tracks is refused, one that is only ignored is not', async () => {
    write(valid)
    git('add', '-f', '.env')
    const tracked = await load()
    git('rm', '-q', '--cached', '.env')
    assert.deepEqual(tracked.problems, [
      '.env is tracked by git. Fix: git rm --cached .env, commit, and replace every secret that ever stood in it',
    ])
    assert.deepEqual((await load()).problems, [])
  })

  test('a hook’s GIT_DIR does not send us to another repository', async () => {
    write(valid)
    process.env.GIT_DIR = join(lab.top, 'nowhere')
    const { site } = await load()
    delete process.env.GIT_DIR
    assert.equal(site?.git.repository, 'https://github.com/you/homelab.git')
  })

  test('without git or a remote the repository must be named', async () => {
    write(valid)
    git('remote', 'rename', 'origin', 'upstream')
    const { problems } = await load()
    git('remote', 'rename', 'upstream', 'origin')
    assert.deepEqual(problems, [
      '.env GIT_REPOSITORY: not set, and this checkout has no remote called origin. Fix: GIT_REPOSITORY=https://github.com/you/homelab.git',
    ])
  })

  test('a remote on a port of its own has no https form that could be guessed', async () => {
    write(valid)
    git('remote', 'set-url', 'origin', 'ssh://git@git.lan:2222/you/homelab.git')
    const { problems } = await load()
    git('remote', 'set-url', 'origin', 'git@github.com:you/homelab.git')
    assert.equal(problems.length, 1)
    assert.match(problems[0] ?? '', /needs GIT_SSH_KEY_FILE/)
  })

  test('credentials in the remote are neither used nor printed', async () => {
    write(valid)
    git('remote', 'set-url', 'origin', 'https://you:ghp_canary@github.com/you/homelab.git')
    const { site, notices } = await load()
    git('remote', 'set-url', 'origin', 'git@github.com:you/homelab.git')
    assert.equal(site?.git.repository, 'https://github.com/you/homelab.git')
    assert.deepEqual(notices, [
      'the remote origin carries credentials, which are left out: set GIT_TOKEN if the repository is private',
    ])
  })

  test('the kubeconfig is named when others can read it', async () => {
    write(valid)
    chmodSync(join(lab.home, '.kube/config'), 0o644)
    const { problems } = await load()
    chmodSync(join(lab.home, '.kube/config'), 0o600)
    assert.deepEqual(problems, [
      '.env KUBECONFIG: HOME/.kube/config is readable by others (mode 0644) and holds the keys of the cluster. Fix: chmod 600 HOME/.kube/config',
    ])
  })

  test('a secret with every odd character arrives byte for byte, however the example says to write it', async () => {
    const odd = [
      'pa#ss word',
      'a,b\\c{d}"e$f!g#h%i`j;k&l',
      "it's #1 \\o/",
      `both ' and " # and \\ $(x) \${y}`,
      'line\nbreak "quoted" \'so\' #',
      'ü€\u00a0😀 \t',
      "'",
      '"',
      '\\',
      ' x ',
    ]
    for (const secret of odd) {
      const written = quoteValue(secret)
      assert.ok(written !== undefined, secret)
      write(`${valid}GIT_TOKEN=${written}\nRANCHER=false\n`)
      const { site, problems } = await load()
      assert.deepEqual(problems, [], `${secret} as ${written}`)
      assert.equal(reveal(site?.git.credentials?.password), secret)
      assert.equal(site?.rancher, false)
    }
  })

  test('nothing in a value is ever run', async () => {
    const canary = join(lab.top, 'canary')
    const attacks = [
      `$(touch ${canary})`,
      `\`touch ${canary}\``,
      `; touch ${canary} #`,
      `\${IFS}touch\${IFS}${canary}`,
      `| touch ${canary}`,
    ]
    for (const attack of attacks) {
      write(keys.map(key => `${key}=${attack}\n`).join(''))
      assert.ok((await load()).problems.length > 0)
    }
    assert.equal(readdirSync(lab.top).includes('canary'), false)
  })

  test('odd values: every one is accepted or has a problem with a fix, soon', () => {
    const seed = Number(process.env.SEED) || 4
    const next = random(seed)
    const pick = <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)] as T
    const scraps =
      `192.168.1.200 10. 255 - / , : @ . .. * ~ git@ https:// true none cloudflare letsencrypt lab home.arpa
      é 😀 \u0430 \${x} $(y) ; -- 1 0 00 -1 1e9 fd00:: /33 a@b.c Europe/Berlin HMAC- %00 x`.split(/\s+/)
    const value = () => Array.from({ length: Math.floor(next() * 6) }, () => pick(scraps)).join(pick(['', '', ' ']))
    let accepted = 0
    for (let round = 0; round < 500; round++) {
      const text = keys.map(key => `${key}=${next() < 0.4 ? about(key).example : value()}\n`).join('')
      const started = performance.now()
      const file = parseEnv(text, secretKeys)
      const { sources } = collect(file, '.env', {})
      const { draft, problems } = readValues(file, sources)
      const git = readSource(draft, { tracked: false, origin: value() }, { keyFile: undefined, knownHosts: '/nowhere' })
      const found = [
        ...file.problems,
        ...problems,
        ...addressProblems(draft),
        ...certificateProblems(draft),
        ...git.problems,
      ]
      for (const { what } of describeProblems('.env', sources, found))
        assert.match(what, /^\.env(:\d+)?( [A-Z0-9_]+)?: \S.*\. Fix: \S/s, `seed ${seed}\n${text}`)
      accepted += Object.keys(draft.values).length
      assert.ok(performance.now() - started < 1_000, `slow with seed ${seed}:\n${text}`)
    }
    assert.ok(accepted > 2_500, `${accepted} values accepted`)
  })

  test('no message shows a secret', async () => {
    const secrets = keys.filter(key => about(key).secret)
    for (const value of [
      'canary-0123',
      "'canary-0123'x",
      'canary-0123#x',
      '"canary-0123',
      '`canary-0123`',
      'canary-0123\u200b',
      'canary-0123\u00a0',
    ]) {
      write(`${valid}${secrets.map(key => `${key}=${value}\n`).join('')}`)
      const { problems } = await load()
      assert.ok(problems.length > 0)
      assert.doesNotMatch(problems.join('\n'), /canary/)
    }
    write(
      `${valid.replace(/DOMAIN=.*/, 'DOMAIN=https://you:canary-45@lab.home.arpa')}CLOUDFLARE_API_TOKEN=canary-6789\n`,
    )
    const { problems } = await load()
    assert.equal(problems.length, 2)
    assert.doesNotMatch(problems.join('\n'), /canary/)
    assert.doesNotMatch(redact('later, in some tool’s words: canary-6789'), /canary/)
  })

  test('what was found out is kept in the file, and nothing else in it changes', async () => {
    const before = `# mine\r\n${valid.replaceAll('\n', '\r\n')}# CLUSTER_UID=\r\nRANCHER=false # no room\r\n`
    write(before)
    const uid = '7f0c2b1e-5a3d-4c55-9a0e-2d4b8f6c1a90'
    keepInEnv({ file: join(lab.root, '.env') }, { KUBE_CONTEXT: "admin's lab", CLUSTER_UID: uid })
    assert.equal(
      readFileSync(join(lab.root, '.env'), 'utf8'),
      before
        .replace('KUBE_CONTEXT=homelab', 'KUBE_CONTEXT="admin\'s lab"')
        .replace('# CLUSTER_UID=', `CLUSTER_UID=${uid}`),
    )
    const { site } = await load()
    assert.equal(site?.context, "admin's lab")
    assert.equal(site?.clusterUid, uid)
    assert.deepEqual(
      readdirSync(lab.root).filter(name => name.startsWith('.env.') && !name.endsWith('staging')),
      [],
    )
  })
})

function reveal(value: string | Secret | undefined): string | undefined {
  return value instanceof Secret ? value.reveal() : value
}
