// Secrets are where they belong and nowhere else: known ones are planted, the generated ones read, and all of them looked
// for in everything that a run leaves behind or shows while it lasts.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { after, before, test } from 'node:test'
import { type K8sObject, mapAt } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import { programsRoot, sandboxesRoot } from '../../scripts/lib/sandbox/paths.ts'
import { processes } from '../../scripts/lib/sandbox/processes.ts'
import { readRecord, writeRecord } from '../../scripts/lib/sandbox/record.ts'
import { everyObject, releaseRecord } from '../faults/state.ts'
import { report } from '../figures.ts'
import { temporaryFolder } from '../temporary.ts'
import { Lab, sandboxFor } from './support.ts'

// Odd characters make the forms differ: `/` and `+` in an address, `"` and `\` in JSON.
const planted = {
  'git token': 'canary/git+0"1\\2=3456789',
  // Made anew each time: Git holds this file too.
  'cloudflare token': `canary_cloudflare_${randomBytes(11).toString('hex')}`,
}

/** Rancher's chart copies its first password into its record; it is of no use after the first login. */
const allowed = 'cattle-system/bootstrap-secret bootstrapPassword in the release record cattle-system/rancher'

const folder = temporaryFolder('canaries')
const place = (name: string) => join(folder, name)
const calls = place('calls.log')

let lab: Lab
/** What was shown or lay about while a run lasted, by where. */
const seen = new Map<string, string[]>()
const see = (where: string, text: string) => seen.set(where, [...(seen.get(where) ?? []), text])

before(async () => {
  for (const name of ['tmp', 'cache/homelab', 'home']) mkdirSync(place(name), { recursive: true })
  symlinkSync(programsRoot(), place('cache/homelab/programs'))
  lab = new Lab(await sandboxFor('e2e-canaries'))
  await recordCalls()
})
after(() => lab?.end())

/** kubectl and helm are found where a shell script writes down its arguments and environment first. */
async function recordCalls(): Promise<void> {
  const record = await readRecord(lab.sandbox.dir)
  assert.ok(record, 'the sandbox has a record')
  for (const name of ['kubectl', 'helm'] as const) {
    const text = `#!/bin/sh\n{ printf '%s ' ${name} "$@"; echo; env; } >> '${calls}'\nexec '${record.programs[name]}' "$@"\n`
    writeFileSync(place(name), text)
    chmodSync(place(name), 0o755)
    record.programs[name] = place(name)
  }
  await writeRecord(record)
}

/** A bootstrap whose whole surroundings are watched. */
async function watched(lines: string, args: string[], patience?: string): Promise<number> {
  const site = readFileSync(join(root, 'infrastructure/sandbox/site.env'), 'utf8').replace(
    /DOMAIN=.*/,
    'DOMAIN=lab-of-ada.net', // Let's Encrypt wants a real one
  )
  writeFileSync(place('site.env'), `${site}${lines}`, { mode: 0o600 })
  const watch = setInterval(() => {
    for (const { command } of processes()) if (command.includes(lab.sandbox.dir)) see('arguments of a process', command)
    lookAtFiles('tmp')
  }, 50)
  try {
    const ended = await lab.run('bootstrap/bootstrap-all.ts', args, {
      env: {
        HOMELAB_SANDBOX_SITE: relative(root, place('site.env')),
        HOMELAB_SANDBOX_DIR: sandboxesRoot(),
        XDG_CACHE_HOME: place('cache'),
        TMPDIR: place('tmp'),
        HOME: place('home'),
        HOMELAB_PATIENCE: patience,
      },
    })
    see('output', ended.stdout)
    see('output', ended.stderr)
    return ended.code
  } finally {
    clearInterval(watch)
  }
}

function lookAtFiles(name: string): void {
  for (const entry of readdirSync(place(name), { recursive: true, withFileTypes: true }))
    try {
      const path = join(entry.parentPath, entry.name)
      if (entry.isFile()) see(`files in ${name}`, readFileSync(path, 'latin1'))
    } catch {
      // it was gone before it could be read
    }
}

/** Everything besides what was watched: files, calls, logs, Git, and the cluster without the data of its Secrets. */
async function lookAround(): Promise<void> {
  for (const name of ['cache', 'home', 'tmp']) lookAtFiles(name)
  see('arguments and environment of kubectl and helm', readFileSync(calls, 'utf8'))
  const logs = [lab.sandbox.auditLog, ...['logs', 'run'].map(name => join(lab.sandbox.dir, name))].filter(existsSync)
  see('audit log', readFileSync(logs[0] ?? '', 'utf8'))
  see(
    'Git',
    execFileSync('git', ['-C', root, 'cat-file', '--batch-all-objects', '--batch', '--buffer'], {
      maxBuffer: 1e9,
      encoding: 'latin1',
    }),
  )
  see('work tree', execFileSync('git', ['-C', root, 'diff', 'HEAD'], { maxBuffer: 1e9, encoding: 'utf8' }))
  const events = await lab.cluster.list('events')
  for (const object of [...(await everyObject(lab.cluster)), ...events]) {
    const { kind, metadata } = object
    const name = `${metadata.namespace ?? ''}/${metadata.labels?.name ?? metadata.name}`
    if (kind !== 'Secret') see('objects that are no Secrets', JSON.stringify(object))
    else if (isRelease(object)) see(`the release record ${name}`, JSON.stringify(releaseRecord(object)))
    else see('metadata of Secrets', JSON.stringify(metadata))
  }
}

const isRelease = (object: K8sObject): boolean => object.metadata.name.startsWith('sh.helm.release.v1.')

/** The forms in which tools repeat a text; of base64 also what it looks like behind one or two other characters. */
function formsOf(secret: string): string[] {
  const shifted = [1, 2].map(by =>
    Buffer.from(`${'x'.repeat(by)}${secret}`)
      .toString('base64')
      .slice(4, -4),
  )
  const base64 = Buffer.from(secret).toString('base64')
  return [
    secret,
    base64,
    base64.slice(0, -4),
    base64.replaceAll('+', '-').replaceAll('/', '_'),
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
    ...shifted,
  ]
}

/** Where which secret was found: `git token in output`. */
function found(secrets: ReadonlyMap<string, string>): string[] {
  const hits = new Set<string>()
  for (const [where, texts] of seen) {
    const all = texts.join('\n')
    for (const [name, secret] of secrets)
      if (formsOf(secret).some(form => all.includes(form))) hits.add(`${name} in ${where}`)
  }
  return [...hits].sort()
}

/** The generated ones, as the cluster keeps them now: whatever a Secret of our namespaces holds that is not public. */
async function generated(): Promise<Map<string, string>> {
  const secrets = (await lab.cluster.list('secrets')).filter(object => !isRelease(object))
  const hidden = /password|token|tls\.key|private|secret/i
  return new Map(
    secrets.flatMap(object =>
      Object.entries(mapAt(object, 'data')).flatMap(([key, value]): [string, string][] => {
        const text = Buffer.from(value, 'base64').toString()
        if (!hidden.test(key) || text.length < 12) return []
        // Of a key what is in the middle: its first line is everybody's.
        const name = `${object.metadata.namespace}/${object.metadata.name} ${key}`
        return [[name, text.includes('-----BEGIN') ? (text.split('\n')[2] ?? text) : text]]
      }),
    ),
  )
}

const known = () => new Map<string, string>(Object.entries(planted))
const gitLines = `GIT_USERNAME=ada\nGIT_TOKEN='${planted['git token']}'\n`

test('a run with every secret, shown with --debug, leaks none', async () => {
  assert.equal(await watched(gitLines, ['--debug']), 0, seen.get('output')?.join('\n'))
})

test('neither does one that fails while it waits for an issuer', async () => {
  const acme = `TLS_ISSUER=letsencrypt-staging\nACME_EMAIL=ada@lab-of-ada.net\nDNS_PROVIDER=cloudflare\nCLOUDFLARE_API_TOKEN=${planted['cloudflare token']}\n`
  const site = gitLines + acme
  assert.equal(await watched(site, ['--debug'], '8'), 1, seen.get('output')?.join('\n'))
})

test('and they are nowhere but in Secrets', async t => {
  await lookAround()
  const secrets = new Map([...known(), ...(await generated())])
  assert.ok(secrets.size >= 8, `there are generated ones: ${[...secrets.keys()].join(', ')}`)
  for (const where of [
    'output',
    'arguments of a process',
    'files in cache',
    'Git',
    'audit log',
    'objects that are no Secrets',
  ])
    assert.ok(
      seen.get(where)?.some(text => text.length > 0),
      `${where} was looked at`,
    )
  const hits = found(secrets)
  const wrong = hits.filter(hit => hit !== allowed)
  report(t, 'canaries', {
    secrets: secrets.size,
    places: seen.size,
    found: wrong.length,
    excepted: hits.length - wrong.length,
  })
  assert.deepEqual(hits, [allowed])
})

test('a leak would be found, in whatever form and place', async () => {
  seen.clear()
  const [git, cloudflare] = [planted['git token'], planted['cloudflare token']]
  await lab.cluster.apply([
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'leak', namespace: 'default', annotations: { token: cloudflare } },
      data: { header: Buffer.from(`ada:${git}`).toString('base64') },
    } as K8sObject,
  ])
  execFileSync(place('kubectl'), ['version', '--client', `--token=${git}`], { stdio: 'ignore' })
  writeFileSync(place('tmp/leak'), encodeURIComponent(git))
  writeFileSync(place('cache/leak'), JSON.stringify({ git }))
  see('output', `using ${cloudflare}`)
  await lookAround()
  assert.deepEqual(found(known()), [
    'cloudflare token in objects that are no Secrets',
    'cloudflare token in output',
    'git token in arguments and environment of kubectl and helm',
    'git token in files in cache',
    'git token in files in tmp',
    'git token in objects that are no Secrets',
  ])
})
