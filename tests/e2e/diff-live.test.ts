// make diff LIVE=1: Git against a cluster, which is only read.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { root } from '../../scripts/lib/root.ts'
import { auditPosition, ownWrites } from '../../scripts/lib/sandbox/audit.ts'
import { notBuilt } from '../../scripts/lib/sandbox/extra-build.ts'
import { checkout, Lab, sandboxFor, script } from './support.ts'

const skip = await notBuilt('render')
const folder = checkout()
let lab: Lab

before(async () => {
  if (skip) return
  lab = new Lab(await sandboxFor('diff-live'))
  writeFileSync(join(folder, '.gitignore'), 'node_modules\n')
  for (const args of [
    ['init', '-q', '-b', 'main'],
    ['add', '-A'],
    ['commit', '-q', '-m', 'the fork'],
  ]) {
    const who = ['-c', 'user.name=me', '-c', 'user.email=me@home.arpa', '-c', 'commit.gpgsign=false']
    execFileSync('git', [...who, '-C', folder, ...args])
  }
  await lab.cluster.kubectl(['create', 'namespace', 'welcome'])
  // The page has a route of Traefik's kind.
  await lab.cluster.kubectl(['apply', '--server-side', '-f', join(root, 'infrastructure/sandbox/charts/traefik/crds')])
  await lab.cluster.kubectl(['wait', '--for=condition=Established', 'crd/ingressroutes.traefik.io'])
})
after(async () => {
  rmSync(folder, { recursive: true, force: true })
  await lab?.end()
})

interface Found {
  applications: { application: string; comes?: string; objects: { title: string; result: string }[] }[]
}
async function live(...args: string[]): Promise<{ stdout: string; writes: number }> {
  const position = auditPosition(lab.sandbox.auditLog)
  const ended = await script(join(folder, 'scripts/diff.ts'), ['--live', '--sandbox', ...args], {
    env: { SANDBOX: lab.sandbox.name },
  })
  assert.equal(ended.code, 0, ended.stderr)
  return { stdout: ended.stdout, writes: ownWrites(lab.sandbox.auditLog, position).length }
}
const welcomeOf = (text: string) =>
  (JSON.parse(text) as Found).applications.find(({ application }) => application === 'welcome')

test('what is not there yet is added, application by application, and nothing is written', { skip }, async () => {
  const { stdout, writes } = await live('--json')
  const welcome = welcomeOf(stdout)
  assert.equal(welcome?.comes, 'new')
  assert.deepEqual([...new Set(welcome?.objects.map(({ result }) => result))], ['added'])
  assert.ok(welcome?.objects.some(({ title }) => title === 'Deployment welcome/welcome'))
  assert.equal(writes, 0)
})

test('what somebody changed by hand is shown as a sync would set it back', { skip }, async () => {
  const built = await lab.cluster.kubectl(['kustomize', join(folder, 'gitops/apps/welcome')])
  const input = built.stdout
  const manager = '--field-manager=argocd-controller'
  const applied = await lab.cluster.kubectl(['apply', '-n', 'welcome', '--server-side', manager, '-f', '-'], { input })
  assert.equal(applied.code, 0, applied.stderr)
  await lab.cluster.kubectl(['scale', '-n', 'welcome', 'deployment/welcome', '--replicas=3'])
  const { stdout, writes } = await live()
  assert.match(stdout, /### changed: Deployment welcome\/welcome\n[^#]*- spec\.replicas: 3\n\+ spec\.replicas: 1\n/)
  assert.doesNotMatch(stdout, /added: Service welcome\/welcome/)
  assert.equal(writes, 0)
})
