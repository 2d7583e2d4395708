// Each check on a cluster that is broken in one way, and all of them on clusters that are well.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { exit, type HomelabError } from '../../../scripts/lib/errors.ts'
import type { K8sObject } from '../../../scripts/lib/k8s.ts'
import { selects } from '../../../scripts/lib/k8s.ts'
import { examine, noticesOf, refuseProblems } from '../../../scripts/lib/preflight/check.ts'
import { checks } from '../../../scripts/lib/preflight/checks.ts'
import { faults as cluster } from './faults/cluster.ts'
import { faults as network } from './faults/network.ts'
import { faults as nodes } from './faults/nodes.ts'
import { faults as others } from './faults/others.ts'
import { bare, type Change, facts, lines, node, object, pod, withNodes } from './support.ts'

const faults = [...cluster, ...nodes, ...network, ...others]

describe('each fault is named by its check', () => {
  for (const { check, fault, change, says } of faults)
    test(`${check}: ${fault}`, () => {
      const found = lines(check, change)
      assert.equal(found.length, says.length, found.join('\n'))
      says.forEach((pattern, i) => {
        assert.match(found[i] ?? '', pattern)
      })
    })

  test('every check that can find something is in the table', () => {
    const never = ['tools.node', 'nodes.inside', 'network.house', 'tools.repository'] // the last has a file of its own
    const tested = new Set([...faults.map(({ check }) => check), ...never])
    assert.deepEqual(
      checks.map(({ id }) => id).filter(id => !tested.has(id)),
      [],
    )
  })
})

/** What a distribution looks like that is set up as PREPARE.md says. */
const distributions: Record<string, Change> = {
  'k3s, with its own local-path': {
    objects: [
      ...bare(
        object('StorageClass', 'local-path', {
          metadata: { annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
          ...{
            provisioner: 'rancher.io/local-path',
            volumeBindingMode: 'WaitForFirstConsumer',
            reclaimPolicy: 'Delete',
          },
        }),
        object('Deployment', 'kube-system/local-path-provisioner'),
      ).filter(one => one.kind !== 'Node'),
      ...['n1', 'n2', 'n3'].map(name =>
        node(name, { annotations: { 'k3s.io/node-args': '["server","--disable","traefik","--disable=servicelb"]' } }),
      ),
    ],
  },
  RKE2: {
    kubernetes: 'v1.36.3+rke2r1',
    objects: bare(object('HelmChart', 'kube-system/rke2-canal'), object('DaemonSet', 'kube-system/rke2-canal')),
  },
  'kubeadm, with a worker': {
    kubernetes: 'v1.36.3',
    kubectl: { value: 'v1.35.1' },
    objects: [
      ...bare().filter(one => one.metadata.name !== 'n1'),
      node('n1', { taints: [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }] }),
      object('ConfigMap', 'kube-system/kube-proxy', {
        data: { 'config.conf': 'ipvs:\n  strictARP: false\nmode: ""\n' },
      }),
    ],
  },
  'two stacks, IPv4 first': {
    objects: bare(object('Service', 'web/web', { spec: { ipFamilies: ['IPv4', 'IPv6'], clusterIP: '10.43.0.9' } })),
  },
}

describe('a list of what is well is green', () => {
  for (const [name, change] of Object.entries(distributions))
    test(name, () => {
      const results = examine(checks, facts(change)).flatMap(({ check, results }) =>
        results.map(result => `${check.id} ${JSON.stringify(result)}`),
      )
      assert.deepEqual(
        results.filter(line => !/"state":"(well|unknown)"/.test(line)),
        [],
      )
      // What no API tells is said, and it is no more than that.
      const unknown = results.filter(line => line.includes('"state":"unknown"'))
      assert.ok(unknown.length >= 4 && unknown.length <= 5, unknown.join('\n'))
    })

  test('what is installed already needs no room', () => {
    const running = ['controller-5d4f6b7c8-abcde'].map(name => pod(`metallb-system/metallb-${name}`, 'n1'))
    const speakers = ['n1', 'n2', 'n3'].map((on, i) => pod(`metallb-system/metallb-speaker-abcd${i}`, on))
    const full = ['n1', 'n2', 'n3'].map(name => pod(`default/full-${name}`, name, { memory: '8Gi', cpu: '4' }))
    const change = { steps: ['02-metallb'], objects: bare(...running, ...speakers, ...full) }
    assert.match(lines('nodes.capacity', change).join(), /^well: everything has its place/)
  })

  test("the bundled Traefik's leftovers are its own check's", () => {
    const owned: K8sObject = object('CustomResourceDefinition', 'middlewares.traefik.io', {
      metadata: {
        annotations: { 'meta.helm.sh/release-name': 'traefik-crd', 'meta.helm.sh/release-namespace': 'kube-system' },
      },
    })
    assert.match(lines('owners.platform', { objects: bare(owned) }).join(), /^well/)
  })

  test('our own webhooks without a pod do not keep a run from bringing them back', () => {
    const own = object('ValidatingWebhookConfiguration', 'metallb-webhook-configuration', {
      webhooks: [
        {
          name: 'ipaddresspoolvalidationwebhook.metallb.io',
          clientConfig: { service: { namespace: 'metallb-system', name: 'metallb-webhook-service' } },
          rules: [{ apiGroups: ['metallb.io'], resources: ['ipaddresspools'], operations: ['CREATE'] }],
        },
      ],
    })
    assert.match(lines('leftovers.webhooks', { objects: bare(own) }).join(), /^warning/)
  })

  test('a dead webhook that lets pass what it cannot look at, and one with a pod', () => {
    const configuration = (policy: string, service: string) =>
      object('ValidatingWebhookConfiguration', service, {
        webhooks: [
          {
            ...{ name: 'x.example.org', failurePolicy: policy },
            clientConfig: { service: { namespace: 'a', name: service } },
            rules: [{ apiGroups: ['*'], resources: ['*/*'], operations: ['*'] }],
          },
        ],
      })
    const slice = (ready: boolean) =>
      object('EndpointSlice', `a/alive-${ready}`, {
        metadata: { labels: { 'kubernetes.io/service-name': 'alive' } },
        endpoints: [{ conditions: { ready } }],
      })
    const alive = [configuration('Ignore', 'gone'), configuration('Fail', 'alive'), object('Service', 'a/alive')]
    assert.match(lines('leftovers.webhooks', { objects: bare(...alive, slice(true)) }).join(), /^well/)
    assert.match(lines('leftovers.webhooks', { objects: bare(...alive, slice(false)) }).join(), /^problem/)
  })

  test('a node that has just become ready still has its taint', () => {
    const taints = [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }]
    const objects = withNodes(...['n1', 'n2', 'n3'].map(name => node(name, { taints })))
    for (const check of ['nodes.taints', 'nodes.capacity']) assert.match(lines(check, { objects }).join(), /^well/)
  })

  test('our own Services with their own addresses', () => {
    const own = object('Service', 'traefik/traefik', {
      status: { loadBalancer: { ingress: [{ ip: '192.168.1.200' }] } },
    })
    assert.match(lines('network.pool-used', { objects: bare(own) }).join(), /^well/)
  })

  test('what is not chosen is not looked for', () => {
    const change = {
      steps: ['01-storage-class'],
      objects: bare(
        object('DaemonSet', 'kube-system/svclb-x'),
        object('HelmChart', 'kube-system/traefik'),
        object('CustomResourceDefinition', 'ipaddresspools.metallb.io'),
      ),
    }
    for (const check of ['network.bundled-load-balancer', 'network.bundled-ingress', 'owners.platform'])
      assert.match(lines(check, change).join(), /^well/)
  })
})

describe('a run', () => {
  const refusal = (change: Change): HomelabError | undefined => {
    try {
      refuseProblems(examine(checks, facts(change)), fix => fix.replace('kubectl', 'KUBECTL'))
      return undefined
    } catch (error) {
      return error as HomelabError
    }
  }
  const two = [
    object('StorageClass', 'a', {
      metadata: { annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
    }),
    object('DaemonSet', 'kube-system/svclb-x'),
  ]

  test('is refused with every problem at once, and exit code 2', () => {
    const error = refusal({ objects: bare(...two) })
    assert.equal(error?.code, exit.usage)
    assert.equal(error.others.length, 1)
    assert.deepEqual(Object.keys(error.others[0] ?? {}).sort(), ['fix', 'link', 'what', 'why'])
    assert.match(error.others[0]?.fix ?? '', /^KUBECTL annotate/)
  })

  test("is refused with exit code 3 when something is somebody else's", () => {
    const foreign = object('CustomResourceDefinition', 'ipaddresspools.metallb.io')
    const error = refusal({ objects: bare(...two, foreign) })
    assert.equal(error?.code, exit.refused)
    assert.equal(error.others.length, 2)
  })

  test('goes on with warnings, and says them', () => {
    const change = { kubectl: { value: 'v1.30.0' } }
    assert.equal(refusal(change), undefined)
    assert.match(noticesOf(examine(checks, facts(change))).join(), /^! kubectl is v1\.30\.0.*\n {2}fix/)
  })
})

test('a label selector selects as the API server does', () => {
  const labels = { a: '1', b: '2' }
  const expression = (key: string, operator: string, ...values: string[]) => ({
    matchExpressions: [{ key, operator, values }],
  })
  for (const [selector, verdict] of [
    [undefined, true],
    [{}, true],
    [{ matchLabels: { a: '1' } }, true],
    [{ matchLabels: { a: '2' } }, false],
    [expression('a', 'In', '1', '3'), true],
    [expression('c', 'In', '1'), false],
    [expression('a', 'NotIn', '1'), false],
    [expression('c', 'NotIn', '1'), true],
    [expression('a', 'Exists'), true],
    [expression('c', 'Exists'), false],
    [expression('a', 'DoesNotExist'), false],
    [expression('c', 'DoesNotExist'), true],
  ] as const)
    assert.equal(selects(selector, labels), verdict, JSON.stringify(selector))
})
