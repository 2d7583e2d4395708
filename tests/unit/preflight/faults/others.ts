// Faults of storage, other owners and leftovers.
import type { Site } from '../../../../scripts/lib/site/site.ts'
import { bare, type Fault, object } from '../support.ts'

const defaultClass = { annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } }
const ending = { metadata: { deletionTimestamp: '2026-05-01T11:50:00Z' } }
const kind = (name: string, annotations: Record<string, string> = {}, labels: Record<string, string> = {}) =>
  object('CustomResourceDefinition', name, { metadata: { annotations, labels } })
const webhook = (service: string, resources: string[], more: Record<string, unknown> = {}) => {
  const [namespace, name] = service.split('/')
  return object('ValidatingWebhookConfiguration', 'old', {
    webhooks: [
      {
        name: 'old.example.org',
        failurePolicy: 'Fail',
        clientConfig: { service: { namespace, name } },
        rules: [{ apiGroups: ['', 'widgets.example.org'], resources, operations: ['CREATE'] }],
        ...more,
      },
    ],
  })
}
const helm = (release: string, namespace: string) => ({
  'meta.helm.sh/release-name': release,
  'meta.helm.sh/release-namespace': namespace,
})

const siteFile = 'gitops/environments/prod/site.yaml'

export const faults: readonly Fault[] = [
  {
    check: 'tools.site-file',
    fault: 'another repository and no revision',
    change: {
      siteFile: {
        file: siteFile,
        uncommitted: false,
        changes: [
          { key: 'repository', from: 'https://github.com/OWNER/homelab.git', to: 'https://github.com/me/lab.git' },
          { key: 'revision', to: 'main' },
        ],
      },
    },
    says: [
      /^problem: gitops\S+ says something else than \.env \| repository is \S+OWNER\S+, and should be \S+me\/lab\.git; revision is not there.*\| make configure; git add \S+ && git commit .* && git push$/,
    ],
  },
  {
    check: 'tools.site-file',
    fault: 'not committed',
    change: { siteFile: { file: siteFile, uncommitted: true, changes: [] } },
    says: [/^warning: .* is changed and not committed/],
  },
  {
    check: 'tools.site-file',
    fault: 'broken',
    change: { siteFile: { file: siteFile, unreadable: 'it has no map called data' } },
    says: [/^problem: .* cannot be read \| it has no map called data \| git checkout -- gitops\S+; make configure$/],
  },
  {
    check: 'storage.backups',
    fault: 'none',
    change: { site: { s3: undefined } as unknown as Partial<Site> },
    says: [/^warning: no S3 server is set: nothing is backed up .*S3_ENDPOINT/],
  },
  {
    check: 'storage.backups',
    fault: 'on a node',
    change: { site: { s3: { endpoint: 'http://192.168.1.12:9000' } } as Partial<Site> },
    says: [/^warning: the S3 server 192\.168\.1\.12 is the node n2 .*off the cluster/],
  },
  {
    check: 'storage.default',
    fault: 'two',
    change: {
      objects: bare(
        object('StorageClass', 'local-path', { metadata: defaultClass }),
        object('StorageClass', 'longhorn', { metadata: defaultClass }),
      ),
    },
    says: [
      /^problem: 2 StorageClasses are the default: local-path, longhorn.*annotate storageclass longhorn storageclass/,
    ],
  },
  {
    check: 'storage.default',
    fault: 'another one before step 01',
    change: {
      objects: bare(
        object('StorageClass', 'standard', {
          metadata: { annotations: { 'storageclass.beta.kubernetes.io/is-default-class': 'true' } },
        }),
      ),
    },
    says: [/^problem: the StorageClass standard is the default, and step 01.*--skip 01/],
  },
  {
    check: 'storage.class',
    fault: 'binds at once',
    change: {
      objects: bare(
        object('StorageClass', 'local-path', {
          provisioner: 'rancher.io/local-path',
          volumeBindingMode: 'Immediate',
          reclaimPolicy: 'Delete',
        }),
      ),
    },
    says: [/^problem: .*volumeBindingMode Immediate.*delete storageclass local-path/],
  },

  {
    check: 'owners.platform',
    fault: 'Argo CD by mark',
    change: {
      objects: bare(
        object('Namespace', 'cert-manager', {
          metadata: { annotations: { 'argocd.argoproj.io/tracking-id': 'certs:/Namespace:/cert-manager' } },
        }),
      ),
    },
    says: [
      /^problem: cert-manager belongs to Argo CD's Application certs.*no Application.*annotate namespace\/cert-manager/,
    ],
  },
  {
    check: 'owners.platform',
    fault: 'Argo CD by its own list',
    change: {
      objects: bare(
        object('Deployment', 'traefik/traefik'),
        object('Application', 'argocd/edge', {
          status: { resources: [{ kind: 'Deployment', namespace: 'traefik', name: 'traefik' }] },
        }),
      ),
    },
    says: [/^problem: Traefik belongs to Argo CD's Application edge.*make adopt/],
  },
  {
    check: 'owners.platform',
    fault: 'Flux',
    change: {
      objects: bare(
        object('Namespace', 'metallb-system', {
          metadata: {
            labels: {
              'kustomize.toolkit.fluxcd.io/name': 'infra',
              'kustomize.toolkit.fluxcd.io/namespace': 'flux-system',
            },
          },
        }),
      ),
    },
    says: [/^problem: MetalLB belongs to Flux's Kustomization flux-system\/infra/],
  },
  {
    check: 'owners.platform',
    fault: 'another release',
    change: {
      objects: bare(
        kind('certificates.cert-manager.io', helm('certs', 'kube-system')),
        kind('issuers.cert-manager.io', helm('certs', 'kube-system')),
      ),
    },
    says: [
      /^problem: cert-manager belongs to the Helm release kube-system\/certs already: kind certificates.*helm uninstall -n kube-system certs.*--skip 05/,
    ],
  },
  {
    check: 'owners.platform',
    fault: 'an installation by kubectl',
    change: { objects: bare(kind('ipaddresspools.metallb.io')) },
    says: [
      /^problem: MetalLB belongs to an installation without Helm.*annotate customresourcedefinition\/ipaddresspools\.metallb\.io meta\.helm\.sh\/release-name=metallb/,
    ],
  },
  {
    check: 'owners.platform',
    fault: 'a Deployment by kubectl',
    change: { objects: bare(object('Namespace', 'traefik'), object('Deployment', 'traefik/traefik')) },
    says: [/^problem: Traefik belongs to an installation without Helm already: Deployment traefik/],
  },
  {
    check: 'owners.rancher',
    fault: 'the agent of another',
    change: { objects: bare(object('Deployment', 'cattle-system/cattle-cluster-agent')) },
    says: [/^problem: this cluster is managed by another Rancher/],
  },

  {
    check: 'leftovers.namespaces',
    fault: 'one of ours, and another',
    change: {
      objects: bare(
        object('Namespace', 'argocd', {
          ...ending,
          status: {
            phase: 'Terminating',
            conditions: [
              {
                type: 'NamespaceFinalizersRemaining',
                status: 'True',
                message:
                  'Some content in the namespace has finalizers remaining: x.example.org in 1 resource instances',
              },
            ],
          },
        }),
        object('Namespace', 'old', ending),
      ),
    },
    says: [/^problem: namespace argocd cannot end: x\.example\.org in 1/, /^warning: namespace old is being deleted/],
  },
  {
    check: 'leftovers.kinds',
    fault: 'one of ours, and another',
    change: {
      objects: bare(
        object('CustomResourceDefinition', 'certificates.cert-manager.io', ending),
        object('CustomResourceDefinition', 'widgets.example.org', ending),
      ),
    },
    says: [/^problem: the kind certificates\.cert-manager\.io is being deleted/, /^warning: the kind widgets/],
  },
  {
    check: 'leftovers.webhooks',
    fault: 'gone, and asked about namespaces',
    change: { objects: bare(webhook('cattle-system/rancher-webhook', ['namespaces'])) },
    says: [
      /^problem: the webhook old\.example\.org does not answer: the Service cattle-system\/rancher-webhook does not exist.*delete validatingwebhookconfiguration old/,
    ],
  },
  {
    check: 'leftovers.webhooks',
    fault: 'without a pod, for its own kind',
    change: { objects: bare(object('Service', 'a/hook'), webhook('a/hook', ['widgets'])) },
    says: [/^warning: .*no pod stands behind the Service a\/hook/],
  },
  {
    check: 'leftovers.webhooks',
    fault: 'in other namespaces only',
    change: {
      objects: bare(
        webhook('a/hook', ['pods'], {
          namespaceSelector: {
            matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values: ['shop'] }],
          },
        }),
      ),
    },
    says: [/^warning: /],
  },
  {
    check: 'leftovers.webhooks',
    fault: 'outside the cluster',
    change: { objects: bare(webhook('a/hook', ['pods'], { clientConfig: { url: 'https://hook.example.org' } })) },
    says: [/^unknown: .*old\.example\.org.*outside the cluster/],
  },
  {
    check: 'leftovers.conversion',
    fault: 'nobody converts',
    change: {
      objects: bare(
        object('CustomResourceDefinition', 'widgets.example.org', {
          spec: { conversion: { webhook: { clientConfig: { service: { namespace: 'a', name: 'hook' } } } } },
        }),
      ),
    },
    says: [/^warning: .*widgets\.example\.org cannot be converted: the Service a\/hook does not exist/],
  },
  {
    check: 'leftovers.apis',
    fault: 'a dead one',
    change: {
      objects: bare(
        object('APIService', 'v1beta1.metrics.k8s.io', {
          spec: { service: { namespace: 'kube-system', name: 'metrics-server' } },
          status: { conditions: [{ type: 'Available', status: 'False', message: 'endpoints not found' }] },
        }),
      ),
    },
    says: [/^warning: the API v1beta1\.metrics\.k8s\.io .*endpoints not found.*kube-system\/metrics-server/],
  },
]
