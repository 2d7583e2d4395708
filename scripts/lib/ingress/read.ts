// Reads what the cluster publishes, looks at it from outside, and reads more only where something is wrong.
import { networkInterfaces } from 'node:os'
import { Cluster } from '../cluster.ts'
import { exit, HomelabError } from '../errors.ts'
import { Snapshot } from '../health/snapshot.ts'
import { outside } from '../outside/outside.ts'
import { refuseOther } from '../site/choose.ts'
import type { Site } from '../site/site.ts'
import { readAuthority } from '../status/trust-ca.ts'
import { certificateOf, routeFaults } from './causes.ts'
import { type Finding, findings, type World } from './findings.ts'
import { type Host, type Ignored, published } from './hosts.ts'
import { type HostLook, type Look, lookAtHosts } from './look.ts'

export interface Tested {
  look: Look
  findings: Finding[]
  ignored: Ignored[]
  /** How many are published, also when one was asked for. */
  published: number
}

// Spelled with their groups, so that another CRD of the same name changes nothing.
const first = [
  ...['namespaces', 'services', 'endpointslices.discovery.k8s.io', 'ingressclasses.networking.k8s.io'],
  ...['ingresses.networking.k8s.io', 'ingressroutes.traefik.io', 'middlewares.traefik.io', 'ipaddresspools.metallb.io'],
  ...['certificates.cert-manager.io', 'issuers.cert-manager.io', 'clusterissuers.cert-manager.io'],
]
const known = [
  ...[
    'Namespace',
    'Service',
    'EndpointSlice',
    'IngressClass',
    'Ingress',
    'IngressRoute',
    'Middleware',
    'IPAddressPool',
  ],
  ...['Certificate', 'Issuer', 'ClusterIssuer'],
]
// What says why something does not run, in the namespaces where it does not.
const closer = [
  ...['deployments.apps', 'statefulsets.apps', 'daemonsets.apps', 'replicasets.apps', 'pods', 'events'],
  ...['persistentvolumeclaims', 'certificaterequests.cert-manager.io'],
  ...['orders.acme.cert-manager.io', 'challenges.acme.cert-manager.io'],
]

/**
 * @param only one host, by its name or what stands before DOMAIN
 * @param progress told how many hosts are done, of how many
 * @throws HomelabError (exit 2) when the cluster cannot be read or nobody publishes `only`, (exit 3) when it is another one
 */
export async function testIngress(
  site: Site,
  only: string | undefined,
  progress: (done: number, of: number) => void,
): Promise<Tested> {
  // Little patience: who asks wants to hear now that nobody answers.
  const cluster = new Cluster(site, 2)
  try {
    return await testIngressIn(cluster, site, only, progress)
  } catch (error) {
    if (!(error instanceof HomelabError) || error.code !== exit.failed) throw error
    throw new HomelabError({ ...error, what: 'the cluster cannot be read', code: exit.usage })
  } finally {
    await cluster.close()
  }
}

/** The same in a cluster that is open already. */
export async function testIngressIn(
  cluster: Cluster,
  site: Site,
  only: string | undefined,
  progress: (done: number, of: number) => void,
): Promise<Tested> {
  const [objects, trust] = await Promise.all([cluster.list(first.join(',')), trustOf(site)])
  refuseOther(
    site,
    objects.find(({ kind, metadata }) => kind === 'Namespace' && metadata.name === 'kube-system')?.metadata.uid,
  )
  const { hosts, ignored } = published(objects, site.domain)
  const chosen = only === undefined ? hosts : [choose(hosts, only, site.domain)]
  const target = {
    ...{ domain: site.domain, traefik: site.traefikAddress, resolvers: site.adguardAddresses },
    ...(trust.ca === undefined ? {} : { ca: trust.ca }),
    ...(site.issuer.name === 'letsencrypt-staging' ? { staging: true as const } : {}),
  }
  const from = outside(site.sandbox ? { sandbox: { routes: site.sandbox.routesFile } } : {})
  const look = await lookAtHosts(chosen, target, from, done => progress(done, chosen.length))

  const more = await Promise.all(
    troubled(look, new Snapshot(objects, { known })).map(namespace => cluster.list(closer.join(','), { namespace })),
  )
  const world: World = {
    site,
    snapshot: new Snapshot([...objects, ...more.flat()], { known }),
    networks: Object.values(networkInterfaces()).flatMap(list =>
      (list ?? []).flatMap(({ family, internal, cidr }) => (family === 'IPv4' && !internal && cidr ? [cidr] : [])),
    ),
    ...(trust.noAuthority === undefined ? {} : { noAuthority: trust.noAuthority }),
  }
  return { look, findings: findings(look, world), ignored, published: hosts.length }
}

/** Whose certificates are right. That the lab has no authority yet is a finding, and no reason to stop. */
async function trustOf(site: Site): Promise<{ ca?: string; noAuthority?: HomelabError }> {
  if (site.issuer.name !== 'internal-ca') return {}
  try {
    return { ca: (await readAuthority(site)).pem }
  } catch (error) {
    if (error instanceof HomelabError && error.code === exit.failed) return { noAuthority: error }
    throw error
  }
}

function choose(hosts: readonly Host[], only: string, domain: string): Host {
  const wanted = only.toLowerCase()
  const found = hosts.find(({ name }) => name === wanted || name === `${wanted}.${domain}`)
  if (found) return found
  throw new HomelabError({
    what: `--host ${only}: nobody publishes it`,
    why: 'no Ingress and no IngressRoute has this host',
    fix: hosts.length ? `one of: ${hosts.map(({ name }) => name).join(', ')}` : 'make status',
    code: exit.usage,
  })
}

/** The namespaces where the cause of what was seen may lie. */
function troubled({ hosts, resolvers }: Look, snapshot: Snapshot): string[] {
  const bad = (seen: { ok: boolean; notMeasurable?: true } | undefined) => seen && !seen.ok && !seen.notMeasurable
  const of = ({ host, page, certificate }: HostLook): string[] => {
    const { namespace, health } = certificateOf(host, snapshot)
    return [
      ...(bad(page) || routeFaults(host, snapshot).length
        ? host.routes.flatMap(route => route.backends.map(backend => backend.namespace))
        : []),
      ...(bad(certificate) || health.state !== 'ready' ? [namespace] : []),
    ]
  }
  return [
    ...new Set([
      ...hosts.flatMap(of),
      ...(hosts.some(({ tcp, redirect }) => bad(tcp) || bad(redirect)) ? ['traefik', 'metallb-system'] : []),
      ...(resolvers.some(({ wildcard }) => wildcard.some(bad)) ? ['adguard'] : []),
    ]),
  ]
}
