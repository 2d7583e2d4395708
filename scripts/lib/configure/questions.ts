// The questions, in the order in which one answer helps with the next, each with a proposal and the reason for it.
import { exit, HomelabError } from '../errors.ts'
import { formatQuantity } from '../k8s.ts'
import { refuseOther } from '../site/choose.ts'
import { clusterQuestion, describeCluster, isYes } from '../site/confirm.ts'
import { type Context, serverAddress } from '../site/kubeconfig.ts'
import { contains, formatAddress, formatRange, parseAddress, unusableOnLan } from '../site/network.ts'
import { providerKeys } from '../site/rules.ts'
import { about, type Key, secretKeys, type Values } from '../site/schema.ts'
import { type Asker, explain, object, say } from './ask.ts'
import { flagOf } from './flags.ts'
import type { Surroundings } from './machine.ts'
import { conflicts, nodeNetwork, one, proposePool, rangeOf, type Taken } from './pool.ts'
import type { Settings } from './settings.ts'
import { askContexts, type ClusterFacts, distribution, surveyCluster } from './survey.ts'

export interface Session {
  settings: Settings
  machine: Surroundings
  /** Nobody to ask: flags, environment and what is safe to assume decide. */
  asker?: Asker
  /** `--yes`: every proposal is accepted. */
  yes: boolean
  /** Proposals that nobody accepted yet: named with what is missing. */
  offers: Map<Key, string>
  /** Keys that are needed although the schema could do without. */
  needed: Map<Key, string>
}

interface Question {
  title: string
  /** What helps to answer. */
  hint: string
  proposal?: string
  /** Where the proposal came from; shown, and kept beside the change. */
  why?: string
  /** Nobody needs to be asked for it to be right. */
  safe?: boolean
  /** Further keys whose rules the answer can break. */
  also?: readonly Key[]
  /** Other ways to say the same. */
  meant?: (answer: string) => string
  /** What else is wrong with an answer. */
  wrong?: (text: string) => string | undefined
}

/** One key: decided already, or asked until the answer is good. */
async function settle({ settings, asker, yes, offers }: Session, key: Key, question: Question): Promise<void> {
  const { title, hint, proposal, why = 'proposed', safe, also, wrong, meant = text => text } = question
  if (settings.wants.has(key)) return // by flag or environment
  const own = settings.own(key)
  if (!asker) {
    if (own !== undefined || proposal === undefined) return
    offers.set(key, proposal)
    if (safe || yes) settings.want(key, proposal, why)
    return
  }
  const offered = own ?? proposal
  say(`\n${title}`)
  explain(own === undefined ? hint : `${hint} Now: what ${settings.before.name} has.`)
  if (own === undefined && proposal !== undefined && question.why) explain(`Proposed: ${question.why}.`)
  const secret = secretKeys.has(key)
  const inBrackets =
    offered === undefined ? '' : secret ? ` [the ${offered.length} characters that are there]` : ` [${offered}]`
  for (;;) {
    const prompt = `${key}${inBrackets}: `
    const answer = await (secret ? asker.secret(prompt) : asker.line(prompt))
    if (answer === undefined) throw unanswered(key)
    const text = meant(answer) || offered
    if (text === undefined) {
      object(`this one has no proposal${secret ? '' : `; for example ${about(key).example}`}`)
      continue
    }
    const flaw = settings.flaw(key, text, also)
    const problem = flaw ? `${flaw.problem}. Fix: ${flaw.fix}` : wrong?.(text)
    if (problem === undefined) return settings.want(key, text, answered)
    object(problem)
  }
}

/** The reason for what was asked: it was read there. */
export const answered = 'your answer'

function unanswered(key: Key): HomelabError {
  return new HomelabError({
    what: `no answer for ${key}, nothing was written`,
    fix: secretKeys.has(key)
      ? `set ${key} in this command’s environment`
      : `answer the question, or --${flagOf(key)} …`,
    code: exit.usage,
  })
}

/** Which cluster, and what it is; undefined when it cannot be looked at. */
export async function settleCluster(session: Session): Promise<ClusterFacts | undefined> {
  const { settings } = session
  const { contexts: config, kubeconfig, found } = settings.before
  if (!config) {
    const problem = found.find(({ key }) => key === 'KUBECONFIG')?.problem ?? `not found at ${kubeconfig}`
    say(`No cluster was looked at, KUBECONFIG: ${problem}`)
    return undefined
  }
  const context = await settleContext(session, config.contexts, config.current)
  if (!context) return undefined
  const facts = await surveyCluster(kubeconfig, context.name)
  if ('silent' in facts) {
    say(`The cluster of the context ${context.name} was not looked at: ${facts.silent}`)
    if (/^https?:\/\/(127\.|localhost)/.test(context.server))
      explain(
        `The kubeconfig leads to ${context.server}, which is this computer. If it was copied from the server, put the server’s address there.`,
      )
    if (
      settings.own('CLUSTER_UID') &&
      settings.own('KUBE_CONTEXT') !== context.name &&
      !settings.wants.has('CLUSTER_UID')
    )
      settings.want('CLUSTER_UID', '', 'was that of another context')
    return undefined
  }
  await settleUid(session, context.name, facts)
  return facts
}

async function settleContext(
  session: Session,
  contexts: readonly Context[],
  current: string,
): Promise<Context | undefined> {
  const { settings, asker, needed, offers } = session
  const find = (name: string | undefined) => contexts.find(context => context.name === name)
  const decided = settings.get('KUBE_CONTEXT')
  const [only] = contexts.length === 1 ? contexts : []
  if (settings.wants.has('KUBE_CONTEXT') || (!asker && decided)) return find(decided)
  if (only && (!decided || decided === only.name)) {
    settings.want('KUBE_CONTEXT', only.name, 'the only context')
    return only
  }
  if (contexts.length === 0) return undefined
  if (!asker) {
    needed.set(
      'KUBE_CONTEXT',
      `not set, and ${settings.before.kubeconfig} has ${contexts.map(({ name }) => name).join(', ')}`,
    )
    offers.set('KUBE_CONTEXT', current || (contexts[0]?.name ?? ''))
    return undefined
  }
  const answers = await askContexts(settings.before.contexts ?? { path: '', current, contexts })
  say(`\nThe contexts in ${settings.before.kubeconfig}:`)
  const width = Math.max(...contexts.map(({ name }) => name.length))
  for (const [i, { name, server }] of contexts.entries()) {
    const answer = answers.get(name)
    const state = !answer
      ? 'not asked'
      : 'silent' in answer
        ? answer.silent
        : `${distribution(answer.version) || 'Kubernetes'} ${answer.version}`
    say(`  ${String(i + 1).padStart(2)}  ${name.padEnd(width)}  ${server.replace('https://', '')}: ${state}`)
  }
  const version = ({ name }: Context) => {
    const answer = answers.get(name)
    return answer && 'version' in answer ? answer.version : ''
  }
  const homes = contexts.filter(context => distribution(version(context)))
  const answering = contexts.filter(version)
  const [home] = homes.length === 1 ? homes : answering.length === 1 ? answering : []
  const proposal = home?.name ?? find(current)?.name
  await settle(session, 'KUBE_CONTEXT', {
    title: 'Which cluster is the lab’s?',
    hint: 'A number of the list, or a name.',
    ...(proposal
      ? {
          proposal,
          why: home
            ? `the only one that answers${distribution(version(home)) ? ` and is ${distribution(version(home))}` : ''}`
            : 'where the kubeconfig is at',
        }
      : {}),
    wrong: text => ((find(text) ?? contexts[Number(text) - 1]) ? undefined : 'that is not in the list'),
  })
  const answer = settings.get('KUBE_CONTEXT')
  const chosen = find(answer) ?? contexts[Number(answer) - 1]
  if (chosen && chosen.name !== answer) settings.want('KUBE_CONTEXT', chosen.name, answered)
  return chosen
}

/** As a run's own question: shown once, confirmed, kept; another one later is refused. */
async function settleUid(session: Session, context: string, { uid, nodes, version }: ClusterFacts): Promise<void> {
  const { settings, asker, yes } = session
  const stored = settings.get('CLUSTER_UID')
  const described = describeCluster(context, nodes, uid)
  if (!uid || stored === uid) return
  const sameContext = settings.own('KUBE_CONTEXT') === context || settings.flagged.has('CLUSTER_UID')
  if (stored && sameContext) refuseOther({ context, clusterUid: stored, file: settings.before.name }, uid)
  say(`\nThe cluster: ${described}, ${distribution(version) || 'Kubernetes'} ${version}`)
  if (asker) {
    if (!isYes(await asker.line(clusterQuestion)))
      throw new HomelabError({
        what: 'not confirmed, nothing was written',
        fix: 'run it again with the right context: --context NAME (kubectl config get-contexts)',
        code: exit.usage,
      })
    settings.want('CLUSTER_UID', uid, answered)
  } else if (yes || settings.flagged.has('KUBE_CONTEXT'))
    settings.want('CLUSTER_UID', uid, yes ? 'confirmed by --yes' : 'you named the context')
}

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
  if ((settings.get('TLS_ISSUER') ?? 'internal-ca') === 'internal-ca') return
  await settle(session, 'ACME_EMAIL', {
    title: 'An e-mail address for Let’s Encrypt',
    hint: 'It belongs to the account. An address that you read.',
  })
  await settle(session, 'DNS_PROVIDER', {
    title: 'Who serves the domain: cloudflare, digitalocean or rfc2136 (your own server)',
    hint: 'The proof that the domain is yours is a DNS record there, so nothing of the lab has to be reachable from outside.',
  })
  const provider = settings.get('DNS_PROVIDER') as Values['DNS_PROVIDER'] | undefined
  for (const [owner, keys] of Object.entries(providerKeys))
    for (const key of keys) {
      if (owner === provider)
        await settle(session, key, {
          title: about(key).about,
          hint: secretKeys.has(key) ? 'Nothing of it is shown while you type.' : '',
        })
      else if (provider && settings.own(key)) settings.want(key, '', `belongs to ${owner}`)
    }
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
