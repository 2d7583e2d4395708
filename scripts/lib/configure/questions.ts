// The questions about the lab itself, in the order in which one answer helps with the next.
import { formatQuantity } from '../k8s.ts'
import { serverAddress } from '../site/kubeconfig.ts'
import { contains, formatAddress, formatRange, parseAddress, unusableOnLan } from '../site/network.ts'
import { providerKeys } from '../site/rules.ts'
import { about, secretKeys, type Values } from '../site/schema.ts'
import { conflicts, nodeNetwork, one, proposePool, rangeOf, type Taken } from './pool.ts'
import { type Session, settle } from './session.ts'
import type { ClusterFacts } from './survey.ts'

export async function settleDomain(session: Session): Promise<void> {
  await settle(session, 'DOMAIN', {
    title: 'The domain under which everything is served',
    hint: 'Something like lab.home.arpa needs no registration: home.arpa is set apart for homes, and your own DNS answers for it. For certificates from Let’s Encrypt it must be a domain that you own, or a name below it.',
  })
}

/** The pool, and the gateway, which it must not contain. */
export async function settleAddresses(session: Session, facts: ClusterFacts | undefined): Promise<void> {
  const { settings, machine } = session
  const nodes = (facts?.nodes ?? []).flatMap(({ name, address }) => (address === undefined ? [] : [{ name, address }]))
  const lan = nodeNetwork(
    nodes.map(({ address }) => address),
    machine.interfaces.map(({ network }) => network),
  )
  const { gateway } = machine
  if (lan && !lan.assumed && gateway !== undefined && contains(lan.network, gateway) && !settings.get('GATEWAY_IP'))
    settings.want('GATEWAY_IP', formatAddress(gateway), 'this computer’s default route, in the nodes’ network')
  const taken = takenAddresses(session, facts)
  const near = nodes.find(({ address }) => lan && contains(lan.network, address))?.address
  const heard = machine.neighbours.filter(address => lan && contains(lan.network, address))
  const proposal =
    lan && near !== undefined
      ? proposePool(lan, near, [...taken, ...heard.map(address => ({ what: 'a device', range: one(address) }))])
      : undefined
  const clear = [
    nodes.length === 1 ? 'the node' : 'the nodes',
    ...(settings.get('GATEWAY_IP') ? ['the gateway'] : []),
    ...(taken.some(({ what }) => what === 'the API server') ? ['the API server'] : []),
    ...(heard.length ? [`the ${heard.length} devices in this computer’s ARP table`] : []),
  ]
  await settle(session, 'METALLB_POOL', {
    title: 'Free addresses of your network for the lab’s services',
    hint: 'The first three go to Traefik and two DNS servers. Your router must hand none of them out: its DHCP range must leave them out.',
    ...(proposal && lan
      ? {
          proposal: formatRange(proposal),
          why: `${proposal.size} addresses high in ${lan.text}${lan.assumed ? ' (its size is assumed)' : ''}, clear of ${clear.join(', ')}; nothing was sent to look for other devices`,
        }
      : {}),
    also: ['TRAEFIK_IP', 'ADGUARD_IPS', 'DNS_UPSTREAMS'],
    wrong: text => {
      const range = rangeOf(text)
      const found = range ? conflicts(range, taken) : []
      return found.length ? `it contains ${found.join(', ')}` : undefined
    },
  })
}

/** What is known to have an address. */
export function takenAddresses({ settings, machine }: Session, facts: ClusterFacts | undefined): Taken[] {
  const context = settings.before.contexts?.contexts.find(({ name }) => name === settings.get('KUBE_CONTEXT'))
  const address = (what: string, value: number | undefined): Taken[] =>
    value === undefined ? [] : [{ what, range: one(value) }]
  const range = (what: string, text: string | undefined): Taken[] => {
    const found = rangeOf(text)
    return found ? [{ what, range: found }] : []
  }
  return [
    ...(facts?.nodes ?? []).flatMap(node => address(`the node ${node.name}`, node.address)),
    ...address('the API server', serverAddress(context)),
    ...address('the gateway', parseAddress(settings.get('GATEWAY_IP') ?? '')),
    ...machine.interfaces.flatMap(own => address('this computer', own.address)),
    ...range('the DHCP range', settings.get('DHCP_RANGE')),
    ...range('the pods’ network of k3s and RKE2', '10.42.0.0/16'),
    ...range('the services’ network of k3s and RKE2', '10.43.0.0/16'),
  ].filter(({ range: { first } }) => unusableOnLan(first) === undefined)
}

/** Who signs the certificates, and what Let's Encrypt needs for it. */
export async function settleCertificates(session: Session): Promise<void> {
  const { settings } = session
  await settle(session, 'TLS_ISSUER', {
    title: 'Who signs the certificates: internal-ca, letsencrypt-staging or letsencrypt',
    hint: 'The lab’s own CA works without internet and without a domain of your own; devices trust it once (make trust-ca). Let’s Encrypt is trusted everywhere and needs an account at your DNS provider: staging first.',
    proposal: 'internal-ca',
    why: 'it works at once; the others can follow later',
    safe: true,
    also: ['DOMAIN'],
  })
  const internal = (settings.get('TLS_ISSUER') ?? 'internal-ca') === 'internal-ca'
  if (!internal) await settleAcme(session)
  const provider = settings.get('DNS_PROVIDER') as Values['DNS_PROVIDER'] | undefined
  for (const [owner, keys] of Object.entries(providerKeys))
    for (const key of keys) {
      if (owner === provider)
        await settle(session, key, {
          title: about(key).about,
          hint: secretKeys.has(key) ? 'Nothing of it is shown while you type.' : '',
        })
      else if (settings.wants.has('DNS_PROVIDER') && settings.own(key)) settings.want(key, '', `belongs to ${owner}`)
    }
}

async function settleAcme(session: Session): Promise<void> {
  await settle(session, 'ACME_EMAIL', {
    title: 'An e-mail address for Let’s Encrypt',
    hint: 'It belongs to the account. An address that you read.',
  })
  await settle(session, 'DNS_PROVIDER', {
    title: 'Who serves the domain: cloudflare, digitalocean or rfc2136 (your own server)',
    hint: 'The proof that the domain is yours is a DNS record there, so nothing of the lab has to be reachable from outside.',
  })
}

// Requests of infrastructure/platform/*/values.yaml, and as much again for what Rancher starts by itself (webhook, fleet).
const memory = { rancher: 2 * 2 ** 30, rest: 2 * 2 ** 30 }

export async function settlePlatform(session: Session, facts: ClusterFacts | undefined): Promise<void> {
  const { settings, machine } = session
  const total = (facts?.nodes ?? []).reduce((sum, node) => sum + node.memory, 0)
  const largest = Math.max(0, ...(facts?.nodes ?? []).map(node => node.memory))
  const fits = total >= memory.rancher + memory.rest && largest >= memory.rancher
  const gib = (bytes: number) => formatQuantity('memory', bytes)
  await settle(session, 'RANCHER', {
    title: 'Install Rancher, the cluster in a browser: true or false',
    meant: answer => (/^y(es)?$/i.test(answer) ? 'true' : /^no?$/i.test(answer) ? 'false' : answer),
    hint: `It takes about ${gib(memory.rancher)} of memory, the rest of the platform about ${gib(memory.rest)}.`,
    proposal: String(facts === undefined || fits),
    why: facts
      ? `the nodes have ${gib(total)} for pods${facts.nodes.length > 1 ? `, the largest ${gib(largest)}` : ''}`
      : 'the default; the nodes’ memory is not known',
    safe: true,
  })
  const { timezone } = machine
  if (!settings.get('TIMEZONE') && !/^(Etc\/)?(UTC|GMT)$/.test(timezone) && !settings.flaw('TIMEZONE', timezone))
    settings.want('TIMEZONE', timezone, 'this computer’s')
}

export async function settleGit(session: Session): Promise<void> {
  const { settings } = session
  const { git, checkout } = settings.before
  if (git.repository && !settings.get('GIT_REPOSITORY')) {
    settings.want(
      'GIT_REPOSITORY',
      git.repository,
      `the remote origin${git.repository === checkout.origin ? '' : ', by https'}`,
    )
    return
  }
  if (settings.get('GIT_REPOSITORY')) return
  await settle(session, 'GIT_REPOSITORY', {
    title: 'Your fork of this repository, as the cluster reaches it',
    hint: 'This checkout has no remote called origin that the cluster could read from.',
  })
}
