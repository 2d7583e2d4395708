// What an owner does with applications in the checkout: adds one, promotes versions, takes one out. No cluster is needed.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parseManifest } from '../../scripts/inventory.ts'
import { at, textAt } from '../../scripts/lib/k8s.ts'
import { checkout, type Ended, script, withTools } from './support.ts'

const folder = checkout()
after(() => rmSync(folder, { recursive: true, force: true }))
let tools: Record<string, string>
before(async () => {
  tools = await withTools()
  writeFileSync(join(folder, '.gitignore'), 'node_modules\n')
  git('init', '-q', '-b', 'main')
  for (const [key, value] of Object.entries({
    'user.name': 'me',
    'user.email': 'me@home.arpa',
    'commit.gpgsign': 'false',
  }))
    git('config', key, value)
  commit('the fork')
})

const git = (...args: string[]): string => execFileSync('git', ['-C', folder, ...args], { encoding: 'utf8' }).trim()
function commit(message: string): void {
  git('add', '-A')
  git('commit', '-q', '-m', message)
}
const run = (file: string, ...args: string[]): Promise<Ended> =>
  script(join(folder, `scripts/${file}.ts`), args, { env: { ...tools, HOME: folder } })
const built = (path: string) =>
  parseManifest(
    execFileSync(join(tools.PATH?.split(':')[0] ?? '', 'kubectl'), ['kustomize', join(folder, path)], {
      encoding: 'utf8',
    }),
  )
const read = (file: string) => readFileSync(join(folder, file), 'utf8')
const head = () => git('rev-parse', 'HEAD')

const notes = ['--name', 'my-notes', '--image', 'ghcr.io/me/notes:1.4.2', '--port', '8080', '--pvc', '1Gi']

test('everything that is wrong with a new application is said at once, and nothing is written', async () => {
  const before = head()
  const ended = await run(
    'add-app',
    '--name',
    'traefik',
    '--image',
    'nginx:latest',
    '--port',
    '0',
    '--pvc',
    '1G',
    '--yes',
  )
  assert.equal(ended.code, 2, ended.stdout)
  for (const expected of [
    /NAME traefik is taken: the namespace of Traefik/,
    /IMAGE "nginx:latest" is whatever is newest/,
    /PORT "0" is no port/,
    /PVC "1G" is no size/,
    /4 problems, nothing was written/,
  ])
    assert.match(ended.stderr, expected)
  for (const [image, why] of [
    ['nginx', 'has no version'],
    ['nginx:3', 'is not one version'],
    ['Bad Image', 'is no image'],
  ] as const)
    assert.match(
      (await run('add-app', '--name', 'x', '--image', image, '--port', '80', '--yes')).stderr,
      new RegExp(why),
    )
  const taken = await run('add-app', '--name', 'welcome', '--image', 'nginx:1.29', '--port', '80', '--yes')
  assert.match(taken.stderr, /NAME welcome is taken: there is gitops\/applications\/welcome\.yaml/)
  assert.equal(head(), before)
  assert.equal(git('status', '--porcelain'), '')
})

test('a checkout with changes is refused, and so is writing without a yes', async () => {
  const silent = await run('add-app', ...notes)
  assert.equal(silent.code, 2)
  assert.match(silent.stderr, /nobody confirmed the change: nothing was written/)
  writeFileSync(join(folder, 'README.md'), 'mine\n')
  const dirty = await run('add-app', ...notes, '--yes')
  assert.equal(dirty.code, 2)
  assert.match(dirty.stderr, /has changes that are not committed[\s\S]*README\.md/)
  assert.equal(read('README.md'), 'mine\n')
  rmSync(join(folder, 'README.md'))
})

test('a new application is one commit, with its own host in each environment', async () => {
  const before = head()
  const ended = await run('add-app', ...notes, '--yes')
  assert.equal(ended.code, 0, ended.stderr)
  assert.match(ended.stdout, /git push && make install STEP=07 && make sync/)
  assert.equal(git('rev-parse', 'HEAD~1'), before)
  assert.equal(git('status', '--porcelain'), '')
  for (const [environment, domain] of [
    ['dev', 'dev.lab.home.arpa'],
    ['prod', 'lab.home.arpa'],
  ] as const) {
    const application = built(`gitops/environments/${environment}`).find(({ metadata }) => metadata.name === 'my-notes')
    const annotations = at(application?.spec, 'source', 'kustomize', 'commonAnnotations')
    assert.deepEqual(annotations, { 'homelab/host': `my-notes.${domain}` })
    assert.equal(textAt(application?.spec, 'destination', 'namespace'), 'my-notes')
  }
  // As Argo CD sets it: the annotation decides the host.
  const file = 'gitops/apps/my-notes/kustomization.yaml'
  const text = read(file)
  writeFileSync(join(folder, file), `${text}commonAnnotations: { homelab/host: my-notes.elsewhere.net }\n`)
  const objects = built('gitops/apps/my-notes')
  writeFileSync(join(folder, file), text)
  assert.deepEqual(objects.map(({ kind }) => kind).sort(), [
    ...['Deployment', 'Ingress', 'NetworkPolicy', 'PersistentVolumeClaim', 'Service'],
  ])
  const ingress = objects.find(({ kind }) => kind === 'Ingress')
  assert.equal(textAt(ingress?.spec, 'rules', 0, 'host'), 'my-notes.elsewhere.net')
  for (const place of ['namespaces', 'project'])
    assert.match(read(`infrastructure/platform/argocd/${place}.yaml`), /(name|namespace): my-notes$/m)
  // What its namespace may take is not its own to say: it comes with the others'.
  const limits = built('infrastructure/security/resource-quotas').filter(
    ({ metadata }) => metadata.namespace === 'my-notes',
  )
  assert.deepEqual(limits.map(({ kind }) => kind).sort(), ['LimitRange', 'ResourceQuota'])
  const quota = limits.find(({ kind }) => kind === 'ResourceQuota')
  assert.equal(textAt(quota?.spec, 'hard', 'requests.storage'), '2Gi')
})

test('versions stand still where they were promoted to, until the next promotion', async () => {
  const image = (version: string) => `docker.io/library/busybox:${version}`
  const deployment = 'gitops/apps/welcome/deployment.yaml'
  const now = /busybox:([\d.]+)/.exec(read(deployment))?.[1] ?? ''
  const first = await run('promote', '--from', 'staging', '--to', 'prod', '--yes')
  assert.equal(first.code, 0, first.stderr)
  assert.match(first.stdout, /^0 versions move/m)
  writeFileSync(join(folder, deployment), read(deployment).replace(image(now), image('9.9.9')))
  commit('a newer busybox')
  const held = () =>
    at(
      built('gitops/environments/prod').find(({ metadata }) => metadata.name === 'welcome')?.spec,
      'source',
      'kustomize',
      'images',
    )
  assert.deepEqual(held(), [image(now)])
  const plan = await run('promote', '--from', 'staging', '--to', 'prod', '--plan', '--json')
  assert.deepEqual(JSON.parse(plan.stdout).moves, [
    { application: 'welcome', of: 'docker.io/library/busybox', from: now, version: '9.9.9' },
  ])
  assert.deepEqual(held(), [image(now)])
  const second = await run('promote', '--from', 'staging', '--to', 'prod', '--yes')
  assert.match(second.stdout, new RegExp(`welcome: docker\\.io/library/busybox ${now} → 9\\.9\\.9`))
  assert.deepEqual(held(), [image('9.9.9')])
  const before = head()
  const again = await run('promote', '--from', 'staging', '--to', 'prod', '--yes')
  assert.match(again.stdout, /prod has them already/)
  assert.equal(head(), before)
  await run('promote', '--from', 'base', '--to', 'prod', '--yes')
  assert.equal(held(), undefined)
})

test('what is no environment, or the same twice, is refused', async () => {
  for (const [from, to, expected] of [
    ['prod', 'prod', /prod to itself/],
    ['test', 'prod', /FROM test: no environment/],
    ['dev', 'base', /TO base: no environment/],
  ] as const) {
    const ended = await run('promote', '--from', from, '--to', to)
    assert.equal(ended.code, 2)
    assert.match(ended.stderr, expected)
  }
})

test('an application that leaves Git leaves nothing behind there but its namespace, with its limits', async () => {
  const ended = await run('remove-app', '--name', 'my-notes', '--yes')
  assert.equal(ended.code, 0, ended.stderr)
  assert.match(ended.stdout, /in the cluster nothing has changed yet\. Next: git push && make remove-app NAME=my-notes/)
  assert.equal(git('grep', '-il', 'my-\\?notes', '--', 'gitops', 'infrastructure').split('\n').length, 4)
  for (const environment of ['dev', 'staging', 'prod'])
    assert.ok(!built(`gitops/environments/${environment}`).some(({ metadata }) => metadata.name === 'my-notes'))
  const back = await run('add-app', ...notes, '--yes')
  assert.equal(back.code, 0, back.stderr)
  assert.match(back.stdout, /Next: git push && make sync/, 'its namespace is still there')
})
