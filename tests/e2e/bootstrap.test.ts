// The owner's story: plan, build, build again, look, mend by hand, build again.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { textAt } from '../../scripts/lib/k8s.ts'
import { seesRenewal } from '../../scripts/lib/sandbox/renewal.ts'
import { Lab, sandboxFor } from './support.ts'

let lab: Lab

before(async () => {
  lab = new Lab(await sandboxFor('e2e-bootstrap'))
})
after(() => lab.end())

test('a plan of an empty cluster lists everything and writes nothing', async () => {
  const plan = await lab.run('bootstrap/bootstrap-all.ts', ['--plan'])
  assert.equal(plan.code, 0, plan.stdout + plan.stderr)
  assert.deepEqual(plan.writes, [])
  assert.ok((plan.summary?.changes ?? 0) > 40)
  for (const wanted of [
    '+ Namespace metallb-system',
    '+ release cert-manager',
    '+ IPAddressPool metallb-system/homelab',
    '+ Application argocd/homelab',
  ])
    assert.ok(
      plan.events.some(event => event.text?.startsWith(wanted)),
      wanted,
    )
})

test('one command builds the platform', async () => {
  const first = await lab.run('bootstrap/bootstrap-all.ts')
  assert.equal(first.code, 0, first.stdout + first.stderr)
  const proven =
    first.summary?.verdicts.filter(verdict => verdict.worth === 'proven').map(verdict => verdict.check) ?? []
  for (const wanted of [
    'service/traefik/traefik is ready', // an address from the real MetalLB
    'certificate/traefik/wildcard is ready', // a certificate from the real cert-manager
    '192.168.77.201 answers argocd.lab.home.arpa with 192.168.77.200 over UDP', // a real AdGuard Home
    '192.168.77.202 answers argocd.lab.home.arpa with 192.168.77.200 over TCP',
    "traefik/wildcard is the lab's certificate for argocd.lab.home.arpa",
  ])
    assert.ok(proven.includes(wanted), `${wanted}\nproven: ${proven.join('\n')}`)
  // Rancher's stand-in runs no Rancher: that is said first, and nothing that was seen of it counts as proven.
  assert.match(first.events.find(({ event }) => event === 'notice')?.text ?? '', /Rancher itself is imitated/)
  const ofRancher = first.summary?.verdicts.filter(({ step }) => step === '06-rancher') ?? []
  assert.ok(ofRancher.length >= 2, 'there are checks of Rancher')
  assert.deepEqual(
    ofRancher.filter(({ worth }) => worth === 'proven'),
    [],
  )
})

test('the addresses are the fixed ones, and there is one default class', async () => {
  const address = async (ref: string) =>
    textAt(await lab.cluster.find(`service/${ref}`), 'status', 'loadBalancer', 'ingress', 0, 'ip')
  assert.deepEqual(await Promise.all(['traefik/traefik', 'adguard/adguard-0', 'adguard/adguard-1'].map(address)), [
    '192.168.77.200',
    '192.168.77.201',
    '192.168.77.202',
  ])
  const classes = await lab.cluster.list('storageclasses')
  assert.deepEqual(
    classes
      .filter(one => one.metadata.annotations?.['storageclass.kubernetes.io/is-default-class'] === 'true')
      .map(one => one.metadata.name),
    ['local-path'],
  )
})

test('a second run writes nothing', async () => {
  const second = await lab.run('bootstrap/bootstrap-all.ts')
  assert.equal(second.code, 0, second.stdout + second.stderr)
  assert.deepEqual(second.writes, [])
  assert.equal(second.summary?.changes, 0)
})

test('the audit log would have shown a write', async () => {
  await lab.cluster.kubectl(['label', 'namespace', 'traefik', 'app.kubernetes.io/part-of-'])
  const mended = await lab.run('bootstrap/04-traefik.ts')
  assert.equal(mended.code, 0, mended.stderr)
  assert.deepEqual(mended.writes, [
    { verb: 'create', object: 'leases kube-system/homelab' }, // the lock, taken at the first write
    { verb: 'patch', object: 'namespaces traefik' },
    { verb: 'delete', object: 'leases kube-system/homelab' },
  ])
})

test("a chart's object changed by hand is seen by plan and healed by a run", async () => {
  await lab.cluster.kubectl(['scale', 'deployment', '-n', 'traefik', 'traefik', '--replicas=0'])
  const plan = await lab.run('bootstrap/04-traefik.ts', ['--plan'])
  assert.deepEqual(plan.writes, [])
  assert.ok(
    plan.events.some(event => event.text?.startsWith('~ Deployment traefik/traefik  (spec.replicas: 0 →')),
    plan.stdout,
  )
  const healed = await lab.run('bootstrap/04-traefik.ts')
  assert.equal(healed.code, 0, healed.stdout)
  assert.equal(healed.summary?.changes, 1)
  assert.equal((await lab.run('bootstrap/04-traefik.ts')).writes.length, 0)
})

test('a certificate is made anew when its Secret is gone', async () => {
  const serial = async () => textAt(await lab.cluster.find('secret/traefik/wildcard'), 'data', 'tls.crt')
  const before = await serial()
  await lab.cluster.kubectl(['delete', 'secret', '-n', 'traefik', 'wildcard'])
  const deadline = Date.now() + 30_000
  while ([undefined, before].includes(await serial()) && Date.now() < deadline)
    await new Promise(resolve => setTimeout(resolve, 300))
  assert.notEqual(await serial(), undefined)
  assert.notEqual(await serial(), before)
})

test('a plan after all that has nothing to change', async () => {
  const plan = await lab.run('bootstrap/bootstrap-all.ts', ['--plan'])
  assert.equal(plan.summary?.changes, 0, plan.stdout)
  assert.deepEqual(plan.writes, [])
})

test('generated passwords survive every run and are not shown', async () => {
  const read = async () => textAt(await lab.cluster.find('secret/adguard/adguard-admin'), 'data', 'password')
  const before = await read()
  const again = await lab.run('bootstrap/03-adguard.ts', ['--debug'])
  assert.equal(await read(), before)
  const password = Buffer.from(before ?? '', 'base64').toString()
  assert.equal(password.length, 24)
  for (const text of [again.stdout, again.stderr])
    for (const form of [password, before ?? '']) assert.ok(!text.includes(form), 'a password was printed')
})

test('a certificate renews itself before it expires', async () => {
  assert.equal(await seesRenewal(lab.cluster), true)
})

test('our rewrite follows when Traefik moves; a rewrite of the owner stays', async () => {
  const env = { HOMELAB_SANDBOX_SITE: 'tests/fixtures/sandbox-moved.env' }
  const moved = await lab.run('bootstrap/bootstrap-all.ts', ['--only', '03,04'], { env })
  assert.equal(moved.code, 0, moved.stdout)
  assert.ok(
    moved.summary?.verdicts.some(
      verdict => verdict.check === '192.168.77.201 answers argocd.lab.home.arpa with 192.168.77.210 over UDP',
    ),
  )
  const back = await lab.run('bootstrap/bootstrap-all.ts', ['--only', '03,04'])
  assert.equal(back.code, 0, back.stdout)
})
