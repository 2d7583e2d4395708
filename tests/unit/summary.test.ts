import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { K8sObject } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import type { Release, Row } from '../../scripts/lib/status/component.ts'
import { platform } from '../../scripts/lib/status/platform.ts'
import { well } from '../../scripts/lib/status/print.ts'
import { releasesOf, summarise } from '../../scripts/lib/status/summary.ts'

const now = new Date('2026-05-01T12:00:00Z')
const site = { domain: 'lab.home.arpa', rancher: true, issuer: { name: 'internal-ca' }, rehearsal: false }

function object(kind: string, name: string, namespace?: string, rest: Record<string, unknown> = {}): K8sObject {
  const { metadata, ...more } = rest as { metadata?: Record<string, unknown> }
  const when = { creationTimestamp: '2026-05-01T11:00:00Z', generation: 1 }
  return {
    apiVersion: 'v1',
    kind,
    metadata: { name, ...(namespace ? { namespace } : {}), ...when, ...metadata },
    ...more,
  }
}

function workload(kind: string, name: string, namespace: string, more: Record<string, unknown> = {}): K8sObject {
  const status = {
    ...{ observedGeneration: 1, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1 },
    ...{ desiredNumberScheduled: 1, currentNumberScheduled: 1, updatedNumberScheduled: 1, numberAvailable: 1 },
  }
  const template = { spec: { containers: [{ image: 'example.org/x:v9.9.9@sha256:00' }] } }
  return object(kind, name, namespace, { spec: { replicas: 1, template }, status, ...more })
}

/** A cluster on which everything is in order. */
function whole(): K8sObject[] {
  return [
    object('Node', 'n1', undefined, {
      status: { conditions: [{ type: 'Ready', status: 'True' }], nodeInfo: { kubeletVersion: 'v1.36.3' } },
    }),
    object('StorageClass', 'local-path', undefined, {
      metadata: { annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    }),
    object('IPAddressPool', 'homelab', 'metallb-system', { spec: { addresses: ['192.168.77.200-192.168.77.220'] } }),
    object('ClusterIssuer', 'internal-ca', undefined, { status: { conditions: [{ type: 'Ready', status: 'True' }] } }),
    object('Service', 'traefik', 'traefik', {
      spec: { type: 'LoadBalancer' },
      status: { loadBalancer: { ingress: [{ ip: '192.168.77.200' }] } },
    }),
    object('Certificate', 'wildcard', 'traefik', {
      status: {
        conditions: [{ type: 'Ready', status: 'True' }],
        notAfter: '2026-07-30T00:00:00Z',
        renewalTime: '2026-07-01T00:00:00Z',
      },
    }),
    ...platform.flatMap(({ needs, namespace }) =>
      needs.map(ref => {
        const [kind = '', name = ''] = ref.split('/')
        return workload(kind, name, namespace)
      }),
    ),
  ]
}

const rowsOf = (objects: K8sObject[], releases: Release[] = [], of = site) => summarise(objects, releases, of, { now })
const row = (rows: Row[], name: string): Row => {
  const found = rows.find(one => one.name === name)
  assert.ok(found, `a row ${name}`)
  return found
}

describe('a summary', () => {
  test('has a row for each numbered script that there is', () => {
    for (const { step } of platform) assert.ok(existsSync(join(root, 'bootstrap', `${step}.ts`)), step)
    assert.deepEqual(
      platform.map(({ step }) => step.slice(0, 2)),
      ['01', '02', '03', '04', '05', '06', '07'],
    )
  })

  test('of a cluster in order is ready throughout', () => {
    const rows = rowsOf(whole())
    assert.deepEqual(
      rows.filter(one => one.state !== 'ready'),
      [],
    )
    assert.equal(well(rows), true)
    const traefik = row(rows, 'Traefik')
    assert.deepEqual(traefik.certificate, { name: 'wildcard', ends: '2026-07-30T00:00:00.000Z' })
    assert.deepEqual(
      [traefik.facts, traefik.url, traefik.version],
      ['192.168.77.200', 'https://traefik.lab.home.arpa', 'v9.9.9'],
    )
    assert.equal(row(rows, 'Nodes').facts, '1 of 1 ready')
  })

  test('of an empty cluster names the script of each component', () => {
    const rows = rowsOf([]).filter(one => one.layer === 'platform')
    assert.equal(rows.length, 7)
    for (const one of rows) assert.deepEqual([one.state, one.fix], ['missing', `./bootstrap/${one.step}.ts`])
    assert.equal(well(rows), false)
  })

  test('a workload that somebody deleted is named, though the others are well', () => {
    const rows = rowsOf(whole().filter(one => one.metadata.name !== 'cert-manager-webhook'))
    assert.match(row(rows, 'cert-manager').cause ?? '', /its Deployment cert-manager-webhook is not there/)
  })

  test('a needed workload scaled to 0 is unwell, another one is not', () => {
    const objects = whole().filter(one => one.metadata.name !== 'traefik' || one.kind !== 'Deployment')
    const rows = rowsOf([
      ...objects,
      workload('Deployment', 'traefik', 'traefik', { spec: { replicas: 0 } }),
      workload('Deployment', 'argocd-dex-server', 'argocd', { spec: { replicas: 0 } }),
    ])
    assert.match(row(rows, 'Traefik').cause ?? '', /its Deployment traefik is scaled to 0/)
    assert.equal(row(rows, 'Argo CD').state, 'ready')
  })

  for (const [what, name, cause] of [
    ['IPAddressPool', 'MetalLB', /has no address pool/],
    ['ClusterIssuer', 'cert-manager', /the issuer internal-ca does not exist/],
    ['StorageClass', 'Storage class', /there is no StorageClass/],
  ] as const)
    test(`without its ${what}, ${name} is unwell`, () => {
      const found = row(rowsOf(whole().filter(one => one.kind !== what)), name)
      assert.equal(found.state, 'unwell')
      assert.match(found.cause ?? '', cause)
    })

  test('the storage class that k3s brings counts', () => {
    const objects = whole().map(one =>
      one.metadata.name === 'local-path-provisioner'
        ? workload('Deployment', 'local-path-provisioner', 'kube-system')
        : one,
    )
    assert.equal(row(rowsOf(objects), 'Storage class').state, 'ready')
  })

  test('Rancher left out by the owner is neither well nor missing', () => {
    const objects = whole().filter(one => one.metadata.namespace !== 'cattle-system')
    const rows = rowsOf(objects, [], { ...site, rancher: false })
    assert.equal(row(rows, 'Rancher').off, true)
    assert.equal(well(rows), true)
    assert.equal(row(rowsOf(objects), 'Rancher').state, 'missing')
  })

  test('version of chart and program from the labels that charts write', () => {
    const version = (labels: Record<string, string>) => {
      const objects = whole().filter(one => one.metadata.name !== 'rancher')
      return row(
        rowsOf([...objects, workload('Deployment', 'rancher', 'cattle-system', { metadata: { labels } })]),
        'Rancher',
      ).version
    }
    assert.equal(
      version({ 'helm.sh/chart': 'traefik-41.3.0', 'app.kubernetes.io/version': 'v3.7.11' }),
      '41.3.0 (v3.7.11)',
    )
    assert.equal(
      version({ 'helm.sh/chart': 'argo-cd-10.3.3', 'app.kubernetes.io/version': 'v3.6.1' }),
      '10.3.3 (v3.6.1)',
    )
    assert.equal(
      version({ 'helm.sh/chart': 'cert-manager-v1.21.2', 'app.kubernetes.io/version': 'v1.21.2' }),
      'v1.21.2',
    )
    assert.equal(version({ chart: 'rancher-2.15.0' }), '2.15.0 (v9.9.9)')
    assert.equal(version({}), 'v9.9.9')
  })
})

describe('releases', () => {
  const release = (status: string, revision = 1, minutes = 1): Release => {
    return { namespace: 'traefik', name: 'traefik', status, revision, modified: now.getTime() - minutes * 60_000 }
  }
  const traefik = (...releases: Release[]) => row(rowsOf(whole(), releases), 'Traefik')

  test('the newest revision counts', () => {
    assert.equal(traefik(release('failed', 9), release('deployed', 10)).state, 'ready')
    assert.match(
      traefik(release('deployed', 9), release('failed', 10)).cause ?? '',
      /last change of the release traefik is failed/,
    )
  })
  test('pending is work for a while, then a killed helm', () => {
    assert.equal(traefik(release('pending-upgrade')).state, 'progressing')
    assert.match(traefik(release('pending-upgrade', 1, 60)).cause ?? '', /left pending-upgrade: Helm was killed/)
  })
  test("are read from their records' labels", () => {
    const labels = { owner: 'helm', name: 'traefik', status: 'deployed', version: '2', modifiedAt: '1795542039' }
    const record = object('Secret', 'sh.helm.release.v1.traefik.v2', 'traefik', { metadata: { labels } })
    assert.deepEqual(releasesOf([record, object('Secret', 'other', 'traefik')]), [
      { namespace: 'traefik', name: 'traefik', status: 'deployed', revision: 2, modified: 1795542039000 },
    ])
  })
})

describe('applications', () => {
  const application = (status?: unknown) =>
    object('Application', 'loki', 'argocd', {
      spec: { source: { chart: 'loki', targetRevision: '18.11.0' } },
      ...(status ? { status } : {}),
    })

  test('have the version of their chart', () => {
    const found = row(
      rowsOf([...whole(), application({ health: { status: 'Healthy' }, sync: { status: 'Synced' } })]),
      'loki',
    )
    assert.deepEqual([found.layer, found.state, found.version], ['applications', 'ready', '18.11.0'])
  })
  test('that nobody looks at are unwell on a cluster, not measurable in a rehearsal', () => {
    assert.equal(row(rowsOf([...whole(), application()]), 'loki').state, 'unwell')
    const rehearsed = row(rowsOf([...whole(), application()], [], { ...site, rehearsal: true }), 'loki')
    assert.deepEqual([rehearsed.off, rehearsed.facts?.startsWith('not measurable here')], [true, true])
  })
})
