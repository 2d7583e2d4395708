// For each wait, what would satisfy it is switched off: the step blocks there, names the cause, and goes on once it is back.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { sandboxSwitch } from '../../scripts/lib/sandbox/cluster.ts'
import { Lab, sandboxFor } from './support.ts'

let lab: Lab

before(async () => {
  lab = new Lab(
    await sandboxFor('e2e-blocks', {
      without: ['metallb-controller', 'local-path-provisioner', 'cert-manager-cainjector'],
    }),
  )
})
after(() => lab.end())

/** Seconds that a wait lasts here instead of minutes. */
const patience = { HOMELAB_PATIENCE: '5' }

async function blocks(step: string, cause: RegExp): Promise<void> {
  const ended = await lab.run(`bootstrap/${step}.ts`, [], { env: patience })
  assert.equal(ended.code, 1, `${step} should block: ${ended.stdout}`)
  const problem = ended.summary?.problems[step]
  const told = `${problem?.what} ${problem?.why}`
  assert.match(told, cause)
  assert.ok(
    ended.events.some(event => event.event === 'doing' && cause.test(event.text ?? '')),
    `the cause was not shown while waiting: ${ended.stdout}`,
  )
}

async function goes(step: string): Promise<void> {
  const ended = await lab.run(`bootstrap/${step}.ts`)
  assert.equal(ended.code, 0, `${step}: ${ended.stdout}${ended.stderr}`)
}

const off = (...names: string[]) => sandboxSwitch(lab.sandbox, names)

test('02 blocks at its pool while the webhook has no process', async () => {
  await goes('01-storage-class')
  await blocks('02-metallb', /webhook .*metallb.* (has no pod|does not answer) yet|failed calling webhook/)
})

test('03 alone names the step that its next line needs', async () => {
  const ended = await lab.run('bootstrap/03-adguard.ts')
  assert.equal(ended.code, 1)
  const problem = ended.summary?.problems['03-adguard']
  assert.equal(problem?.what, '03-adguard needs 02-metallb')
  assert.equal(problem?.fix, './bootstrap/02-metallb.ts --sandbox')
})

test('03 blocks while nobody makes its volumes', async () => {
  await off('local-path-provisioner', 'cert-manager-cainjector')
  await goes('02-metallb')
  await blocks('03-adguard', /claim|volume/i)
})

test('03 blocks while its addresses are not given', async () => {
  await off('metallb-controller', 'cert-manager-cainjector')
  await lab.cluster.kubectl(['delete', 'service', '-n', 'adguard', 'adguard-0'])
  await blocks('03-adguard', /address/i)
})

test('03 fails by name while the app does not answer', async () => {
  await off('adguard', 'cert-manager-cainjector')
  await goesAfterSettling()
  const ended = await lab.run('bootstrap/03-adguard.ts', [], { env: patience })
  assert.equal(ended.code, 1, ended.stdout)
  assert.match(JSON.stringify(ended.summary?.problems['03-adguard']), /adguard-[01]/)
})

test('04 blocks while its address is not given', async () => {
  await off('metallb-controller', 'cert-manager-cainjector')
  await blocks('04-traefik', /address/i)
  await off('cert-manager-cainjector')
  await goes('03-adguard')
  await goes('04-traefik')
})

test('05 blocks while its webhook has no certificate', async () => {
  await blocks('05-cert-manager', /webhook.cert-manager.io has no certificate yet|unknown authority/)
})

test('05 blocks while nobody issues', async () => {
  await off('cert-manager-controller')
  await blocks('05-cert-manager', /clusterissuer|issuer/i)
  await off()
  await goes('05-cert-manager')
})

test('06 blocks while its certificate is not issued', async () => {
  await off('cert-manager-controller')
  await blocks('06-rancher', /certificate/i)
  await off()
  await goes('06-rancher')
})

test('07 blocks while the pods of its hook and of itself do not run', async () => {
  await off('pod-ready')
  await blocks('07-argocd', /argocd-/)
  await off()
  await goes('07-argocd')
})

/** The service that a test deleted is there again and has its address. */
async function goesAfterSettling(): Promise<void> {
  await lab.cluster.kubectl([
    'wait',
    'service/adguard-0',
    '-n',
    'adguard',
    '--for=jsonpath={.status.loadBalancer.ingress[0].ip}',
    '--timeout=20s',
  ])
}
