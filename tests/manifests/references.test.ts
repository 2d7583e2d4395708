// Every name in everything rendered leads somewhere.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changed } from './changed.ts'
import { generated } from './generated.ts'
import { labObjects } from './lab-objects.ts'
import { unresolved } from './references.ts'
import { title } from './references-world.ts'
import { applicationManifests } from './rendered.ts'

/** An environment with everything: its charts with their values, and Git's own manifests. */
const lab = labObjects('prod')
const there = new Set(lab.map(title))
const all = [...lab, ...applicationManifests().filter(one => !there.has(title(one)))]

/** What leads nowhere on purpose. */
const nowhere = [
  // Only with TLS on both sides the program listens there; its chart's Service names the port always.
  'Service falco/falco-falcosidekick: no selected pod has the port http-notls/TCP',
]

test('every reference of the platform and of the applications resolves', () => {
  assert.ok(all.length > 150, `only ${all.length} objects were rendered`)
  assert.deepEqual(unresolved(all, generated), nowhere)
})

test('every name on the list of generated ones is used, or is one that people and controllers read', () => {
  const read = [
    'cattle-system/bootstrap-secret',
    'metallb-system/metallb-memberlist',
    'cert-manager/cert-manager-webhook-ca',
    'velero/velero-s3',
    'velero/velero-repo-credentials',
    'monitoring/alertmanager-config',
    'monitoring/grafana-admin',
    'monitoring/scrape-targets',
  ]
  for (const name of Object.keys(generated)) {
    if (read.some(one => name.endsWith(one))) continue
    const rest = Object.fromEntries(Object.entries(generated).filter(([other]) => other !== name))
    assert.notDeepEqual(unresolved(all, rest), [], `nothing refers to ${name}`)
  }
})

interface Broken {
  what: string
  kind: string
  name: string
  /** Set to another value; without one the object is taken away. */
  change?: [path: (string | number)[], value: unknown]
  expected: RegExp
}

const init = ['spec', 'template', 'spec', 'initContainers', 0, 'env', 0, 'valueFrom', 'secretKeyRef', 'key']
const httpd = ['spec', 'template', 'spec', 'containers', 0]
const pod = ['spec', 'selector', 'statefulset.kubernetes.io/pod-name']
const backend = ['spec', 'rules', 0, 'http', 'paths', 0, 'backend', 'service', 'port']
const token = ['spec', 'acme', 'solvers', 0, 'dns01', 'cloudflare', 'apiTokenSecretRef', 'key']

const cases: Broken[] = [
  {
    what: 'a Secret key that nobody makes',
    kind: 'StatefulSet',
    name: 'adguard',
    change: [init, 'hash'],
    expected: /StatefulSet adguard\/adguard: Secret adguard\/adguard-admin has no key hash/,
  },
  {
    what: 'a ConfigMap that is gone',
    kind: 'ConfigMap',
    name: 'adguard-seed',
    expected: /StatefulSet adguard\/adguard: no ConfigMap adguard\/adguard-seed/,
  },
  {
    what: 'a mount without its volume',
    kind: 'StatefulSet',
    name: 'adguard',
    change: [['spec', 'volumeClaimTemplates'], []],
    expected: /adguard mounts a volume data that the pod does not have/,
  },
  {
    what: 'a storage class that is gone',
    kind: 'StorageClass',
    name: 'local-path',
    expected: /no StorageClass local-path/,
  },
  {
    what: 'a Service whose selector finds nothing',
    kind: 'Service',
    name: 'adguard-1',
    change: [pod, 'adguard-2'],
    expected: /Service adguard\/adguard-1: its selector finds no pod/,
  },
  {
    what: 'a target port that no container has',
    kind: 'Service',
    name: 'adguard-0',
    change: [['spec', 'ports', 1, 'targetPort'], 'dns'],
    expected: /Service adguard\/adguard-0: no selected pod has the port dns\/UDP/,
  },
  {
    what: 'a port of the wrong protocol',
    kind: 'Service',
    name: 'adguard-0',
    change: [['spec', 'ports', 0, 'protocol'], 'UDP'],
    expected: /no selected pod has the port dns-tcp\/UDP/,
  },
  {
    what: 'an Ingress to a Service that is gone',
    kind: 'Service',
    name: 'adguard-ui-0',
    expected: /Ingress adguard\/adguard-0: no Service adguard\/adguard-ui-0/,
  },
  {
    what: 'an Ingress to a port that the Service lacks',
    kind: 'Ingress',
    name: 'adguard-1',
    change: [backend, { number: 81 }],
    expected: /Service adguard\/adguard-ui-1 has no port 81/,
  },
  {
    what: 'an Ingress whose certificate nobody issues',
    kind: 'Certificate',
    name: 'tls-rancher-ingress',
    expected: /Ingress cattle-system\/rancher: no Secret cattle-system\/tls-rancher-ingress/,
  },
  {
    what: 'a default certificate that nobody issues',
    kind: 'Certificate',
    name: 'wildcard',
    expected: /TLSStore traefik\/default: no Secret traefik\/wildcard/,
  },
  {
    what: 'a middleware with a Secret of another type',
    kind: 'Middleware',
    name: 'dashboard-auth',
    change: [['spec', 'basicAuth', 'secret'], 'wildcard'],
    expected: /Middleware traefik\/dashboard-auth: Secret traefik\/wildcard has no key username/,
  },
  {
    what: 'a route whose middleware is gone',
    kind: 'Middleware',
    name: 'dashboard-auth',
    expected: /IngressRoute traefik\/dashboard: no Middleware traefik\/dashboard-auth/,
  },
  {
    what: 'a certificate of an issuer that is gone',
    kind: 'ClusterIssuer',
    name: 'internal-ca',
    expected: /Certificate traefik\/wildcard: no ClusterIssuer internal-ca/,
  },
  {
    what: 'an issuer whose token has another name',
    kind: 'ClusterIssuer',
    name: 'letsencrypt',
    change: [token, 'token'],
    expected: /Secret cert-manager\/dns01-cloudflare has no key token/,
  },
  {
    what: 'an advertisement of a pool that is gone',
    kind: 'IPAddressPool',
    name: 'homelab',
    expected: /L2Advertisement metallb-system\/homelab: no IPAddressPool/,
  },
  {
    what: 'a binding to a role that is gone',
    kind: 'Role',
    name: 'local-path-provisioner',
    expected: /RoleBinding local-path-storage\/local-path-provisioner: no Role/,
  },
  {
    what: 'an account that is gone',
    kind: 'ServiceAccount',
    name: 'local-path-provisioner',
    expected: /Deployment local-path-storage\/local-path-provisioner: no ServiceAccount/,
  },
  {
    what: 'a webhook whose Service is gone',
    kind: 'Service',
    name: 'metallb-webhook-service',
    expected: /ValidatingWebhookConfiguration metallb-webhook-configuration: no Service/,
  },
  {
    what: 'an application of a project that is gone',
    kind: 'AppProject',
    name: 'homelab',
    expected: /Application argocd\/welcome: no AppProject argocd\/homelab/,
  },
  {
    what: 'an Alertmanager whose configuration nobody makes',
    kind: 'Alertmanager',
    name: 'monitoring-alertmanager',
    change: [['spec', 'configSecret'], 'alertmanager'],
    expected: /Alertmanager monitoring\/monitoring-alertmanager: no Secret monitoring\/alertmanager$/,
  },
  {
    what: 'scrape configurations under another key',
    kind: 'Prometheus',
    name: 'monitoring-prometheus',
    change: [['spec', 'additionalScrapeConfigs', 'key'], 'jobs.yaml'],
    expected: /Secret monitoring\/additional-scrape-configs\S* has no key jobs.yaml/,
  },
  {
    what: "a backup location whose credential's key is another",
    kind: 'BackupStorageLocation',
    name: 'default',
    change: [['spec', 'credential', 'key'], 'aws'],
    expected: /BackupStorageLocation velero\/default: Secret velero\/velero-s3 has no key aws/,
  },
  {
    what: 'a budget that protects nothing',
    kind: 'PodDisruptionBudget',
    name: 'adguard',
    change: [['spec', 'selector', 'matchLabels'], { app: 'adguard' }],
    expected: /PodDisruptionBudget adguard\/adguard: its selector finds no pod/,
  },
  {
    what: 'a probe of a port that is gone',
    kind: 'Deployment',
    name: 'welcome',
    change: [[...httpd, 'ports'], []],
    expected: /readinessProbe of httpd asks port http/,
  },
]

for (const { what, kind, name, change, expected } of cases)
  test(`the check finds ${what}`, () => {
    const index = all.findIndex(object => object.kind === kind && object.metadata.name === name)
    const found = all[index]
    assert.ok(found, `no ${kind} ${name} to break`)
    const replacement = change ? [changed(found, ...change)] : []
    const said = unresolved(all.toSpliced(index, 1, ...replacement), generated)
    assert.ok(
      said.some(problem => expected.test(problem)),
      `said: ${JSON.stringify(said)}`,
    )
  })
