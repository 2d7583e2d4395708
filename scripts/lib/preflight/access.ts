// How this machine reaches the cluster: the kubeconfig's server, and how long what it shows there is accepted.
import { dirname } from 'node:path'
import type { Problem } from '../errors.ts'
import { at, textAt } from '../k8s.ts'
import { readBytes } from '../site/env-file.ts'
import { certificateEnd, partsOf } from '../site/kubeconfig.ts'
import { parseYaml } from '../yaml/parse.ts'

export interface Access {
  /** `https://192.168.1.10:6443`; empty when the kubeconfig does not say. */
  server: string
  /** When the client certificate ends, milliseconds since 1970, or why that cannot be seen. */
  ends: { value: number } | { unknown: string }
  /** The API server's own certificate is not looked at. */
  insecure: boolean
  /** It has nothing by which the API server could know who asks; kubectl would ask for a user name. */
  anonymous?: boolean
}

/** Reads one context of a kubeconfig. Nothing but the public part of the certificate is kept. */
export async function readAccess(kubeconfig: string, context: string): Promise<Access> {
  const bytes = readBytes(kubeconfig)
  if (!bytes) return { server: '', ends: { unknown: `${kubeconfig} cannot be read` }, insecure: false }
  const { chosen, cluster, user } = partsOf(parseYaml(bytes.toString('utf8')).documents[0]?.value, context)
  return {
    server: textAt(cluster, 'server') ?? '',
    ends: endOf(user, dirname(kubeconfig)),
    insecure: at(cluster, 'insecure-skip-tls-verify') === true,
    anonymous: chosen !== undefined && !means.some(key => at(user, key) !== undefined),
  }
}

const means = [
  'client-certificate',
  'client-certificate-data',
  'token',
  'tokenFile',
  'exec',
  'auth-provider',
  'username',
]

function endOf(user: unknown, folder: string): Access['ends'] {
  const end = certificateEnd(user, folder)
  if (typeof end === 'number') return { value: end }
  if (end === 'unreadable') return { unknown: 'the certificate in the kubeconfig cannot be read' }
  if (at(user, 'exec') !== undefined) return { unknown: 'a program gives the credentials, anew each time' }
  if (at(user, 'token') !== undefined || at(user, 'tokenFile') !== undefined)
    return { unknown: 'the kubeconfig has a token, which does not say when it ends' }
  return { unknown: 'the kubeconfig has no client certificate' }
}

/** What the kubeconfig itself says about a cluster that cannot be reached. */
export function accessProblems({ server, ends, anonymous }: Access, now: number): Problem[] {
  const problems: Problem[] = []
  if (anonymous)
    problems.push({
      what: 'the kubeconfig has no credentials for this context',
      why: 'neither certificate nor token nor a program that gives them: the API server does not know who asks',
      fix: 'copy the kubeconfig anew from the server (k3s: /etc/rancher/k3s/k3s.yaml, RKE2: /etc/rancher/rke2/rke2.yaml)',
      link: 'infrastructure/docs/PREPARE.md',
    })
  if ('value' in ends && ends.value < now) problems.push(endedCertificate(ends.value))
  if (/^https:\/\/(127\.|localhost|\[::1\])/.test(server))
    problems.push({
      what: `the kubeconfig leads to this machine itself (${server})`,
      why: 'on the server, where it was copied from, that is right; from here the API server has another address',
      fix: "write the server's address in its line `server:`, for example https://192.168.1.10:6443",
      link: 'infrastructure/docs/PREPARE.md',
    })
  return problems
}

export function endedCertificate(ended: number): Problem {
  return {
    what: `the kubeconfig's certificate ended on ${new Date(ended).toISOString().slice(0, 10)}`,
    why: 'the API server no longer knows who asks',
    fix: renewCredentials,
    link: 'infrastructure/docs/PREPARE.md',
  }
}

export const renewCredentials =
  'restart k3s or RKE2 on a server (it renews then), and copy its kubeconfig anew; kubeadm: kubeadm certs renew admin.conf'
