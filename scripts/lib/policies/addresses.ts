// Flows that addresses in configurations tell of: Services by name, repositories, ACME, upstream DNS. Pure.
import { parseAllDocuments } from 'yaml'
import { sourcesOf } from '../gitops/application.ts'
import { at, type K8sObject, listAt, mapAt, textAt } from '../k8s.ts'
import { both, type Flow, outside } from './flow.ts'
import { podsNamed, serviceNamed, title, to } from './services.ts'
import type { Pod, World } from './world.ts'

/** Services that a pod is told of: in its template, in the ConfigMaps it reads; data sources are Grafana's to read. */
export function spoken(world: World): Flow[] {
  const maps = world.objects.filter(({ kind }) => kind === 'ConfigMap')
  const grafana = podsNamed(world, 'grafana')
  const sources = maps.flatMap(map =>
    Object.values(mapAt(map, 'data'))
      .filter(text => /^datasources:$/m.test(text))
      .map(text => ({ text, why: title(map) })),
  )
  return [
    ...world.pods.flatMap(pod =>
      told(pod, maps).flatMap(text => spokenOf(world, text, pod, 'an address in its configuration')),
    ),
    ...grafana.flatMap(pod => sources.flatMap(({ text, why }) => spokenOf(world, text, pod, why))),
    ...podsNamed(world, 'prometheus').flatMap(pod =>
      listAt(pod.spec, 'alerting', 'alertmanagers').flatMap(one => {
        const service = serviceNamed(world, textAt(one, 'namespace'), textAt(one, 'name'))
        return service ? to(world, pod, service, at(one, 'port'), 'its alerts') : []
      }),
    ),
  ]
}

function told({ namespace, spec }: Pod, maps: readonly K8sObject[]): string[] {
  const map = (name: unknown) => maps.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name)
  const containers = [...listAt(spec, 'initContainers'), ...listAt(spec, 'containers')]
  const texts = containers.flatMap(one => [...listAt(one, 'args'), ...listAt(one, 'command')].map(String))
  for (const one of containers) {
    for (const env of listAt(one, 'env')) {
      const ref = at(env, 'valueFrom', 'configMapKeyRef')
      texts.push(textAt(env, 'value') ?? mapAt(map(at(ref, 'name')), 'data')[textAt(ref, 'key') ?? ''] ?? '')
    }
  }
  for (const volume of listAt(spec, 'volumes')) {
    const data = Object.entries(mapAt(map(at(volume, 'configMap', 'name')), 'data'))
    // A data source that a setup writes for Grafana is none of its own.
    texts.push(...data.map(([, text]) => text).filter(text => !/^datasources:$/m.test(text)))
  }
  return texts
}

/** The Services whose names a text has: `name.namespace` with or without more, or with a port the name alone. */
export function spokenOf(world: World, text: string, from: Pod, why: string): Flow[] {
  const words = new Set(text.match(/[a-z0-9][a-z0-9.-]*[a-z0-9](:\d+)?/g) ?? [])
  return [...words].flatMap(word => {
    const [host = '', port] = word.split(':')
    const labels = host.replace(/\.svc(\.cluster\.local)?$/, '').split('.')
    const [name, namespace] = labels.length === 3 ? labels.slice(1) : labels // a pod of a StatefulSet, by its own name
    const alone = labels.length === 1 && port !== undefined
    if (labels.length > 3 || (labels.length === 1 && !alone)) return []
    const service = serviceNamed(world, alone ? from.namespace : namespace, name)
    if (!service) return []
    const listed = listAt(service.spec, 'ports').some(one => at(one, 'port') === Number(port))
    return to(world, from, service, port === undefined ? undefined : listed ? Number(port) : Number.NaN, why)
  })
}

/** Argo CD reads repositories: of charts, of the owner. By whatever port theirs has. */
export function repositories(world: World): Flow[] {
  const reader = podsNamed(world, 'argocd-repo-server')
  const addresses = world.objects.flatMap(object => {
    if (object.kind === 'AppProject') return listAt(object.spec, 'sourceRepos').map(String)
    return object.kind === 'Application' ? sourcesOf(object).map(({ repository }) => repository) : []
  })
  return reader.flatMap(from =>
    addresses.map(
      (address): Flow => ({
        from,
        to: outside,
        port: portOf(address),
        protocol: 'TCP',
        why: 'a repository of an Application',
      }),
    ),
  )
}

/** Of an address; of one without a port the usual one. */
export function portOf(address: string): number {
  const [, scheme = 'https', port] = /^(?:(\w+):\/\/)?[^/]*?(?::(\d+))?(?:\/|$)/.exec(address) ?? []
  if (port) return Number(port)
  return { http: 80, ssh: 22, git: 9418 }[scheme] ?? (/^[\w.-]+@/.test(address) ? 22 : 443)
}

/** ACME, and the DNS servers by which it is proven. */
export function certificates(world: World): Flow[] {
  const issuer = world.pods.filter(
    ({ namespace, labels }) => namespace === 'cert-manager' && labels['app.kubernetes.io/component'] === 'controller',
  )
  return issuer.flatMap(from => {
    const https: Flow = { from, to: outside, port: 443, protocol: 'TCP', why: 'ACME, and the API of the DNS provider' }
    const acme = world.objects.filter(({ spec }) => at(spec, 'acme') !== undefined).map(({ spec }) => at(spec, 'acme'))
    const servers = acme.flatMap(one =>
      listAt(one, 'solvers').map(solver => textAt(solver, 'dns01', 'rfc2136', 'nameserver')),
    )
    const args = listAt(from.spec, 'containers').flatMap(one => listAt(one, 'args').map(String))
    const recursive = args.flatMap(one => /^--dns01-recursive-nameservers=(.*)$/.exec(one)?.[1]?.split(',') ?? [])
    const resolvers = [...servers, ...recursive].flatMap(one => (one ? [Number(/:(\d+)$/.exec(one)?.[1] ?? 53)] : []))
    return [...(acme.length ? [https] : []), ...resolvers.flatMap(port => both(from, outside, port, 'DNS-01'))]
  })
}

/** AdGuard Home asks its upstreams and fetches its lists. */
export function dns(world: World): Flow[] {
  const seed = world.objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'adguard-seed')
  const config = parseAllDocuments(mapAt(seed, 'data')['AdGuardHome.yaml'] ?? '')[0]?.toJS() as unknown
  const servers = podsNamed(world, 'adguard')
  return servers.flatMap(from => [
    ...(listAt(config, 'dns', 'upstream_dns').length ? both(from, outside, 53, 'its upstream DNS') : []),
    ...listAt(config, 'filters').map(
      (one): Flow => ({
        ...{ from, to: outside, port: portOf(textAt(one, 'url') ?? ''), protocol: 'TCP', why: 'its lists of filters' },
      }),
    ),
  ])
}
