// What is shown where. The rehearsal's report, the cluster suite and the page PROOF.md all read this one table.
import type { Worth } from './verdict.ts'

export interface Claim {
  id: string
  /** One sentence that is either so or not. */
  what: string
  /** `make rehearse` and `make test`: a real control plane and real controllers, fake pods. */
  sandbox: Worth
  /** `make test-cluster` on a real node without internet: real pods, packets and disks, images of our own making. */
  node: Worth
  /** The same suite on k3s with the publishers' images and charts, every week. */
  k3s: Worth
}

const proven = 'proven'
const assumed = 'assumed'
const unseen = 'not measurable here'

/** In the order in which the cluster suite shows them. */
export const claims = [
  claim(
    'install',
    'one command brings the seven steps up, each waiting only for what it needs',
    proven,
    proven,
    proven,
  ),
  claim('first-page', 'a page answers over HTTPS with a trusted certificate', unseen, proven, proven),
  claim('images', "the publishers' images start with our arguments, users and files", unseen, unseen, proven),
  claim('git-sync', 'a commit arrives in the cluster, a change by hand is undone', unseen, proven, proven),
  claim(
    'hosts',
    'every published host answers from outside: name, address, certificate, redirect',
    unseen,
    proven,
    proven,
  ),
  claim('rancher', 'Rancher itself works', assumed, assumed, proven),
  claim('second-run', 'a second run writes nothing', proven, proven, proven),
  claim('plan-clean', 'a plan after everything has nothing to change', proven, proven, proven),
  claim('pods', 'containers run under their users, capabilities, probes and limits', assumed, proven, proven),
  claim('volume', 'what is written to a volume is there after its pod is gone', unseen, proven, proven),
  claim('reissue', 'a certificate is made anew when its Secret is deleted', proven, proven, proven),
  claim('arp', 'an address is answered by the speaker, and by nobody without it', unseen, proven, unseen),
  claim('dns-drain', 'names resolve while one of the two AdGuards is drained', unseen, proven, proven),
  claim('kill', 'one pod of each component killed: it comes back by itself', unseen, proven, proven),
  claim('restart', 'all pods restarted: the data are there and everything serves', unseen, proven, proven),
  claim(
    'broken',
    'a broken manifest is named: wrong port, missing capability, wrong secret key',
    unseen,
    proven,
    proven,
  ),
  claim(
    'uninstall',
    'an uninstall leaves a healthy cluster, and data that nobody asked to delete',
    proven,
    proven,
    proven,
  ),
  claim('reinstall', 'installed again, it finds its data and serves', proven, proven, proven),
  claim('capacity', 'everything fits the nodes of the house', proven, unseen, unseen),
  claim('failover', 'another node takes an address over when one is lost', unseen, unseen, unseen),
  claim('acme', "Let's Encrypt issues over DNS-01", unseen, unseen, unseen),
] as const satisfies readonly Claim[]

export type ClaimId = (typeof claims)[number]['id']

function claim<Id extends string>(id: Id, what: string, sandbox: Worth, node: Worth, k3s: Worth): Claim & { id: Id } {
  return { id, what, sandbox, node, k3s }
}

/** The sentence of a claim, for a test's name. */
export function sentence(id: ClaimId): string {
  return claims.find(one => one.id === id)?.what ?? id
}
