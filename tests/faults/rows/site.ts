// C, X, K7: the wrong cluster, credentials that do not fit, charts that cannot be had, a disk that is full.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { pins } from '../../../scripts/lib/charts.ts'
import { root } from '../../../scripts/lib/root.ts'
import { programsRoot } from '../../../scripts/lib/sandbox/paths.ts'
import { type Ended, ownersCheckout, script, withTools } from '../../e2e/support.ts'
import { temporaryFolder } from '../../temporary.ts'
import { Fails, type Row } from '../row.ts'
import type { Trial } from '../trial.ts'

interface Owner {
  folder: string
  /** The kubeconfig of the owner's checkout, to be spoilt. */
  kubeconfig: string
  run(file: string, args?: readonly string[], env?: Record<string, string>): Promise<Ended>
}

/** A checkout with a .env of its own, for which this sandbox is the owner's cluster. */
async function ownerOf(trial: Trial, lines = ''): Promise<Owner> {
  const { kubeconfig, context } = trial.sandbox
  const site = readFileSync(join(root, 'infrastructure/sandbox/site.env'), 'utf8')
  const folder = await ownersCheckout(`${site}\nKUBECONFIG=kube\nKUBE_CONTEXT=${context}\n${lines}`)
  const kube = join(folder, 'kube')
  writeFileSync(kube, readFileSync(kubeconfig, 'utf8'), { mode: 0o600 })
  const tools = await withTools()
  return {
    folder,
    kubeconfig: kube,
    run: (file, args = [], env = {}) => script(join(folder, file), args, { cwd: folder, env: { ...tools, ...env } }),
  }
}

const spoil = (owner: Owner, pattern: string | RegExp, by: string) =>
  writeFileSync(owner.kubeconfig, readFileSync(owner.kubeconfig, 'utf8').replace(pattern, by), { mode: 0o600 })

async function uidOf(trial: Trial): Promise<string> {
  return (await trial.admin.find('namespace/kube-system'))?.metadata.uid ?? ''
}

const remembered = '00000000-0000-4000-8000-000000000000'

/** Milliseconds within which a cluster that cannot be used is named; longer where the machine has other work. */
const soon = () => 5000 * Math.max(1, (loadavg()[0] ?? 0) / availableParallelism())

const unusable = (id: string, fault: string, words: RegExp, damage: (owner: Owner) => void): Row => ({
  id: `C2-${id}`,
  fault,
  expect: 'named within seconds; nobody is asked for a password',
  ends: 'refused',
  ...(id === 'token' ? { quick: true as const } : {}),
  async run(trial) {
    const owner = await ownerOf(trial)
    damage(owner)
    const position = trial.auditPosition()
    const ended = await owner.run('bootstrap/bootstrap-all.ts', ['--yes'])
    trial.fired('the kubeconfig was spoilt')
    trial.refused(ended, ended.code === 1 ? 1 : 2, words)
    trial.expect(!/Username|Password:/.test(ended.stdout + ended.stderr), 'somebody was asked for a password')
    trial.expect(ended.milliseconds < soon(), `it took ${ended.milliseconds} ms`)
    trial.untouched(trial.writesSince(position))
  },
})

/** Replaces what the sandbox's kubeconfig identifies itself with. */
const withUser = (user: object) => (owner: Owner) => {
  const config = parse(readFileSync(owner.kubeconfig, 'utf8')) as { users: { name: string; user: object }[] }
  for (const one of config.users) one.user = user
  writeFileSync(owner.kubeconfig, JSON.stringify(config), { mode: 0o600 })
}

/** A client certificate of nobody's, for so many days from now. */
function certificate(days: number): { 'client-certificate': string; 'client-key': string } {
  const folder = temporaryFolder('certificate')
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' })
  openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=ada', '-keyout', 'key', '-out', 'request')
  openssl('x509', '-req', '-in', 'request', '-signkey', 'key', '-days', String(days), '-out', 'certificate')
  return { 'client-certificate': join(folder, 'certificate'), 'client-key': join(folder, 'key') }
}

/** A server of charts on loopback, which answers as it is told. */
async function chartServer(
  answer: (path: string) => Buffer | number | undefined,
): Promise<{ server: Server; origin: string; asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const path = request.url ?? '/'
    asked.push(`${request.method} ${path}`)
    const found = answer(path)
    if (found === undefined) return // and never does
    if (typeof found === 'number') return response.writeHead(found).end()
    response.end(found)
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  return { server, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

const wanted = pins(join(root, 'infrastructure/charts.yaml')).traefik?.version ?? ''

/** Step 04 of an owner whose Traefik chart comes from there. */
async function withCharts(trial: Trial, origin: string, lock = ''): Promise<Ended> {
  const owner = await ownerOf(trial, `CLUSTER_UID=${await uidOf(trial)}\n`)
  const file = join(owner.folder, 'infrastructure/charts.yaml')
  const all = parse(readFileSync(file, 'utf8')) as Record<string, { version: string; repository: string }>
  for (const one of Object.values(all)) one.repository = origin
  writeFileSync(file, JSON.stringify(all))
  if (lock) writeFileSync(join(owner.folder, 'infrastructure/charts.lock.yaml'), lock)
  return owner.run('bootstrap/04-traefik.ts', [], { CHARTS: 'real', XDG_CACHE_HOME: join(owner.folder, 'cache') })
}

const badCharts = (
  id: string,
  fault: string,
  code: number,
  words: RegExp,
  answer: (path: string, trial: Trial) => Buffer | number | undefined,
  lock = '',
): Row => ({
  id: `X1-${id}`,
  fault,
  expect: 'named with chart and host; no release is written',
  ends: 'refused',
  async run(trial) {
    const { server, origin, asked } = await chartServer(path => answer(path, trial))
    try {
      const ended = await withCharts(trial, origin, lock)
      if (!asked.length) throw new Fails('void', 'nobody asked the chart server')
      trial.fired(`asked for ${asked.join(', ')}`)
      trial.refused(ended, code, words)
      const releases = await trial.admin.list('secrets', { labels: 'owner=helm', metadataOnly: true })
      trial.expect(releases.length === 0, 'a release was written')
    } finally {
      server.closeAllConnections()
      server.close()
    }
  },
})

let packed: { index: Buffer; archive: Buffer } | undefined

/** The stand-in of Traefik as its publisher would serve it. */
function packedTraefik(trial: Trial): { index: Buffer; archive: Buffer } {
  if (packed) return packed
  const folder = temporaryFolder('served')
  const { helm } = trial.sandbox.programs
  execFileSync(helm, [
    'package',
    join(root, 'infrastructure/sandbox/charts/traefik'),
    '--version',
    wanted,
    '-d',
    folder,
  ])
  execFileSync(helm, ['repo', 'index', folder])
  const read = (name: string) => readFileSync(join(folder, name))
  packed = { index: read('index.yaml'), archive: read(`traefik-${wanted}.tgz`) }
  return packed
}

const serve = (path: string, trial: Trial): Buffer | number => {
  const { index, archive } = packedTraefik(trial)
  return path.endsWith('index.yaml') ? index : path.endsWith('.tgz') ? archive : 404
}

export const site: readonly Row[] = [
  {
    id: 'C1-other',
    fault: 'the context in .env leads to another cluster than the one that was confirmed',
    expect: 'refused with both UIDs, 0 writes',
    ends: 'refused',
    quick: true,
    async run(trial) {
      const owner = await ownerOf(trial, `CLUSTER_UID=${remembered}\n`)
      const uid = await uidOf(trial)
      const position = trial.auditPosition()
      const ended = await owner.run('bootstrap/bootstrap-all.ts', ['--yes'])
      trial.fired(`the cluster was ${uid}`)
      trial.refused(ended, 3, new RegExp(`${uid}[\\s\\S]*${remembered}`))
      const uninstall = await owner.run('bootstrap/bootstrap-all.ts', ['--uninstall', '--yes'])
      trial.refused(uninstall, 3, new RegExp(uid))
      trial.untouched(trial.writesSince(position))
    },
  },
  {
    id: 'C1-unconfirmed',
    fault: 'the kubeconfig is at another context, and nobody has confirmed a cluster yet',
    expect: 'refused: the cluster is shown and must be confirmed, 0 writes',
    ends: 'refused',
    async run(trial) {
      const owner = await ownerOf(trial)
      const file = join(owner.folder, '.env')
      writeFileSync(file, readFileSync(file, 'utf8').replace(/KUBE_CONTEXT=.*\n/, ''), { mode: 0o600 })
      const position = trial.auditPosition()
      const ended = await owner.run('bootstrap/bootstrap-all.ts')
      trial.fired('no KUBE_CONTEXT, no CLUSTER_UID, no terminal')
      trial.refused(
        ended,
        2,
        new RegExp(`not confirmed[\\s\\S]*${trial.sandbox.context}[\\s\\S]*${await uidOf(trial)}`),
      )
      trial.untouched(trial.writesSince(position))
    },
  },
  {
    id: 'C1-renamed',
    fault: 'another context leads to the very cluster that was confirmed',
    expect: 'it is the same cluster: a plan goes through, 0 writes',
    async run(trial) {
      const owner = await ownerOf(trial, `CLUSTER_UID=${await uidOf(trial)}\n`)
      spoil(owner, new RegExp(`name: ${trial.sandbox.context}`, 'g'), 'name: renamed')
      spoil(owner, /(cluster|user|current-context): homelab-sandbox\S+/g, '$1: renamed')
      const file = join(owner.folder, '.env')
      writeFileSync(file, readFileSync(file, 'utf8').replace(/KUBE_CONTEXT=.*/, 'KUBE_CONTEXT=renamed'), {
        mode: 0o600,
      })
      const position = trial.auditPosition()
      const ended = await owner.run('bootstrap/bootstrap-all.ts', ['--plan'])
      trial.expect(ended.code === 0, ended.stderr || ended.stdout)
      trial.fired('the context was another')
      trial.untouched(trial.writesSince(position))
      trial.ends.add('converged')
    },
  },
  unusable('token', 'a token that nobody knows', /Unauthorized|logged in/, withUser({ token: 'not-a-real-token' })),
  unusable('none', 'no credentials at all', /has no credentials for this context/, withUser({})),
  unusable('expired', 'a client certificate that has ended', /certificate of .* expired on 20\d\d-\d\d-\d\d/, owner =>
    withUser(certificate(-1))(owner),
  ),
  unusable('ca', 'the certificate authority of another cluster', /unknown authority|x509/, owner =>
    spoil(owner, /certificate-authority: .*/, `certificate-authority: ${certificate(1)['client-certificate']}`),
  ),
  unusable('missing', 'no kubeconfig', /KUBECONFIG.*not found/, owner => rmSync(owner.kubeconfig)),
  unusable('context', 'a context that the kubeconfig does not have', /is not in .*kube, which has other-/, owner =>
    spoil(owner, /name: homelab-sandbox/g, 'name: other'),
  ),
  badCharts(
    '404',
    'the chart repository answers 404',
    1,
    /traefik could not be pulled from 127\.0\.0\.1:\d+/,
    () => 404,
  ),
  badCharts(
    '500',
    'the chart repository answers 503',
    1,
    /traefik could not be pulled from 127\.0\.0\.1:\d+/,
    () => 503,
  ),
  badCharts(
    'silent',
    'the chart repository accepts connections and never answers',
    1,
    /traefik could not be pulled from 127\.0\.0\.1:\d+/,
    () => undefined,
  ),
  badCharts(
    'tampered',
    'the chart is not the one that was recorded',
    3,
    new RegExp(`traefik-${wanted.replaceAll('.', '\\.')} is not the one that was recorded`),
    serve,
    `traefik-${wanted}: sha256:${'0'.repeat(64)}\n`,
  ),
  {
    id: 'K7',
    fault: 'the disk of the cache is full',
    expect: 'ends with the file that could not be written; the same command converges once there is room',
    ends: 'refused',
    async run(trial) {
      if (process.getuid?.() !== 0) throw new Fails('void', 'only root can mount a small file system for it')
      const owner = await ownerOf(trial, `CLUSTER_UID=${await uidOf(trial)}\n`)
      const cache = join(owner.folder, 'cache')
      mkdirSync(cache)
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'homelab-full', cache])
      try {
        mkdirSync(join(cache, 'homelab'))
        symlinkSync(programsRoot(), join(cache, 'homelab/programs'))
        for (const folder of ['charts', 'crds', 'locks']) mkdirSync(join(cache, 'homelab', folder))
        for (let size = 65536, n = 0; size >= 1; n++)
          try {
            writeFileSync(join(cache, `filler-${n}`), Buffer.alloc(size))
          } catch {
            rmSync(join(cache, `filler-${n}`), { force: true })
            size = Math.floor(size / 4)
          }
        const position = trial.auditPosition()
        const ended = await owner.run('bootstrap/bootstrap-all.ts', ['--json'], {
          XDG_CACHE_HOME: cache,
          CHARTS: 'stand-in',
        })
        trial.fired('a tmpfs of 256 KiB was full')
        // A lock of which this machine would not know whose it is, were the run killed now.
        const locks = trial.writesSince(position).filter(({ object }) => /leases/.test(object))
        trial.expect(locks.length === 0, 'it took the lock before it had written down that it does')
        trial.refused(ended, 1, /no (space|room).*cache/is)
      } finally {
        execFileSync('umount', [cache])
      }
      await trial.converged(await trial.run())
    },
  },
]
