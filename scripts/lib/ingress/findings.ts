// From what was seen and what the cluster knows to what is wrong: each fault once, with its cause and the next command.
import ipaddr from 'ipaddr.js'
import { combine, judge, type Snapshot } from '../health/judge.ts'
import { isSilence } from '../outside/dns.ts'
import type { Site } from '../site/site.ts'
import { addressCause, type Cause, clash, doubtsAbout, routeFaults } from './causes.ts'
import { certificateNotes } from './certificates.ts'
import type { HostLook, Look } from './look.ts'
import { dnsNotes, resolverNotes } from './names.ts'

/** One fault, or a thing to know (`warning`), in the form of a Problem. */
export interface Finding {
  level: 'wrong' | 'warning'
  /** In which look it shows. */
  check: 'all' | 'names' | 'connection' | 'certificate' | 'redirect' | 'page'
  /** The hosts that it is about; empty when it is about all, or about none. */
  hosts: string[]
  what: string
  why?: string
  fix?: string
}

/** The same about one host, before equal ones become one. */
export interface Note {
  level: Finding['level']
  host?: string
  text: string
  why?: string
  fix?: string
}

export interface World {
  site: Pick<Site, 'domain' | 'traefikAddress' | 'adguardAddresses' | 'dnsUpstreams' | 'issuer'>
  snapshot: Snapshot
  /** This machine's own addresses with their networks: `192.168.1.23/24`. */
  networks: readonly string[]
  /** Why the lab's authority could not be read; then no certificate can be judged. */
  noAuthority?: { what: string; why?: string; fix?: string }
}

/** What is wrong, worst first. */
export function findings(look: Look, world: World): Finding[] {
  if (nobodyAnswers(look)) return [lost(world)]
  const of = (check: Finding['check'], list: Note[]) => list.map(note => ({ ...note, check }))
  const notes = [
    ...of('names', resolverNotes(look, world)),
    ...look.hosts.flatMap(one => [
      ...of('names', dnsNotes(one, look.resolvers, world)),
      ...of('connection', doorNotes(one, world)),
      ...of('certificate', certificateNotes(one, world)),
      ...of('redirect', redirectNotes(one, world)),
      ...of('page', pageNotes(one, world)),
    ]),
  ]
  const grouped = new Map<string, { note: (typeof notes)[number]; hosts: string[] }>()
  for (const note of notes) {
    const key = [note.level, note.text, note.why, note.fix, note.host === undefined].join('\n')
    const group = grouped.get(key) ?? { note, hosts: [] }
    if (note.host !== undefined && !group.hosts.includes(note.host)) group.hosts.push(note.host)
    grouped.set(key, group)
  }
  const all = [...grouped.values()].map(({ note: { level, check, text, why, fix }, hosts }): Finding => {
    const what = hosts.length ? `${several(hosts)}: ${text}` : text
    return { level, check, hosts, what, ...(why ? { why } : {}), ...(fix ? { fix } : {}) }
  })
  return [...all.filter(one => one.level === 'wrong'), ...all.filter(one => one.level === 'warning')]
}

function several(hosts: readonly string[]): string {
  const shown = hosts.length > 4 ? hosts.slice(0, 3) : hosts
  return shown.join(', ') + (hosts.length > shown.length ? ` and ${hosts.length - shown.length} more` : '')
}

/** Whether nothing that can be asked gives any answer, not even a refusal. */
function nobodyAnswers(look: Look): boolean {
  const seen = [
    ...look.hosts.flatMap(({ dns, tcp, redirect }) => [...dns, tcp, redirect]),
    ...look.resolvers.flatMap(({ wildcard }) => wildcard),
  ].filter(one => !one.notMeasurable)
  return seen.length > 0 && seen.every(one => !one.ok && isSilence(one.cause))
}

/** One message for a whole house that is silent: this machine is elsewhere, or nobody announces the addresses. */
function lost({ site, snapshot, networks }: World): Finding {
  const addresses = [site.traefikAddress, ...site.adguardAddresses]
  const finding: Finding = {
    level: 'wrong',
    check: 'all',
    hosts: [],
    what: `nothing at all answers at ${addresses.join(', ')}`,
  }
  const announced = doorCause(site, snapshot)
  if (announced) return { ...finding, ...announced }
  const near = networks.some(network => {
    const parsed = ipaddr.IPv4.parseCIDR(network)
    return addresses.some(address => ipaddr.IPv4.parse(address).match(parsed))
  })
  if (near)
    return {
      ...finding,
      why: 'this machine is in the network of these addresses, and MetalLB runs, but nobody answers for them',
      fix: 'kubectl -n metallb-system logs daemonset/metallb-speaker --tail=50',
    }
  return {
    ...finding,
    why: `this machine is in another network (${networks.join(', ') || 'none'}), and MetalLB announces the addresses in their own`,
    fix: "make test-ingress on a machine in the house's network",
  }
}

function doorCause(site: World['site'], snapshot: Snapshot): Cause | undefined {
  const traefik = addressCause({ namespace: 'traefik', name: 'traefik' }, site.traefikAddress, '04-traefik', snapshot)
  if (traefik) return traefik
  const speakers = snapshot.of('DaemonSet').filter(({ metadata }) => metadata.namespace === 'metallb-system')
  const { state, cause, fix } = combine(speakers.map(one => judge(one, snapshot)))
  return speakers.length && state !== 'ready' && cause
    ? { why: `MetalLB does not announce the address: ${cause}`, fix: fix ?? './bootstrap/02-metallb.ts' }
    : undefined
}

function doorNotes({ tcp }: HostLook, { site, snapshot }: World): Note[] {
  if (tcp.ok || tcp.notMeasurable) return []
  const text = `Traefik at ${site.traefikAddress} does not answer on port 443: ${tcp.cause}`
  const cause = doorCause(site, snapshot) ?? {
    why: 'its Service has the address and ready pods: something between here and the nodes is in the way',
    fix: 'kubectl -n traefik get pods,services -o wide',
  }
  return [{ level: 'wrong', text, ...cause }]
}

function redirectNotes({ host, tcp, redirect }: HostLook, { site, snapshot }: World): Note[] {
  if (redirect.ok || redirect.notMeasurable) return []
  if (redirect.status === undefined) {
    if (!tcp.ok) return [] // that Traefik does not answer is said already
    const text = `Traefik at ${site.traefikAddress} does not answer on port 80: ${redirect.cause}`
    return [{ level: 'wrong', text, ...(doorCause(site, snapshot) ?? { fix: './bootstrap/04-traefik.ts' }) }]
  }
  const does = redirect.cause?.replace(/ instead of .*/, '')
  return [
    {
      ...{ level: 'wrong', host: host.name, text: `HTTP does not lead to HTTPS: ${does}` },
      why: 'the redirect belongs to the entry point web (infrastructure/platform/traefik/values.yaml)',
      fix: './bootstrap/04-traefik.ts',
    },
  ]
}

function pageNotes(look: HostLook, { snapshot }: World): Note[] {
  const { host, page } = look
  const faults = routeFaults(host, snapshot)
  const twice = clash(host)
  const about = (level: Note['level'], { why, fix }: Cause): Note => ({ level, host: host.name, text: why, fix })
  // A page that answers may have others that do not; where nothing was seen, the cluster's word is all there is.
  if (page?.ok) return [...faults, ...(twice ? [twice] : [])].map(one => about('warning', one))
  if (page === undefined || page.notMeasurable)
    return [...faults.map(one => about('wrong', one)), ...(twice ? [about('warning', twice)] : [])]
  // Where not even a certificate came, that is said already.
  if (page.status === undefined && look.certificate?.ok === false && !look.certificate.certificate)
    return faults.map(one => about('warning', one))
  const cause = faults[0] ?? (page.status === 404 ? doubtsAbout(host) : twice) ?? usual(look)
  const more = faults.slice(1).map(one => about('warning', one))
  return [{ level: 'wrong', host: host.name, text: page.cause ?? 'no answer', ...cause }, ...more]
}

/** What it mostly is when the cluster's objects are in order. */
function usual({ host, page }: HostLook): Cause {
  const [backend] = host.routes.flatMap(route => route.backends)
  const { namespace = 'traefik', service } = backend ?? {}
  const pods = `kubectl -n ${namespace} get pods -o wide`
  if (page?.status === 404)
    return {
      why: 'Traefik has not taken the route, or a program behind it says so in the same words',
      fix: 'kubectl -n traefik logs deployment/traefik --tail=50',
    }
  if (/^the redirects/.test(page?.cause ?? ''))
    return {
      why: 'the program behind wants HTTPS, and does not know that it ends at Traefik',
      fix: `tell ${service ?? host.name} that TLS ends before it (Argo CD: server.insecure: true)`,
    }
  if (page?.status === 502 || page?.status === 503)
    return { why: `pods of ${namespace}/${service} are ready, but Traefik does not reach them`, fix: pods }
  if (page?.status === 504 || /^no page within/.test(page?.cause ?? ''))
    return { why: 'the ingress takes the question, and the program behind it is slow or hangs', fix: pods }
  if (/speaks HTTPS/.test(page?.cause ?? ''))
    return {
      why: 'Traefik speaks HTTP to a Service unless its port is named https or 443',
      fix: `kubectl -n ${namespace} edit service ${service}`,
    }
  return { why: 'it is the answer of the program behind the ingress', fix: pods }
}
