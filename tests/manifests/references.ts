// Finds every name in rendered objects that leads nowhere: Secrets and their keys, ConfigMaps, claims, Services, ports, accounts, roles.
import { at, type K8sObject, listAt, mapAt, textAt } from '../../scripts/lib/k8s.ts'
import { podProblems } from './references-pods.ts'
import { absent, matches, title, World } from './references-world.ts'

/**
 * One line for each reference that does not resolve.
 * @param objects everything rendered, each with its namespace
 * @param generated `Kind namespace/name` → keys, for what is made elsewhere
 */
export function unresolved(
  objects: readonly K8sObject[],
  generated: Readonly<Record<string, readonly string[]>>,
): string[] {
  const world = new World(objects, generated)
  return objects.flatMap(object => check(object, world).map(problem => `${title(object)}: ${problem}`))
}

function check(object: K8sObject, world: World): string[] {
  const namespace = object.metadata.namespace ?? ''
  const { kind, spec } = object
  const podSpec = at(spec, 'template', 'spec')
  if (at(podSpec, 'containers') !== undefined) return podProblems(object, podSpec, namespace, world)
  switch (kind) {
    case 'Service':
      return serviceProblems(object, namespace, world)
    case 'PodDisruptionBudget':
      return matches(world, namespace, mapAt(spec, 'selector', 'matchLabels')).length
        ? []
        : ['its selector finds no pod']
    case 'Ingress':
      return ingressProblems(object, namespace, world)
    case 'IngressRoute':
      return listAt(spec, 'routes').flatMap(route => [
        ...listAt(route, 'services').flatMap(service =>
          textAt(service, 'kind') === 'TraefikService'
            ? []
            : backend(world, namespace, textAt(service, 'name'), at(service, 'port')),
        ),
        ...listAt(route, 'middlewares').flatMap(middleware =>
          absent(world, 'Middleware', textAt(middleware, 'namespace') ?? namespace, textAt(middleware, 'name')),
        ),
      ])
    case 'Middleware': {
      const secret = textAt(spec, 'basicAuth', 'secret')
      // Of a Secret of the type basic-auth Traefik reads these two keys.
      return secret ? ['username', 'password'].flatMap(key => world.source('Secret', namespace, secret, key)) : []
    }
    case 'TLSStore':
      return world.source('Secret', namespace, textAt(spec, 'defaultCertificate', 'secretName'), 'tls.crt')
    case 'Certificate':
      return issuer(at(spec, 'issuerRef'), namespace, world)
    case 'ClusterIssuer':
      return clusterIssuerProblems(spec, world)
    case 'L2Advertisement':
      return listAt(spec, 'ipAddressPools').flatMap(pool => absent(world, 'IPAddressPool', namespace, String(pool)))
    case 'RoleBinding':
    case 'ClusterRoleBinding':
      return bindingProblems(object, namespace, world)
    case 'ValidatingWebhookConfiguration':
    case 'MutatingWebhookConfiguration':
      return listAt(object, 'webhooks').flatMap(hook => {
        const service = at(hook, 'clientConfig', 'service')
        return backend(world, textAt(service, 'namespace') ?? '', textAt(service, 'name'), at(service, 'port') ?? 443)
      })
    case 'Prometheus': {
      const scrapes = at(spec, 'additionalScrapeConfigs')
      return [
        ...absent(world, 'ServiceAccount', namespace, textAt(spec, 'serviceAccountName')),
        ...(scrapes ? world.source('Secret', namespace, textAt(scrapes, 'name'), textAt(scrapes, 'key')) : []),
        ...listAt(spec, 'secrets').flatMap(name => world.source('Secret', namespace, String(name))),
      ]
    }
    case 'Alertmanager':
      return [
        ...absent(world, 'ServiceAccount', namespace, textAt(spec, 'serviceAccountName')),
        // Read by its operator under this key.
        ...world.source('Secret', namespace, textAt(spec, 'configSecret'), 'alertmanager.yaml'),
      ]
    case 'BackupStorageLocation': {
      const secret = at(spec, 'credential')
      return secret ? world.source('Secret', namespace, textAt(secret, 'name'), textAt(secret, 'key')) : []
    }
    case 'Application':
      return absent(world, 'AppProject', namespace, textAt(spec, 'project'))
    default:
      return []
  }
}

function serviceProblems(object: K8sObject, namespace: string, world: World): string[] {
  const selector = mapAt(object.spec, 'selector')
  if (!Object.keys(selector).length) return []
  const pods = matches(world, namespace, selector)
  if (!pods.length) return ['its selector finds no pod']
  return listAt(object.spec, 'ports').flatMap(port => {
    const target = `${at(port, 'targetPort') ?? at(port, 'port')}/${textAt(port, 'protocol') ?? 'TCP'}`
    return pods.some(pod => pod.ports.has(target)) ? [] : [`no selected pod has the port ${target}`]
  })
}

function backend(world: World, namespace: string, name: string | undefined, port: unknown): string[] {
  const service = world.get('Service', namespace, name)
  if (!service) return [`no Service ${namespace}/${name}`]
  const found = listAt(service.spec, 'ports').some(one => at(one, 'port') === port || at(one, 'name') === port)
  return found ? [] : [`Service ${namespace}/${name} has no port ${port}`]
}

function ingressProblems(object: K8sObject, namespace: string, world: World): string[] {
  const paths = listAt(object.spec, 'rules').flatMap(rule => listAt(rule, 'http', 'paths'))
  const ingressClass = textAt(object.spec, 'ingressClassName')
  return [
    ...(ingressClass ? absent(world, 'IngressClass', '', ingressClass) : ['it names no class']),
    ...paths.flatMap(path => {
      const service = at(path, 'backend', 'service')
      return backend(
        world,
        namespace,
        textAt(service, 'name'),
        at(service, 'port', 'number') ?? at(service, 'port', 'name'),
      )
    }),
    ...listAt(object.spec, 'tls').flatMap(tls => {
      const secret = textAt(tls, 'secretName')
      return secret ? world.source('Secret', namespace, secret, 'tls.crt') : []
    }),
  ]
}

function issuer(ref: unknown, namespace: string, world: World): string[] {
  const kind = textAt(ref, 'kind') ?? 'Issuer'
  return absent(world, kind, kind === 'ClusterIssuer' ? '' : namespace, textAt(ref, 'name'))
}

/** ClusterIssuers read their Secrets from cert-manager's own namespace. */
function clusterIssuerProblems(spec: unknown, world: World): string[] {
  const ca = textAt(spec, 'ca', 'secretName')
  const solvers = listAt(spec, 'acme', 'solvers').map(solver => at(solver, 'dns01'))
  return [
    ...(ca ? world.source('Secret', 'cert-manager', ca, 'tls.key') : []),
    ...solvers.flatMap(solver =>
      Object.values((solver ?? {}) as Record<string, unknown>).flatMap(provider =>
        Object.entries((provider ?? {}) as Record<string, unknown>)
          .filter(([field]) => field.endsWith('SecretRef'))
          .flatMap(([, ref]) => world.source('Secret', 'cert-manager', textAt(ref, 'name'), textAt(ref, 'key'))),
      ),
    ),
  ]
}

function bindingProblems(object: K8sObject, namespace: string, world: World): string[] {
  const kind = textAt(object, 'roleRef', 'kind') ?? ''
  const role = textAt(object, 'roleRef', 'name')
  const builtIn = kind === 'ClusterRole' && ['cluster-admin', 'admin', 'edit', 'view'].includes(role ?? '')
  // Bound in kube-system by charts that read the API server's settings there.
  const ofTheCluster = kind === 'Role' && role === 'extension-apiserver-authentication-reader'
  return [
    ...(builtIn || ofTheCluster ? [] : absent(world, kind, kind === 'ClusterRole' ? '' : namespace, role)),
    ...listAt(object, 'subjects').flatMap(subject =>
      textAt(subject, 'kind') === 'ServiceAccount'
        ? absent(world, 'ServiceAccount', textAt(subject, 'namespace') ?? namespace, textAt(subject, 'name'))
        : [],
    ),
  ]
}
