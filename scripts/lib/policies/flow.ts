// What a flow is, and the two ends of one that are no pods. Pure.
import type { Connection } from './connect.ts'
import type { Outside, Peer } from './world.ts'

export interface Flow extends Connection {
  /** What it is for: the object or the rule that tells of it. */
  why: string
}

/** Where nodes, devices and the internet are. */
export const outside: Outside = { outside: 'outside the cluster' }
export const apiServer: Outside = { outside: 'the API server' }
/** Of k3s, RKE2 and kubeadm; the policies are written for it. */
export const apiPort = 6443

export const both = (from: Peer, to: Peer, port: number, why: string): Flow[] =>
  (['TCP', 'UDP'] as const).map(protocol => ({ from, to, port, protocol, why }))
