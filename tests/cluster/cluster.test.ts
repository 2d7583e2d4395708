// The platform on a real cluster, as its owner would meet it: installed, used, broken, mended, taken off, installed again.
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Cluster } from '../../scripts/lib/cluster.ts'
import { readManifest } from '../../scripts/lib/fill.ts'
import { type K8sObject, textAt } from '../../scripts/lib/k8s.ts'
import { outside, type Seen } from '../../scripts/lib/outside/outside.ts'
import { type ClaimId, claims, sentence } from '../../scripts/lib/proof.ts'
import { root } from '../../scripts/lib/root.ts'
import { auditPosition, ownWrites } from '../../scripts/lib/sandbox/audit.ts'
import { isFlaw, parseAddress, parseRange } from '../../scripts/lib/site/network.ts'
import { within } from '../e2e/support.ts'
import { Watch } from './flows.ts'
import { domain, manifests, Owner } from './owner.ts'
import { addresses, eventually, install, ofApplications, ours, takeOff, tellingOf } from './support.ts'
import { findTarget, type Target } from './target.ts'

const found = findTarget()
if (typeof found === 'string') test('the platform on a real cluster', t => t.skip(found))
else story(found, await Owner.of(found))

function story(target: Target, owner: Owner): void {
  const cluster = new Cluster(target)
  const look = outside({})
  const [traefik, ...adguard] = addresses(target.pool)
  const shown = new Set<ClaimId>()

  // Two of its own, so that neither holds up the other.
  const watched = target.connections ? new Watch(new Cluster(target), target.connections) : undefined

  after(async () => {
    await watched?.end()
    await cluster.close()
    owner.end()
    target.end()
  })

  /** A test that shows a claim of the table. Later ones need the earlier, so after a failure the rest is not begun. */
  let broken = ''
  const show = (id: ClaimId, body: () => Promise<void>) =>
    test(sentence(id), async t => {
      if (broken) return t.skip(`"${broken}" failed before`)
      broken = sentence(id)
      await body()
      broken = ''
      shown.add(id)
    })

  const run = async (file: string, args: readonly string[] = [], env: Record<string, string> = {}) => {
    const told = await owner.run(file, ['--json', ...args], env)
    assert.equal(told.code, 0, tellingOf(told))
    return told
  }
  const ca = async () => {
    const data = (await cluster.find('secret/cert-manager/internal-ca'))?.data as Record<string, string> | undefined
    return Buffer.from(data?.['tls.crt'] ?? '', 'base64').toString()
  }
  const page = async (name: string, path: string, text: string): Promise<Seen> =>
    look.httpCheck({ url: `https://${name}.${domain}${path}`, address: traefik, ca: await ca(), expectBody: text })
  const resolves = (address: string, protocol: 'udp' | 'tcp', name = 'argocd') =>
    look.resolveName(`${name}.${domain}`, { address, protocol }, { expect: traefik, timeout: 2000 })
  const serves = () =>
    eventually('every host answers', 90, async () => {
      const told = await owner.run('scripts/test-ingress.ts', ['--json'])
      return told.code === 0 ? undefined : tellingOf(told)
    })

  show('install', async () => {
    const started = Date.now()
    const firstPage = eventually('the first page over HTTPS', 900, async () => {
      const seen = await look.httpCheck({
        url: `https://adguard.${domain}/`,
        address: traefik,
        ca: await ca(),
      })
      return seen.status && seen.status < 404 ? undefined : seen.cause
    }).then(() => Date.now() - started)
    const told = await install(owner, cluster)
    const milliseconds = await firstPage
    console.log(`# the first page after ${milliseconds} ms, everything after ${told.milliseconds} ms`)
    if (target.kind === 'node') within(60_000, milliseconds, 'the first page')
    const doubtful = told.summary?.verdicts.filter(one => one.worth !== 'proven') ?? []
    // On the node Rancher is imitated; with the publishers' images nothing may be.
    assert.deepEqual(target.kind === 'node' ? doubtful.filter(one => one.step !== '06-rancher') : doubtful, [])
    if (target.kind === 'k3s') {
      assert.deepEqual(told.summary?.standIns, [])
      shown.add('images')
      shown.add('rancher')
    }
  })

  show('first-page', async () => {
    const file = join(owner.folder, 'ca.crt')
    await owner.run('scripts/trust-ca.ts', ['--out', file])
    const { addresses: answer } = await resolves(adguard[0] ?? '', 'udp')
    const host = `argocd.${domain}`
    const { stdout } = await promisify(execFile)('curl', [
      ...['--silent', '--show-error', '--fail', '--max-time', '10', '--cacert', file],
      ...['--resolve', `${host}:443:${answer[0]}`, `https://${host}/healthz`],
    ])
    assert.match(stdout, /ok/)
  })

  show('git-sync', async () => {
    const synced = async () => {
      const apps = await Promise.all(['homelab', 'welcome'].map(name => cluster.find(`application/argocd/${name}`)))
      const states = apps.map(
        app => `${textAt(app, 'status', 'sync', 'status')} ${textAt(app, 'status', 'health', 'status')}`,
      )
      return states.every(state => state === 'Synced Healthy') ? undefined : states.join(', ')
    }
    const refresh = () =>
      owner.kubectl([
        'annotate',
        'applications',
        '--all',
        '-n',
        'argocd',
        'argocd.argoproj.io/refresh=normal',
        '--overwrite',
      ])
    await refresh()
    // With internet all of them come, images included; in the node lab one.
    await eventually('the applications are synced', target.kind === 'node' ? 120 : 900, synced)

    const text = `changed at ${Date.now()}`
    owner.edit('gitops/apps/welcome/index.html', html => `${html}<p>${text}</p>\n`)
    owner.commit('a line on the welcome page')
    await owner.push()
    await refresh()
    await eventually('the commit is on the page', 120, async () => (await page('home', '/', text)).cause)

    await owner.kubectl(['scale', 'deployment/welcome', '-n', 'welcome', '--replicas=3'])
    await eventually('the change by hand is undone', 120, async () => {
      const spec = (await cluster.find('deployment/welcome/welcome'))?.spec as { replicas: number }
      return spec.replicas === 1 ? undefined : `${spec.replicas} replicas`
    })
  })

  show('hosts', async () => {
    await cluster.apply(more(5), { manager: 'kubectl' })
    await serves()
    const told = await run('scripts/test-ingress.ts')
    const { hosts, ms } = JSON.parse(told.stdout) as { hosts: unknown[]; ms: number }
    console.log(`# ${hosts.length} hosts in ${ms} ms`)
    assert.equal(hosts.length >= 10, true, `${hosts.length} hosts`)
    within(3000, ms, `${hosts.length} hosts`)
  })

  const secondRun = async () => {
    const { audit } = target
    const position = audit ? auditPosition(audit.log) : 0
    const told = await run('bootstrap/bootstrap-all.ts')
    assert.equal(told.summary?.changes, 0, tellingOf(told))
    if (!audit) return console.log('# no audit log to be read here: the run itself counts no change')
    // The lab's network policies run under the same name.
    const isOurs = (event: unknown) =>
      textAt(event, 'user', 'username') === audit.user && !/kube-router/.test(textAt(event, 'userAgent') ?? '')
    assert.deepEqual(ownWrites(audit.log, position, isOurs), [])
  }

  show('second-run', secondRun)

  show('pods', async () => {
    const pods = (await cluster.list('pods')).filter(pod => ours.includes(pod.metadata.namespace ?? ''))
    const restarted = pods.filter(pod => /"restartCount":[1-9]/.test(JSON.stringify(pod.status)))
    assert.deepEqual(restarted.map(nameOf), [], 'containers that had to be started again')
    assert.equal(pods.length >= 14, true, pods.map(nameOf).join(', '))
  })

  /** What a pod says that runs a command to its end. */
  const pod = async (name: string, command: string) => {
    const [namespace, file] = ['suite', join(manifests, 'pods.yaml')]
    await cluster.apply(readManifest(file, { namespace, name, command }), { manager: 'kubectl' })
    await eventually(`pod ${name} ends`, 60, async () => {
      const phase = textAt((await cluster.find(`pod/${namespace}/${name}`))?.status, 'phase')
      return phase === 'Succeeded' ? undefined : phase
    })
    const said = await owner.kubectl(['logs', '-n', namespace, name])
    await owner.kubectl(['delete', 'pod', '-n', namespace, name, '--wait'])
    return said.trim()
  }

  show('volume', async () => {
    const token = `written ${Date.now()}`
    await pod('writer', `echo ${token} > /data/token`)
    assert.equal(await pod('reader', 'cat /data/token'), token)
  })

  show('closed', async () => {
    await cluster.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'suite' } }], { manager: 'kubectl' })
    // Of those that stay: one that is ending has its rules taken off before it is gone.
    const pods = (await cluster.list('pods')).filter(({ metadata }) => !metadata.deletionTimestamp)
    const address = (namespace: string, name: string) =>
      textAt(
        pods.find(
          ({ metadata }) => metadata.namespace === namespace && metadata.labels?.['app.kubernetes.io/name'] === name,
        )?.status,
        'podIP',
      ) ?? ''
    const door = `${address('traefik', 'traefik')}:8000`
    const inner = [
      `${address('argocd', 'argocd-redis')}:6379`,
      `${address('argocd', 'argocd-repo-server')}:8081`,
      `${address('argocd', 'argocd-server')}:8080`,
      `${address('adguard', 'adguard')}:3000`,
      `${address('welcome', 'welcome')}:8080`,
    ]
    const { image, connect, lookup } = target.probe
    const guests = ['suite', 'welcome']
    for (const namespace of guests)
      await cluster.apply(readManifest(join(manifests, 'probe.yaml'), { namespace, image }), { manager: 'kubectl' })
    for (const namespace of guests)
      await owner.kubectl(['wait', '-n', namespace, 'pod/stranger', '--for=condition=Ready', '--timeout=60s'])
    await sleep(3000) // a pod's rules come a little after it
    const inPod = async (namespace: string, command: string) =>
      (await owner.kubectl(['exec', '-n', namespace, 'stranger', '--', 'sh', '-c', command])).trim()
    /** Which of them a pod of a namespace cannot connect to; what they answer, or where that leads to, does not count. */
    const shut = async (namespace = 'suite') => {
      // All at once: what is dropped takes its time.
      const all = [door, ...inner]
      const tries = `for t in ${all.join(' ')}; do { s=$(${connect} 2>&1 | tail -n 1); echo "$t $s"; } & done`
      const said = (await inPod(namespace, `${tries}; wait`)).split('\n')
      assert.equal(said.length, all.length, said.join('\n'))
      const refused = (to: string) => (text: string) =>
        text.startsWith(`${to} `) && (text.includes(`dial tcp ${to}: `) || /can't connect|timed out/.test(text))
      return all.filter(to => said.some(refused(to)))
    }
    const policies = (...args: string[]) => run('scripts/network-policies.ts', [...args, '--confirm', target.context])
    assert.deepEqual(await shut(), inner)

    // The way out is held too: the door is open to everybody, and the welcome page's namespace may still not go there.
    assert.deepEqual(await shut('welcome'), [door, ...inner])
    assert.match(await inPod('welcome', `${lookup} argocd-server.argocd.svc.cluster.local`), /\d+\.\d+\.\d+\.\d+/)

    await policies('--undo')
    await eventually('one command opens the platform', 60, async () => {
      const still = await shut()
      // The page has its own from Git.
      return still.join() === inner.slice(-1).join() ? undefined : still.join()
    })
    const left = (await cluster.list('networkpolicies.networking.k8s.io')).filter(
      one => one.metadata.namespace !== 'welcome',
    )
    assert.deepEqual(left.map(nameOf), [], 'Argo CD does not put them back')
    await policies()
    await eventually('and one closes it', 60, async () => {
      const now = await shut()
      return now.join() === inner.join() ? undefined : now.join()
    })
    // The folders are plain manifests: by hand they say the same.
    for (const folder of ['network-policies/base', 'resource-quotas/base'])
      await owner.kubectl(['apply', '-f', join(root, 'infrastructure/security', folder)])
    assert.deepEqual(await shut(), inner)
    for (const namespace of guests) await owner.kubectl(['delete', 'pod', '-n', namespace, 'stranger'])
    await serves()
  })

  show('reissue', async () => {
    const serial = async () =>
      (await look.tlsCheck({ address: traefik, port: 443, servername: `argocd.${domain}`, ca: await ca() })).certificate
        ?.fingerprint
    const before = await serial()
    await owner.kubectl(['delete', 'secret', '-n', 'traefik', 'wildcard'])
    await eventually('another certificate is shown, and trusted', 60, async () => {
      const now = await serial()
      return now !== before && (await page('argocd', '/healthz', 'ok')).ok ? undefined : 'still the old one'
    })
  })

  /** What this machine remembers of the address is no proof that anybody still answers. */
  const forget = () => execFileSync('ip', ['neigh', 'flush', 'to', traefik])

  const arp = async () => {
    const speaker = ['-n', 'metallb-system', 'daemonset/metallb-speaker', '--type=json', '-p']
    const patch = (change: object) => owner.kubectl(['patch', ...speaker, JSON.stringify([change])])
    const path = '/spec/template/spec/nodeSelector/suite'
    await patch({ op: 'add', path, value: 'nowhere' })
    await eventually('without a speaker nobody answers', 60, async () => {
      forget()
      const seen = await look.tcpConnect(traefik, 443, { timeout: 1500 })
      return seen.ok ? 'it still answers' : undefined
    })
    await patch({ op: 'remove', path })
    await eventually(
      'with the speaker it answers again',
      60,
      async () => (await page('argocd', '/healthz', 'ok')).cause,
    )
  }
  if (target.arp) show('arp', arp)

  show('dns-drain', async () => {
    const node = textAt((await cluster.find('pod/adguard/adguard-0'))?.spec, 'nodeName') ?? ''
    const [first = '', second = ''] = adguard
    const drain = ['drain', node, '--pod-selector=statefulset.kubernetes.io/pod-name=adguard-0']
    await owner.kubectl([...drain, '--delete-emptydir-data', '--timeout=60s'])
    try {
      for (const protocol of ['udp', 'tcp'] as const) {
        assert.equal((await resolves(second, protocol)).cause, undefined)
        assert.equal((await resolves(first, protocol)).ok, false, 'the drained one still answers')
      }
    } finally {
      await owner.kubectl(['uncordon', node])
    }
    await eventually('both answer again', 60, async () => (await resolves(first, 'udp')).cause)
  })

  const remember = async () => {
    const secret = (await cluster.find('secret/adguard/adguard-admin'))?.data as Record<string, string>
    const password = Buffer.from(secret.password ?? '', 'base64').toString()
    await cluster.forward('adguard', 'adguard-0', 3000, async port => {
      const answer = await fetch(`http://127.0.0.1:${port}/control/rewrite/add`, {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from(`admin:${password}`).toString('base64')}`,
          'content-type': 'application/json',
        },
        body: JSON.stringify({ domain: 'printer.house', answer: '10.9.9.9' }),
      })
      assert.equal(answer.status, 200, await answer.text())
    })
  }
  /** A name that the owner has entered in AdGuard's own pages: it lives on its volume and nowhere else. */
  const remembers = () =>
    eventually("AdGuard has the owner's own entry", 60, async () => {
      const server = { address: adguard[0] ?? '', protocol: 'udp' } as const
      return (await look.resolveName('printer.house', server, { expect: '10.9.9.9', timeout: 2000 })).cause
    })

  show('kill', async () => {
    await remember()
    const pods = (await cluster.list('pods')).filter(pod => ours.includes(pod.metadata.namespace ?? ''))
    const one = new Map(pods.map(pod => [componentOf(pod), pod]))
    await Promise.all(
      [...one.values()].map(pod =>
        owner.kubectl([
          'delete',
          'pod',
          '-n',
          pod.metadata.namespace ?? '',
          pod.metadata.name,
          '--grace-period=0',
          '--force',
        ]),
      ),
    )
    await run('bootstrap/bootstrap-all.ts')
    await serves()
  })

  show('restart', async () => {
    const all = [...ours, 'welcome']
    await Promise.all(all.map(namespace => owner.kubectl(['delete', 'pods', '--all', '-n', namespace, '--wait=false'])))
    await owner.kubectl(['delete', 'pods', '-n', 'kube-system', '-l', 'k8s-app=kube-dns', '--wait=false'])
    await run('bootstrap/bootstrap-all.ts')
    await serves()
    await remembers()
  })

  show('plan-clean', async () => {
    const told = await run('bootstrap/bootstrap-all.ts', ['--plan'])
    assert.equal(told.summary?.changes, 0, tellingOf(told))
    const status = await run('scripts/status.ts')
    assert.equal((JSON.parse(status.stdout) as { well: boolean }).well, true, status.stdout)
  })

  const flows = async () => {
    const [one] = await cluster.list('nodes')
    const node = textAt(one?.status, 'addresses', '0', 'address') ?? ''
    const range = parseRange(textAt(one?.spec, 'podCIDR') ?? '')
    const inPods = (address: string) => {
      const number = parseAddress(address)
      return !isFlaw(range) && number !== undefined && number >= range.first && number <= range.last
    }
    await watched?.look()
    // The node itself, and its end of the pods' own network.
    const isNode = (address: string) => address === node || address === '10.78.0.1'
    const { seen = 0, unexpected = [], unknown = 0 } = (await watched?.unexpected(isNode, inPods)) ?? {}
    console.log(
      `# ${seen} connections of the lab's namespaces were seen, ${unknown} of pods that nobody had time to see`,
    )
    assert.ok(seen + unknown > 50, `only ${seen + unknown} connections were seen`)
    assert.ok(unknown < seen / 5, `of ${unknown} connections nobody knows whose they are`)
    assert.deepEqual(unexpected, [])
  }

  if (watched) show('flows', flows)

  show('broken', async () => {
    const adguard = 'infrastructure/platform/adguard/statefulset.yaml'
    const wrongKey: Flaw = {
      ...{ name: 'wrong secret key', file: adguard, step: '03' },
      change: text => text.replace('key: passwordHash', 'key: passwordhash'),
      named: /seed of pod adguard-1 .*find key passwordhash in Secret adguard\/adguard-admin/,
    }
    const wrongPort: Flaw = {
      ...{ name: 'wrong port', file: adguard, step: '03' },
      change: text => text.replace('tcpSocket: { port: dns-tcp }', 'tcpSocket: { port: 5454 }'),
      named: /container adguard of pod adguard-1 .*:5454/,
    }
    const missingCapability: Flaw = {
      // Whoever is not root has no use for the NET_RAW that the chart gives it.
      ...{ name: 'missing capability', file: 'infrastructure/platform/metallb/values.yaml', before: '02', step: '04' },
      change: text => text.replace(/^speaker:$/m, 'speaker:\n  securityContext: { runAsUser: 65534 }'),
      named: /speaker.*ARP responder.*operation not permitted/,
    }
    if (!target.arp) console.log('# missing capability: not shown here, where the addresses need no ARP')
    for (const flaws of [[wrongKey, ...(target.arp ? [missingCapability] : [])], [wrongPort]]) {
      for (const { file, change } of flaws) owner.edit(file, change)
      // A pod that ends takes up to twenty seconds, and only then the next one shows what is wrong with it.
      const only = (steps: string) =>
        owner.run('bootstrap/bootstrap-all.ts', ['--json', '--only', steps], { HOMELAB_PATIENCE: '28' })
      for (const { before } of flaws) if (before) await only(before)
      if (target.arp) forget()
      const told = await only(flaws.map(({ step }) => step).join(','))
      for (const { file } of flaws) owner.restore(file)
      assert.equal(told.code, 1, tellingOf(told))
      const problems = Object.values(told.summary?.problems ?? {}).map(({ what, why }) => `${what} ${why}`)
      for (const { name, named } of flaws) {
        assert.match(problems.join('\n'), named, name)
        console.log(`# ${name}: ${problems.find(problem => named.test(problem))}`)
      }
    }
    await run('bootstrap/bootstrap-all.ts')
  })

  show('uninstall', async () => {
    await cluster.apply(more(5), { manager: 'kubectl' })
    await run('bootstrap/bootstrap-all.ts', ['--uninstall', '--confirm', target.context])
    const objects = await cluster.list('namespaces,nodes,persistentvolumeclaims')
    const ending = objects.filter(one => one.metadata.deletionTimestamp)
    assert.deepEqual(ending.map(nameOf), [], 'what does not end')
    const left = objects.filter(one => one.kind === 'Namespace' && ours.includes(one.metadata.name))
    assert.deepEqual(left.map(one => one.metadata.name).sort(), ['adguard', 'cert-manager'])
    const claimed = objects.filter(one => one.kind === 'PersistentVolumeClaim' && one.metadata.namespace === 'adguard')
    assert.equal(claimed.length, 2)
    await owner.kubectl(['create', 'namespace', 'probe'])
    await owner.kubectl(['delete', 'namespace', 'probe', '--timeout=60s'])
  })

  show('reinstall', async () => {
    await run('bootstrap/bootstrap-all.ts')
    await serves()
    await remembers()
    await secondRun()
  })

  test('every claim of the table that this cluster can show has been shown', () => {
    const due = claims.filter(one => one[target.kind] === 'proven' && !ofApplications.includes(one.id))
    const missing = due.filter(one => !shown.has(one.id)).map(one => one.id)
    assert.deepEqual(missing, [])
  })

  if (target.kind === 'k3s')
    test('taken off with its data, the cluster is as it was', async () => {
      await takeOff(owner)
    })
}

/** A manifest made wrong, and the words that name it. */
interface Flaw {
  name: string
  file: string
  change: (text: string) => string
  /** What brings it into the cluster first, where another step than that meets it. */
  before?: string
  /** Whose step fails of it. */
  step: string
  named: RegExp
}

/** Hosts besides the platform's own, served by the welcome page. */
function more(count: number): K8sObject[] {
  return Array.from({ length: count }, (_, i) => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: { name: `suite-${i}`, namespace: 'welcome' },
    spec: {
      ingressClassName: 'traefik',
      rules: [
        {
          host: `suite-${i}.${domain}`,
          http: {
            paths: [
              { path: '/', pathType: 'Prefix', backend: { service: { name: 'welcome', port: { name: 'http' } } } },
            ],
          },
        },
      ],
    },
  }))
}

function componentOf(pod: K8sObject): string {
  const [owner] = pod.metadata.ownerReferences ?? []
  return `${pod.metadata.namespace}/${owner?.name ?? pod.metadata.name}`
}

function nameOf(object: K8sObject): string {
  return `${object.kind} ${object.metadata.namespace ?? ''}/${object.metadata.name}`
}
