// Backups by the real Velero, into a real S3 server: a namespace is saved, deleted, brought back, and compared object by
// object. Then what goes wrong in homes. The bytes of volumes are not measurable here: a sandbox's volumes have none.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { parseManifest } from '../../scripts/inventory.ts'
import { credentialsFile } from '../../scripts/lib/backup/credentials.ts'
import { condition, type K8sObject, textAt } from '../../scripts/lib/k8s.ts'
import { sandboxS3 } from '../../scripts/lib/sandbox/backup/s3.ts'
import { sandboxSwitch } from '../../scripts/lib/sandbox/cluster.ts'
import { builtExtra, notBuilt } from '../../scripts/lib/sandbox/extra-build.ts'
import { readPrograms } from '../../scripts/lib/sandbox/record.ts'
import { Secret } from '../../scripts/lib/secrets.ts'
import { Lab, sandboxFor } from './support.ts'

const name = 'e2e-backup'
const skip = await notBuilt('backup')
const s3 = sandboxS3()

/** Velero as its chart makes it, as far as its server needs it. */
function velero(): K8sObject[] {
  const namespace = 'velero'
  const labels = { name: 'velero' }
  const container = {
    name: 'velero',
    image: 'docker.io/velero/velero:v1.18.1',
    args: ['server', '--default-volumes-to-fs-backup'],
  }
  const subject = { kind: 'ServiceAccount', name: 'velero-server', namespace }
  const role = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' }
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'velero-server', namespace } },
    {
      ...{
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRoleBinding',
        metadata: { name: 'velero-server' },
      },
      ...{ subjects: [subject], roleRef: role },
    },
    {
      apiVersion: 'velero.io/v1',
      kind: 'BackupStorageLocation',
      metadata: { name: 'default', namespace },
      spec: {
        ...{ provider: 'velero.io/aws', default: true, credential: { name: 'velero-s3', key: 'cloud' } },
        objectStorage: { bucket: s3.bucket, prefix: 'dev' },
        config: { s3Url: s3.endpoint, region: s3.region, s3ForcePathStyle: 'true', checksumAlgorithm: '' },
        validationFrequency: '1s', // a minute by default
      },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'velero', namespace },
      spec: {
        ...{ replicas: 1, strategy: { type: 'Recreate' }, selector: { matchLabels: labels } },
        template: { metadata: { labels }, spec: { serviceAccountName: 'velero-server', containers: [container] } },
      },
    },
  ]
}

const key = (secretKey: Secret): K8sObject => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'velero-s3', namespace: 'velero' },
  data: { cloud: Buffer.from(credentialsFile({ accessKey: s3.accessKey, secretKey }).reveal()).toString('base64') },
})

/** Something of each sort that a home runs. */
function workshop(): K8sObject[] {
  const namespace = 'workshop'
  const labels = { app: 'bench' }
  const pod = { containers: [{ name: 'bench', image: 'example.org/bench:v1.0.0', env: [{ name: 'A', value: '1' }] }] }
  const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }]
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace, labels: { 'my/label': 'kept' } } },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'plans', namespace }, data: { drawing: 'a\nb\n' } },
    { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'key', namespace }, data: { code: 'c2VjcmV0' } },
    {
      ...{ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'data', namespace } },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    },
    {
      ...{
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'bench', namespace, annotations: { why: 'work' } },
      },
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { ...pod, volumes } },
      },
    },
    {
      ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'bench', namespace } },
      spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] },
    },
    {
      ...{ apiVersion: 'tools.example.org/v1', kind: 'Saw', metadata: { name: 'circular', namespace } },
      spec: { teeth: 24 },
    },
  ]
}

const saws: K8sObject = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'saws.tools.example.org' },
  spec: {
    ...{ group: 'tools.example.org', scope: 'Namespaced', names: { kind: 'Saw', plural: 'saws', singular: 'saw' } },
    versions: [
      {
        ...{ name: 'v1', served: true, storage: true },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { spec: { type: 'object', properties: { teeth: { type: 'integer' } } } },
          },
        },
      },
    ],
  },
}

/** What an owner wrote, without what the cluster adds at each making. */
function essence(object: K8sObject | undefined): unknown {
  if (!object) return undefined
  const { labels, annotations } = object.metadata
  const own = (map: Record<string, string> = {}) =>
    Object.fromEntries(Object.entries(map).filter(([one]) => !/velero\.io|kubernetes\.io|^pv\./.test(one)))
  const spec = structuredClone(object.spec) as Record<string, unknown> | undefined
  for (const given of ['clusterIP', 'clusterIPs', 'volumeName']) delete spec?.[given]
  return { spec, data: object.data, labels: own(labels), annotations: own(annotations) }
}

describe('backups', { skip }, () => {
  let lab: Lab
  const at = (file: string, ...args: string[]) => lab.run(file, args)
  const until = async (what: string, ready: () => Promise<boolean>, seconds = 60) => {
    for (const end = Date.now() + seconds * 1000; Date.now() < end; await new Promise(next => setTimeout(next, 300)))
      if (await ready()) return
    assert.fail(`${what} within ${seconds} s`)
  }
  const phase = async () =>
    textAt((await lab.cluster.find('backupstoragelocations.velero.io/velero/default'))?.status, 'phase')

  before(async () => {
    lab = new Lab(await sandboxFor(name, { extras: ['backup'] }))
    const storage = await lab.run('bootstrap/01-storage-class.ts')
    assert.equal(storage.code, 0, storage.stdout + storage.stderr)
    const { dir } = (await builtExtra('backup')) ?? { dir: '' }
    // The CRDs as this very Velero knows them.
    const crds = execFileSync(join(dir, 'velero'), ['install', '--crds-only', '--dry-run', '-o', 'yaml'], {
      encoding: 'utf8',
    })
    await lab.cluster.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'velero' } }])
    const kinds = [
      ...parseManifest(crds).flatMap(one => (one.kind === 'List' ? (one.items as K8sObject[]) : [one])),
      saws,
    ]
    await lab.cluster.apply(kinds)
    await until('the kinds are served', async () => {
      const all = await lab.cluster.list('customresourcedefinitions.apiextensions.k8s.io')
      return all.length >= kinds.length && all.every(one => condition(one, 'Established')?.status === 'True')
    })
    await lab.cluster.apply([key(s3.secretKey), ...velero()])
    await lab.cluster.apply(workshop())
    await until('the location is available', async () => (await phase()) === 'Available', 120)
    assert.ok((await readPrograms(join(lab.sandbox.kubeconfig, '..'))).includes('velero'), 'Velero’s own server runs')
  })
  after(() => lab?.end())

  test('before the first one, the list says that there is none, and what to do', async () => {
    const ended = await at('scripts/backups.ts')
    const { problems, backups } = JSON.parse(ended.stdout)
    assert.deepEqual([ended.code, backups], [1, []])
    assert.deepEqual(
      [problems[0].what, problems[0].fix],
      ['there is no good backup of the whole cluster', 'make backup'],
    )
  })

  test('a namespace that is not there is refused: an empty backup would look like a good one', async () => {
    const ended = await at('scripts/backup.ts', '--namespaces', 'workshp')
    assert.deepEqual([ended.code, ended.writes], [2, []])
    assert.match(ended.stdout + ended.stderr, /there is no namespace workshp.*did you mean workshop/s)
  })

  let made = ''
  test('a backup says what is in it', async () => {
    const ended = await at('scripts/backup.ts')
    assert.equal(ended.code, 0, ended.stdout + ended.stderr)
    const contents = JSON.parse(ended.stdout)
    made = contents.backup.name
    assert.equal(contents.unread, undefined)
    assert.equal(contents.claims, 1)
    assert.ok(contents.byNamespace.workshop >= workshop().length - 1, JSON.stringify(contents.byNamespace))
    assert.equal(contents.byKind.Saw, 1)
    assert.ok(contents.size > 1000, `an archive of ${contents.size} bytes`)
    assert.equal((await at('scripts/backups.ts')).code, 0)
  })

  test('a namespace deleted as a whole comes back object by object; nothing else is touched', async () => {
    const refs = ['configmaps/workshop/plans', 'secrets/workshop/key', 'deployments.apps/workshop/bench']
    refs.push(
      'services/workshop/bench',
      'persistentvolumeclaims/workshop/data',
      'saws.tools.example.org/workshop/circular',
    )
    const before = await Promise.all(refs.map(ref => lab.cluster.find(ref)))
    await lab.cluster.delete({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'workshop' } })
    await until('the namespace is gone', async () => (await lab.cluster.find('namespaces/workshop')) === undefined, 90)

    const plan = await at('scripts/restore.ts', '--namespace', 'workshop', '--plan')
    const { missing, existing } = JSON.parse(plan.stdout).plan
    assert.deepEqual([plan.code, existing], [0, []])
    assert.ok(missing.includes('Saw workshop/circular') && missing.includes('Namespace workshop'), missing.join(', '))
    assert.equal(await lab.cluster.find('namespaces/workshop'), undefined, 'a plan brings nothing back')

    const ended = await at('scripts/restore.ts', '--namespace', 'workshop')
    assert.equal(ended.code, 0, ended.stdout + ended.stderr)
    const { restored } = JSON.parse(ended.stdout)
    assert.deepEqual(restored.failed, [])
    for (const [i, ref] of refs.entries()) {
      const now = await lab.cluster.find(ref)
      assert.notEqual(now?.metadata.uid, before[i]?.metadata.uid, `${ref} is a new one`)
      assert.deepEqual(essence(now), essence(before[i]), ref)
    }
    const namespace = await lab.cluster.find('namespaces/workshop')
    assert.equal(namespace?.metadata.labels?.['my/label'], 'kept')
    await until(
      'its claim is bound anew',
      async () => textAt((await lab.cluster.find('persistentvolumeclaims/workshop/data'))?.status, 'phase') === 'Bound',
    )
  })

  test('what exists is left alone, unless one asks for it to be set back', async () => {
    const plans = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'plans', namespace: 'workshop' } }
    await lab.cluster.patch(plans, { data: { drawing: 'changed' } })
    await lab.cluster.delete({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'key', namespace: 'workshop' } })
    const ended = await at('scripts/restore.ts', '--backup', made, '--namespace', 'workshop')
    assert.equal(ended.code, 0, ended.stdout + ended.stderr)
    assert.ok(JSON.parse(ended.stdout).restored.created.includes('Secret workshop/key'))
    assert.equal(textAt(await lab.cluster.now(plans), 'data', 'drawing'), 'changed')

    const back = await at('scripts/restore.ts', '--backup', made, '--namespace', 'workshop', '--overwrite')
    assert.equal(back.code, 0, back.stdout + back.stderr)
    assert.equal(textAt(await lab.cluster.now(plans), 'data', 'drawing'), 'a\nb\n')
  })

  test('a backup that does not exist is refused, with the nearest that does', async () => {
    const ended = await at('scripts/restore.ts', '--backup', `${made.slice(0, -1)}x`)
    assert.deepEqual([ended.code, ended.writes], [2, []])
    assert.match(ended.stdout, new RegExp(`there is no backup .*did you mean ${made}`))
  })

  describe('what goes wrong', () => {
    // Velero looks at its storage every ten seconds, and at once when what is asked of it changes.
    let looks = 0
    const turns = async (wanted: string) => {
      const location = {
        apiVersion: 'velero.io/v1',
        kind: 'BackupStorageLocation',
        metadata: { name: 'default', namespace: 'velero' },
      }
      await lab.cluster.patch(location, { spec: { validationFrequency: `${1 + (looks++ % 2)}s` } })
      return (await phase()) === wanted
    }
    /** Until Velero has seen it, then what the owner is told. */
    const told = async () => {
      await until('Velero has noticed', () => turns('Unavailable'), 90)
      const ended = await at('scripts/backup.ts')
      assert.equal(ended.code, 1, ended.stdout)
      const { problems } = JSON.parse(ended.stdout)
      assert.equal((await at('scripts/backups.ts')).code, 1, 'the list says it too')
      return `${problems[0].what}: ${problems[0].why}. ${problems[0].fix}`
    }
    const well = () => until('it is available again', () => turns('Available'), 90)
    const bucket = () => join(lab.sandbox.kubeconfig, '..', 's3', 'buckets', s3.bucket)

    test('a wrong key', async () => {
      await lab.cluster.apply([key(new Secret('not-the-right-one-at-all'))])
      assert.match(await told(), /refuses the key.*S3_SECRET_KEY/)
      await lab.cluster.apply([key(s3.secretKey)])
      await well()
    })

    test('a bucket that is not there', async () => {
      renameSync(bucket(), `${bucket()}.away`)
      assert.match(await told(), /no such bucket.*S3_BUCKET/)
      renameSync(`${bucket()}.away`, bucket())
      await well()
      assert.ok(readdirSync(bucket()).includes('dev'), 'each environment has a folder of its own')
    })

    test('a server that is down', async () => {
      await sandboxSwitch(lab.sandbox, ['s3-server'])
      assert.match(await told(), /cannot be reached/)
      await sandboxSwitch(lab.sandbox, [])
      await well()
    })
  })
})
