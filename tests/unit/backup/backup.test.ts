// Backups as far as they are data: which one is the newest good one, what is late, what would come back, and causes.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { causeOf, locationCause } from '../../../scripts/lib/backup/causes.ts'
import { credentialsFile } from '../../../scripts/lib/backup/credentials.ts'
import { age, backupProblems } from '../../../scripts/lib/backup/late.ts'
import { counted } from '../../../scripts/lib/backup/make.ts'
import { outcome, select } from '../../../scripts/lib/backup/restore.ts'
import { asBackup, asLocation, sorted } from '../../../scripts/lib/backup/velero.ts'
import { readSite, siteFile } from '../../../scripts/lib/gitops/site-file.ts'
import { Snapshot } from '../../../scripts/lib/health/snapshot.ts'
import type { K8sObject } from '../../../scripts/lib/k8s.ts'
import { root } from '../../../scripts/lib/root.ts'
import { sandboxS3 } from '../../../scripts/lib/sandbox/backup/s3.ts'
import { Secret } from '../../../scripts/lib/secrets.ts'
import { backupRows } from '../../../scripts/lib/status/backups.ts'

const now = Date.parse('2026-05-02T12:00:00Z')
const hours = (count: number): string => new Date(now - count * 3_600_000).toISOString()

function backup(name: string, old: number, phase: string, namespaces: string[] = []): K8sObject {
  return {
    apiVersion: 'velero.io/v1',
    kind: 'Backup',
    metadata: { name, namespace: 'velero' },
    spec: { includedNamespaces: namespaces },
    status: { phase, startTimestamp: hours(old) },
  }
}

const location = (status: Record<string, unknown> | undefined, bucket = 'homelab-backups'): K8sObject => ({
  apiVersion: 'velero.io/v1',
  kind: 'BackupStorageLocation',
  metadata: { name: 'default', namespace: 'velero' },
  spec: { objectStorage: { bucket, prefix: 'prod' }, config: { s3Url: 'http://192.168.1.20:9000' } },
  status,
})
const available = { phase: 'Available', lastValidationTime: hours(0) }

describe('which backups one can count on', () => {
  const all = [
    backup('old', 50, 'Completed'),
    backup('good', 20, 'Completed'),
    backup('half', 2, 'PartiallyFailed'),
    backup('some', 1, 'Completed', ['adguard']),
  ].map(asBackup)

  test('the newest good one stands on top, the others by age', () => {
    assert.deepEqual(
      sorted(all.slice(0, 3)).map(({ name }) => name),
      ['good', 'half', 'old'],
    )
  })

  test('26 hours are in time, a minute more is late', () => {
    const at = (old: number) =>
      backupProblems([backup('x', old, 'Completed')].map(asBackup), asLocation(location(available)), now)
    assert.deepEqual(at(26), [])
    assert.match(at(26.02)[0]?.what ?? '', /26 h old/)
  })

  test('one of a namespace, one in progress or one with errors is no substitute', () => {
    for (const one of [
      backup('a', 1, 'Completed', ['x']),
      backup('b', 1, 'InProgress'),
      backup('c', 1, 'PartiallyFailed'),
    ])
      assert.match(
        backupProblems([asBackup(one)], asLocation(location(available)), now)[0]?.what ?? '',
        /no good backup/,
      )
  })

  test('an unavailable location comes before a late backup', () => {
    const found = backupProblems(
      all.slice(0, 1),
      asLocation(location({ phase: 'Unavailable', message: 'NoSuchBucket' })),
      now,
    )
    assert.deepEqual(
      found.map(({ what }) => what),
      ['the storage location is unavailable', 'the newest good backup of the whole cluster is 2 days old'],
    )
  })

  test('ages in words', () => {
    assert.deepEqual(
      [0, 89, 91, 60 * 47, 60 * 49].map(one => age(one * 60_000)),
      ['0 min', '89 min', '2 h', '47 h', '2 days'],
    )
  })
})

describe('the row of a summary', () => {
  const row = (objects: K8sObject[], rehearsal = false) =>
    backupRows(new Snapshot(objects, { now: new Date(now), known: ['Backup', 'BackupStorageLocation'] }), rehearsal)

  test('none without Velero', () => assert.deepEqual(row([]), []))

  test('a good one is told with its age, a late one is a warning and not unwell', () => {
    assert.equal(row([location(available), backup('a', 3, 'Completed')])[0]?.facts, 'newest good one 3 h old')
    const [late] = row([location(available), backup('a', 30, 'Completed')])
    assert.deepEqual([late?.state, late?.warning], ['ready', true])
    assert.match(late?.cause ?? '', /30 h old/)
  })

  test('without S3 the owner is told what to set', () => {
    const [none] = row([location({ phase: 'Unavailable', message: 'x' }, '')])
    assert.match(`${none?.cause} ${none?.fix}`, /no S3 server is set, so nothing is backed up.*S3_ENDPOINT/)
  })

  test('in a sandbox without Velero nothing is claimed', () => {
    assert.match(row([location(undefined)], true)[0]?.facts ?? '', /not measurable here/)
  })
})

test('causes: what Velero and its plugin said, in the words of an owner', () => {
  for (const [words, expected] of [
    [
      'rpc error: code = Unknown desc = operation error S3: ListObjectsV2, https response error StatusCode: 404, api error NoSuchBucket: The specified bucket does not exist',
      /no such bucket/,
    ],
    [
      'operation error S3: ListObjectsV2, https response error StatusCode: 403, api error InvalidAccessKeyId: The AWS Access Key Id you provided does not exist',
      /refuses the key \(InvalidAccessKeyId/,
    ],
    [
      'StatusCode: 403, RequestID: , HostID: , api error SignatureDoesNotMatch: The request signature',
      /refuses the key \(SignatureDoesNotMatch/,
    ],
    [
      'request send failed, Get "http://192.168.1.20:9000/x": dial tcp 192.168.1.20:9000: connect: connection refused',
      /cannot be reached .*connection refused/,
    ],
    ['dial tcp: lookup nas.lan on 10.43.0.10:53: no such host', /no address for the name/],
    ['tls: failed to verify certificate: x509: certificate signed by unknown authority', /fails in TLS/],
    [
      'unable to get credentials: unable to get key for secret: Secret "velero-s3" not found',
      /no key to the S3 server/,
    ],
    ['daemonset pod not found in running state in node node-1', /node agent/],
    ['something that nobody has seen', /^something that nobody has seen$/],
    ['', /gives no reason/],
  ] as const)
    assert.match(causeOf(words).why, expected, words)
  assert.match(locationCause(asLocation(location(undefined))).why, /has not looked/)
})

describe('what would come back', () => {
  const list = {
    'v1/Namespace': ['a', 'kube-system', 'b'],
    'v1/ConfigMap': ['a/x', 'a/y', 'b/x', 'kube-system/z', 'velero/v'],
    'v1/Pod': ['a/p'],
    'apps/v1/ReplicaSet': ['a/r'],
    'apps/v1/Deployment': ['a/d'],
    'rbac.authorization.k8s.io/v1/ClusterRole': ['admin'],
    'v1/Node': ['n1'],
  }

  test('of one namespace only its own, without what its controllers make anew', () => {
    assert.deepEqual(select(list, ['a']), {
      'v1/Namespace': ['a'],
      'v1/ConfigMap': ['a/x', 'a/y'],
      'apps/v1/Deployment': ['a/d'],
    })
  })

  test('of everything neither the system nor Velero, nor nodes', () => {
    assert.deepEqual(select(list, []), {
      'v1/Namespace': ['a', 'b'],
      'v1/ConfigMap': ['a/x', 'a/y', 'b/x'],
      'apps/v1/Deployment': ['a/d'],
      'rbac.authorization.k8s.io/v1/ClusterRole': ['admin'],
    })
  })

  test('a restore says of each object what became of it', () => {
    const became = { 'v1/ConfigMap': ['a/x(created)', 'a/y(skipped)'], 'v1/Secret': ['a/s(failed)', 'a/t(updated)'] }
    assert.deepEqual(outcome(became), {
      created: ['ConfigMap a/x'],
      skipped: ['ConfigMap a/y'],
      updated: ['Secret a/t'],
      failed: ['Secret a/s'],
    })
  })

  test('objects are counted by namespace and by kind', () => {
    assert.deepEqual(counted({ 'v1/ConfigMap': ['a/x', 'b/x'], 'v1/Node': ['n'] }), {
      byNamespace: { a: 1, b: 1, cluster: 1 },
      byKind: { ConfigMap: 2, Node: 1 },
    })
  })
})

test('the key reaches the plugin in its own format, and is not shown on the way', () => {
  const file = credentialsFile({ accessKey: 'me', secretKey: new Secret('0123456789abcdef') })
  assert.equal(file.reveal(), '[default]\naws_access_key_id=me\naws_secret_access_key=0123456789abcdef\n')
  assert.doesNotMatch(`${file} ${JSON.stringify(file)}`, /0123456789abcdef/)
})

test('the sandbox’s S3 server is the one of dev’s site file', () => {
  const site = readSite(readFileSync(join(root, siteFile('dev')), 'utf8'), 'site.yaml')
  const { endpoint, bucket, region } = sandboxS3()
  assert.deepEqual([site.get('s3Endpoint'), site.get('s3Bucket'), site.get('s3Region')], [endpoint, bucket, region])
})
