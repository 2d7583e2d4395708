// What AdGuard's answers mean: for the hosts, for a name that nobody publishes, and for the rest of the internet.
import { addressCause, type Cause } from './causes.ts'
import type { Note, World } from './findings.ts'
import type { Answer, DnsLook, HostLook, ResolverLook } from './look.ts'

const step = './bootstrap/03-adguard.ts'

/** Of each AdGuard: does it answer, does it lead names of the house to Traefik, and does it know the internet. */
export function resolverNotes({ resolvers }: { resolvers: ResolverLook[] }, world: World): Note[] {
  const each = resolvers.flatMap(resolver => houseNotes(resolver, world).map(note => ({ note, resolver })))
  const key = ({ note: { text, why, fix } }: (typeof each)[number]) => [text, why, fix].join('\n')
  const house = each
    .filter((one, i) => each.findIndex(other => key(other) === key(one)) === i) // the same of both is one message
    .map(one => {
      const same = each.filter(other => key(other) === key(one)).map(({ resolver }) => resolver)
      return { ...one.note, text: `AdGuard at ${list(same)} ${one.note.text}` }
    })
  return [...house, ...internetNotes(resolvers, world)]
}

function houseNotes({ address, wildcard }: ResolverLook, { site, snapshot }: World): Note[] {
  const wrong = wildcard.filter(one => !one.ok && !one.notMeasurable)
  const instance = site.adguardAddresses.indexOf(address)
  const cause = (): Cause => {
    const service = { namespace: 'adguard', name: `adguard-${instance}` }
    const found = addressCause(service, address, '03-adguard', snapshot)
    if (found) return found
    const one = wrong.length === 1 ? wrong[0]?.protocol.toUpperCase() : undefined
    return {
      why: `its Service has the address and a ready pod${one ? `, and only ${one} fails` : ''}: something between is in the way`,
      fix: `kubectl -n adguard describe service adguard-${instance}`,
    }
  }
  const notes = wrong.map(({ code, addresses, cause: said, protocol }): Note & { protocol: string } =>
    code === undefined
      ? { level: 'wrong', protocol, text: `does not answer over PROTOCOL: ${said}`, ...cause() }
      : {
          ...{ level: 'wrong', protocol, text: wrongAnswer(`names below ${site.domain}`, said, addresses, site) },
          why: `its rewrite of *.${site.domain} is missing or changed`,
          fix: step,
        },
  )
  const [udp, tcp] = notes
  // The same over both is one message.
  const said = udp && tcp && udp.text === tcp.text ? [{ ...udp, protocol: 'UDP and TCP' }] : notes
  return said.map(({ protocol, text, ...note }) => ({
    ...note,
    text: text.replace('PROTOCOL', protocol.toUpperCase().replace('AND', 'and')),
  }))
}

function wrongAnswer(what: string, said: string | undefined, addresses: string[], site: World['site']): string {
  if (addresses.length) return `leads ${what} to ${addresses.join(', ')} instead of ${site.traefikAddress}`
  return `has no right answer for ${what}: ${said}`
}

/** Of one host: what is wrong for it alone. What is wrong with the whole server is said of that. */
export function dnsNotes({ host, dns }: HostLook, resolvers: ResolverLook[], { site }: World): Note[] {
  if (!host.ours) return foreignNote(host.name, dns, site)
  const said = new Map<string, { look: DnsLook; at: Set<string> }>()
  for (const look of dns) {
    if (look.ok || look.notMeasurable) continue
    const whole = resolvers
      .find(({ address }) => address === look.resolver)
      ?.wildcard.find(({ protocol }) => protocol === look.protocol)
    if (whole && !whole.ok && whole.code === look.code && `${whole.addresses}` === `${look.addresses}`) continue
    const key = `${look.code} ${look.addresses}`
    const known = said.get(key) ?? { look, at: new Set() }
    known.at.add(look.resolver)
    said.set(key, known)
  }
  return [...said.values()].map(({ look: { addresses, cause, code }, at }): Note => {
    const who = `AdGuard at ${[...at].join(' and ')}`
    const blocked = addresses.every(address => address === '0.0.0.0') && addresses.length > 0
    const web = `https://adguard.${site.domain}`
    if (code === undefined)
      return {
        ...{ level: 'wrong', host: host.name, text: `${who} gave no answer: ${cause}` },
        why: 'it answers for other names: it is busy, or packets are lost on the way',
        fix: 'kubectl -n adguard get pods',
      }
    return {
      ...{ level: 'wrong', host: host.name },
      text: `${who} ${blocked ? 'blocks it (0.0.0.0)' : wrongAnswer('it', cause, addresses, site)}`,
      ...(blocked
        ? {
            why: 'a filter list or a rule has this name',
            fix: `${web}, Filters > Custom filtering rules: @@||${host.name}^`,
          }
        : host.name === site.domain
          ? { why: `its rewrite of ${site.domain} is missing or changed`, fix: step }
          : { why: 'it has an entry of its own for this name', fix: `${web}, Filters > DNS rewrites` }),
    }
  })
}

function foreignNote(name: string, dns: DnsLook[], site: World['site']): Note[] {
  if (dns.every(one => one.notMeasurable)) return []
  const addresses = [...new Set(dns.flatMap(one => one.addresses))]
  if (addresses.includes(site.traefikAddress)) return []
  const leads = addresses.length ? `leads to ${addresses.join(', ')}` : `has no address (${dns[0]?.cause})`
  return [
    {
      ...{ level: 'warning', host: name, text: `it lies outside ${site.domain} and ${leads}, not to Traefik` },
      why: `only names below ${site.domain} are ours; who gives this one its address is the owner of its domain`,
      fix: `https://adguard.${site.domain}, Filters > DNS rewrites, if the house should find it at ${site.traefikAddress}`,
    },
  ]
}

/** What does not come from the lab is no fault of it, but is said. A rewrite of everything is a fault. */
function internetNotes(resolvers: ResolverLook[], { site }: World): Note[] {
  const answering = resolvers.filter(({ wildcard }) => wildcard.some(one => one.code !== undefined))
  const [upstream = ''] = site.dnsUpstreams
  const ours = answering.filter(one =>
    [one.internet, one.nowhere].some(({ addresses }) => addresses.includes(site.traefikAddress)),
  )
  if (ours.length)
    return [
      {
        ...{ level: 'wrong', text: `AdGuard at ${list(ours)} leads names of the internet to Traefik` },
        why: `a rewrite there is for more than ${site.domain}`,
        fix: `https://adguard.${site.domain}, Filters > DNS rewrites: only ${site.domain} and *.${site.domain} are ours`,
      },
    ]
  const notes: Note[] = []
  const say = (is: (one: ResolverLook) => boolean, text: string, why: string) => {
    const found = answering.filter(is)
    if (!found.length) return
    notes.push({
      level: 'warning',
      text: `AdGuard at ${list(found)} ${text}`,
      why,
      fix: `dig @${upstream} example.com`,
    })
  }
  const silent = ({ code, notMeasurable }: Answer) => !notMeasurable && (code === undefined || code === 2 || code === 5)
  say(
    one => silent(one.internet),
    'gets no answer for names of the internet',
    `its upstreams (${site.dnsUpstreams.join(', ')}) do not answer: no internet, or a firewall. The house's names work`,
  )
  say(
    ({ internet: { ok, code, addresses } }) =>
      (!ok && (code === 0 || code === 3)) || (ok && addresses.every(address => address === '0.0.0.0')),
    'says that example.com, which always exists, has no address',
    'a filter has it, or its upstreams have no internet behind them',
  )
  say(
    ({ nowhere: { ok } }) => ok,
    'gives an address to a name that cannot exist',
    'its upstreams answer for every name, as some providers do: misspelt names lead to their pages',
  )
  return notes
}

function list(resolvers: readonly ResolverLook[]): string {
  return resolvers.map(({ address }) => address).join(' and ')
}
