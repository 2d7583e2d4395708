// The files of an application of the owner's own, from what it is: an image that listens on a port. Pure.
import { stringify } from 'yaml'
import { type Problem, throwProblems } from '../errors.ts'
import { limitsFolder, podSecurity } from '../guardrails.ts'

export interface Wanted {
  name: string
  image: string
  port: number
  /** Of its volume: `1Gi`. */
  size?: string
  /** Where the volume is seen. */
  mount: string
  /** Most memory that it may take. */
  memory: string
  /** As whom it runs; 0 is root. */
  user: number
}

/**
 * What was asked for, looked at as a whole.
 * @param taken names that something has, with what it is
 * @throws HomelabError (exit 2) with everything that is wrong
 */
export function readWanted(given: Readonly<Record<string, unknown>>, taken: ReadonlyMap<string, string>): Wanted {
  const text = (key: string) => (typeof given[key] === 'string' ? (given[key] as string) : '')
  const [name, image, port, size] = [text('name'), text('image'), Number(text('port')), text('pvc')]
  const [mount, memory, user] = [text('mount') || '/data', text('memory') || '256Mi', Number(text('user') || 1000)]
  const problems: Problem[] = []
  const wrong = (what: string, fix: string) => problems.push({ what, fix })
  const owner = taken.get(name)
  if (!/^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$/.test(name))
    wrong(`NAME ${shown(name)} is no name for a namespace and a host`, 'small letters, digits and hyphens: NAME=notes')
  else if (owner) wrong(`NAME ${name} is taken: ${owner}`, 'choose another')
  const flaw = imageFlaw(image)
  if (flaw) wrong(`IMAGE ${shown(image)} ${flaw}`, 'name it with a version: IMAGE=ghcr.io/owner/notes:1.4.2')
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    wrong(`PORT ${shown(text('port'))} is no port`, 'the one on which the program in the image listens: PORT=8080')
  for (const [key, value] of [
    ['PVC', size],
    ['MEMORY', memory],
  ] as const)
    if (value && !/^[1-9]\d*[MGT]i$/.test(value)) wrong(`${key} ${shown(value)} is no size`, `${key}=1Gi`)
  if (!/^\/[\w./-]+$/.test(mount) || mount.includes('..')) wrong(`MOUNT ${shown(mount)} is no path`, 'MOUNT=/data')
  if (!Number.isInteger(user) || user < 0) wrong(`RUN_AS ${shown(text('user'))} is no number of a user`, 'RUN_AS=1000')
  throwProblems(problems)
  return { ...{ name, image: inFull(image), port, mount, memory, user }, ...(size ? { size } : {}) }
}

const shown = (value: string) => (value === '' ? 'is missing: it' : JSON.stringify(value))

function imageFlaw(image: string): string | undefined {
  const [, path, tag, digest] =
    /^((?:[a-z0-9.-]+(?::\d+)?\/)?[a-z0-9._/-]+)(?::([\w][\w.-]{0,127}))?(@sha256:[0-9a-f]{64})?$/.exec(image) ?? []
  if (!path) return 'is no image'
  if (!tag && !digest) return 'has no version: what runs would change by itself'
  if (tag === 'latest' && !digest) return 'is whatever is newest: what runs would change by itself'
  // As for every image here: `3` and `stable` move, `3.1` and `v1.4.2-alpine` stay, a digest always does.
  if (!digest && !/\d+\.\d+/.test(tag ?? '')) return `moves: ${tag} is not one version`
  return undefined
}

/** With the registry that is meant when there is none. */
function inFull(image: string): string {
  const [first = '', ...rest] = image.split('/')
  if (rest.length === 0) return `docker.io/library/${image}`
  return /[.:]|^localhost$/.test(first) ? image : `docker.io/${image}`
}

/** The key in site.yaml with its host: `myNotes` of `my-notes`. */
export const hostKey = (name: string): string =>
  `${name.replace(/-+(\w)/g, (_, letter: string) => letter.toUpperCase())}Host`

const yaml = (...objects: object[]): string =>
  objects.map(object => stringify(object, { lineWidth: 0, singleQuote: true })).join('---\n')

/** The files of its folder and its Application, by their place in the repository. @param host in the base */
export function filesOf(wanted: Wanted, host: string): Map<string, string> {
  const { name } = wanted
  const folder = `gitops/apps/${name}`
  const files: [string, string][] = [
    ['deployment.yaml', yaml(deployment(wanted))],
    ['service.yaml', yaml(service(wanted))],
    [
      'ingress.yaml',
      `# The annotation is set by the environment (gitops/environments/*/site.yaml), and the host made from it.\n${yaml(ingress(wanted, host))}`,
    ],
    [
      'network-policy.yaml',
      `# Who may open it: Traefik. Add who else does, such as Prometheus in the namespace monitoring.\n${yaml(policy(wanted))}`,
    ],
    ...(wanted.size
      ? ([
          [
            'volume.yaml',
            `# It stays when the application goes: make remove-app says how it is deleted.\n${yaml(volume(wanted))}`,
          ],
        ] as [string, string][])
      : []),
  ]
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: files.map(([file]) => file),
    replacements: [
      {
        source: { kind: 'Ingress', name, fieldPath: 'metadata.annotations.homelab/host' },
        targets: [{ select: { kind: 'Ingress', name }, fieldPaths: ['spec.rules.0.host'] }],
      },
    ],
  }
  return new Map([
    [`gitops/applications/${name}.yaml`, yaml(application(wanted, host))],
    [`${folder}/kustomization.yaml`, yaml(kustomization)],
    ...files.map(([file, text]) => [`${folder}/${file}`, text] as const),
  ])
}

const labels = (name: string) => ({ 'app.kubernetes.io/name': name })

function application({ name }: Wanted, host: string): object {
  return {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Application',
    metadata: {
      name,
      namespace: 'argocd',
      labels: { 'homelab/source': 'this-repository' },
      annotations: { 'argocd.argoproj.io/sync-wave': '10' },
    },
    spec: {
      project: 'homelab',
      source: {
        repoURL: 'https://github.com/OWNER/homelab.git',
        targetRevision: 'main',
        path: `gitops/apps/${name}`,
        kustomize: { commonAnnotations: { 'homelab/host': host } },
      },
      destination: { server: 'https://kubernetes.default.svc', namespace: name },
      syncPolicy: {
        automated: { prune: true, selfHeal: true },
        syncOptions: ['ServerSideApply=true', 'CreateNamespace=false'],
        retry: { limit: 10, backoff: { duration: '10s', factor: 2, maxDuration: '5m' } },
      },
    },
  }
}

function deployment({ name, image, port, size, mount, memory, user }: Wanted): object {
  const root = user === 0
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    // The label tells the tests of this repository that it is meant so.
    metadata: { name, labels: { ...labels(name), ...(root ? { 'homelab/runs-as': 'root' } : {}) } },
    spec: {
      replicas: 1,
      // A volume is mounted by one pod at a time.
      ...(size ? { strategy: { type: 'Recreate' } } : {}),
      selector: { matchLabels: labels(name) },
      template: {
        metadata: { labels: labels(name) },
        spec: {
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          securityContext: {
            ...(root ? {} : { runAsNonRoot: true, runAsUser: user, runAsGroup: user, fsGroup: user }),
            seccompProfile: { type: 'RuntimeDefault' },
          },
          containers: [
            {
              name,
              image,
              imagePullPolicy: 'IfNotPresent',
              ports: [{ name: 'http', containerPort: port }],
              readinessProbe: { tcpSocket: { port: 'http' }, periodSeconds: 5 },
              livenessProbe: { tcpSocket: { port: 'http' }, initialDelaySeconds: 30, periodSeconds: 20 },
              resources: { requests: { cpu: '20m', memory: '64Mi' }, limits: { cpu: '500m', memory } },
              securityContext: {
                allowPrivilegeEscalation: false,
                ...(root ? {} : { readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } }),
              },
              volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }, ...(size ? [{ name: 'data', mountPath: mount }] : [])],
            },
          ],
          volumes: [
            { name: 'tmp', emptyDir: {} },
            ...(size ? [{ name: 'data', persistentVolumeClaim: { claimName: name } }] : []),
          ],
        },
      },
    },
  }
}

const service = ({ name }: Wanted): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, labels: labels(name) },
  spec: { selector: labels(name), ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
})

const ingress = ({ name }: Wanted, host: string): object => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'Ingress',
  metadata: {
    name,
    annotations: { 'homelab/host': host, 'traefik.ingress.kubernetes.io/router.entrypoints': 'websecure' },
  },
  spec: {
    ingressClassName: 'traefik',
    rules: [
      {
        host,
        http: {
          paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name, port: { name: 'http' } } } }],
        },
      },
    ],
  },
})

const policy = ({ name }: Wanted): object => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name },
  spec: {
    podSelector: { matchLabels: labels(name) },
    policyTypes: ['Ingress'],
    ingress: [
      {
        from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'traefik' } } }],
        ports: [{ port: 'http' }],
      },
    ],
  },
})

const volume = ({ name, size }: Wanted): object => ({
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name, annotations: { 'argocd.argoproj.io/sync-options': 'Delete=false,Prune=false' } },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: size } } },
})

/** On a namespace that `make add-app` made: it may be used again when its application has gone. */
export const ownNamespace = 'homelab/added'

/** Its namespace, to be added to the platform's. */
export const namespaceOf = ({ name, user }: Wanted): string =>
  `---\n${yaml({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name,
      labels: {
        [ownNamespace]: 'true',
        ...podSecurity(user === 0 ? 'baseline' : 'restricted'),
      },
    },
  })}`

/** Where its limits stand: beside those of the platform's own, because no application may set its own. */
export const limitsFile = (name: string): string => `${limitsFolder}/optional/${name}.yaml`

/** What its namespace may take: two of it while it rolls, and room for as much again. */
export const limitsOf = ({ name, size, memory }: Wanted): string =>
  `# Its limits. make status says when one is in the way; step 07 and make sync bring a change.\n${yaml(
    {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'homelab', namespace: name },
      spec: {
        hard: {
          'requests.cpu': '200m',
          'requests.memory': '256Mi',
          pods: '6',
          ...(size ? { persistentvolumeclaims: '2', 'requests.storage': doubled(size) } : {}),
          'services.loadbalancers': '0',
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'LimitRange',
      metadata: { name: 'homelab', namespace: name },
      spec: {
        limits: [
          {
            type: 'Container',
            defaultRequest: { cpu: '10m', memory: '32Mi' },
            default: { cpu: '2', memory: doubled(memory) },
            max: { cpu: '2', memory: doubled(memory) },
          },
        ],
      },
    },
  )}`

const doubled = (size: string): string => `${2 * Number.parseInt(size, 10)}${size.replace(/^\d+/, '')}`

/** The entry of `gitops/environments/site` that carries its host. */
export const hostEntry = (name: string): string =>
  `  - source: { kind: ConfigMap, name: site, fieldPath: data.${hostKey(name)} }
    targets:
      - select: { kind: Application, name: ${name} }
        fieldPaths: [spec.source.kustomize.commonAnnotations.homelab/host]
`
