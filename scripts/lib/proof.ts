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

const marks: Readonly<Record<string, Worth>> = { '✓': 'proven', '~': 'assumed', '–': 'not measurable here' }

const nowhere: Worth = 'not measurable here'

/** In the order in which the cluster suite shows them. */
export const claims = [
  claim('install', 'one command brings the seven steps up, each waiting only for what it needs', '✓ ✓ ✓'),
  claim('first-page', 'a page answers over HTTPS with a trusted certificate', '– ✓ ✓'),
  claim('images', "the publishers' images start with our arguments, users and files", '– – ✓'),
  claim('git-sync', 'a commit arrives in the cluster, a change by hand is undone', '✓ ✓ ✓'),
  claim('applications', 'every application of each environment gets Synced and Healthy, wave after wave', '✓ – –'),
  claim('prune', 'what is taken out of Git is taken out of the cluster', '✓ – –'),
  claim('leave', 'an application leaves only when that is confirmed', '✓ – –'),
  claim('parent', 'deleting the parent of the applications deletes nothing', '✓ – –'),
  claim('hosts', 'every published host answers from outside: name, address, certificate, redirect', '– ✓ ✓'),
  claim('rancher', 'Rancher itself works', '~ ~ ✓'),
  claim('closed', 'what the network policies shut is refused, what they open gets through', '– ✓ ✓'),
  claim('flows', 'no connection is seen that the list of needed ones lacks', '– ✓ –'),
  claim('second-run', 'a second run writes nothing', '✓ ✓ ✓'),
  claim('plan-clean', 'a plan after everything has nothing to change', '✓ ✓ ✓'),
  claim('pods', 'containers run under their users, capabilities, probes and limits', '~ ✓ ✓'),
  claim('volume', 'what is written to a volume is there after its pod is gone', '– ✓ ✓'),
  claim('reissue', 'a certificate is made anew when its Secret is deleted', '✓ ✓ ✓'),
  claim('arp', 'an address is answered by the speaker, and by nobody without it', '– ✓ –'),
  claim('dns-drain', 'names resolve while one of the two AdGuards is drained', '– ✓ ✓'),
  claim('kill', 'one pod of each component killed: it comes back by itself', '– ✓ ✓'),
  claim('restart', 'all pods restarted: the data are there and everything serves', '– ✓ ✓'),
  claim('broken', 'a broken manifest is named: wrong port, missing capability, wrong secret key', '– ✓ ✓'),
  claim('uninstall', 'an uninstall leaves a healthy cluster, and data that nobody asked to delete', '✓ ✓ ✓'),
  claim('reinstall', 'installed again, it finds its data and serves', '✓ ✓ ✓'),
  claim('real-applications', "with the publishers' charts every application is synced, healthy and answers", '– – ✓'),
  claim('targets', 'Prometheus reaches every target', '– – ✓'),
  claim('logs', "every namespace's logs arrive in Loki, the nodes' journals and the events too", '– – ✓'),
  claim('series', 'what Proxmox VE sends arrives in InfluxDB, with a token that can do nothing else', '– – ✓'),
  claim('restore', 'a namespace comes back from a backup, with what lay on its volume', '– – ✓'),
  claim('limits', 'each namespace lets in what is installed, and refuses a pod beyond its limits', '✓ – –'),
  claim('capacity', 'everything fits the nodes of the house', '✓ – –'),
  claim('failover', 'another node takes an address over when one is lost', '– – –'),
  claim('acme', "Let's Encrypt issues over DNS-01", '– – –'),
] as const satisfies readonly Claim[]

export type ClaimId = (typeof claims)[number]['id']

/** @param seen the marks for sandbox, node and k3s */
function claim<Id extends string>(id: Id, what: string, seen: string): Claim & { id: Id } {
  const [sandbox = nowhere, node = nowhere, k3s = nowhere] = seen.split(' ').map(mark => marks[mark] ?? nowhere)
  return { id, what, sandbox, node, k3s }
}

/** The sentence of a claim, for a test's name. */
export function sentence(id: ClaimId): string {
  return claims.find(one => one.id === id)?.what ?? id
}
