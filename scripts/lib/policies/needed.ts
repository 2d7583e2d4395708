// Who must reach whom, told by what runs and not by the policies: Services, webhooks, Ingresses, monitors, accounts, and
// the addresses in configurations. What none of these tells stands in known-flows.ts. Pure.
import { at, type K8sObject, listAt, textAt } from '../k8s.ts'
import { certificates, dns, repositories, spoken } from './addresses.ts'
import { apiPort, apiServer, type Flow, outside } from './flow.ts'
import { knownFlows } from './known-flows.ts'
import { probes, scrapes } from './scrapes.ts'
import { serviceNamed, title, to, traefik } from './services.ts'
import { peerName, type World } from './world.ts'

/** All flows, each once. */
export function neededFlows(world: World): Flow[] {
  const derived = [
    resolving,
    askingTheApi,
    published,
    webhooks,
    routes,
    scrapes,
    probes,
    spoken,
    repositories,
    certificates,
    dns,
  ]
  const flows = [...derived.flatMap(derive => derive(world)), ...knownFlows(world)]
  const seen = new Set<string>()
  return flows.filter(({ from, to, port, protocol }) => {
    if (from === to) return false // a pod reaches itself
    const key = [peerName(from), peerName(to), port, protocol].join(' ')
    return !seen.has(key) && seen.add(key)
  })
}

/** Whoever uses the cluster's DNS: also a program that knows addresses only today may be given a name tomorrow. */
function resolving(world: World): Flow[] {
  const servers = world.services.filter(
    ({ metadata, spec }) =>
      metadata.namespace === 'kube-system' && listAt(spec, 'ports').some(one => at(one, 'port') === 53),
  )
  return world.pods
    .filter(pod => !/^(None|Default)$/.test(textAt(pod.spec, 'dnsPolicy') ?? ''))
    .flatMap(from => servers.flatMap(service => to(world, from, service, 53, 'names of the cluster')))
}

/** Whoever has a token of an account that may do something. */
function askingTheApi(world: World): Flow[] {
  const accounts = new Set<string>()
  const rules = new Map(
    world.objects
      .filter(({ kind }) => /^(Cluster)?Role$/.test(kind))
      .map(one => [`${one.kind} ${one.metadata.namespace ?? ''} ${one.metadata.name}`, listAt(one, 'rules').length]),
  )
  for (const binding of world.objects) {
    if (!/^(Cluster)?RoleBinding$/.test(binding.kind)) continue
    const kind = textAt(binding, 'roleRef', 'kind')
    const place = kind === 'Role' ? (binding.metadata.namespace ?? '') : ''
    if (rules.get(`${kind} ${place} ${textAt(binding, 'roleRef', 'name')}`) === 0) continue
    for (const subject of listAt(binding, 'subjects'))
      accounts.add(`${textAt(subject, 'namespace') ?? binding.metadata.namespace}/${textAt(subject, 'name')}`)
  }
  return world.pods
    .filter(({ spec }) => at(spec, 'automountServiceAccountToken') !== false)
    .filter(({ namespace, spec }) => accounts.has(`${namespace}/${textAt(spec, 'serviceAccountName') ?? 'default'}`))
    .map(from => ({ from, to: apiServer, port: apiPort, protocol: 'TCP', why: 'its account may ask the API server' }))
}

/** What has an address of the house's own network. */
function published(world: World): Flow[] {
  return world.services
    .filter(({ spec }) => textAt(spec, 'type') === 'LoadBalancer')
    .flatMap(service => to(world, outside, service, undefined, title(service)))
}

/** What the API server itself calls: it does so from a node. */
function webhooks(world: World): Flow[] {
  return world.objects.flatMap(object => {
    const clients = [
      ...listAt(object, 'webhooks').map(hook => at(hook, 'clientConfig', 'service')),
      at(object.spec, 'conversion', 'webhook', 'clientConfig', 'service'),
      object.kind === 'APIService' ? at(object.spec, 'service') : undefined,
    ]
    return clients.flatMap(client => {
      const service = serviceNamed(world, textAt(client, 'namespace'), textAt(client, 'name'))
      return service ? to(world, apiServer, service, at(client, 'port') ?? 443, title(object)) : []
    })
  })
}

/** From Traefik to what it serves. */
function routes(world: World): Flow[] {
  const backends = (object: K8sObject): [string, unknown][] => {
    if (object.kind === 'Ingress')
      return listAt(object.spec, 'rules')
        .flatMap(rule => listAt(rule, 'http', 'paths'))
        .map(path => {
          const service = at(path, 'backend', 'service')
          return [textAt(service, 'name') ?? '', at(service, 'port', 'number') ?? at(service, 'port', 'name')]
        })
    if (object.kind !== 'IngressRoute') return []
    return listAt(object.spec, 'routes')
      .flatMap(route => listAt(route, 'services'))
      .map(service => [textAt(service, 'name') ?? '', at(service, 'port')])
  }
  return world.objects.flatMap(object =>
    backends(object).flatMap(([name, port]) => {
      const service = serviceNamed(world, object.metadata.namespace, name)
      return service ? traefik(world).flatMap(from => to(world, from, service, port, title(object))) : []
    }),
  )
}
