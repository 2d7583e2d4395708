// How this machine reaches the cluster: the kubeconfig's server, and how long what it shows there is accepted.
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import type { Problem } from '../errors.ts'
import { at, listAt, textAt } from '../k8s.ts'

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
  let config: unknown
  try {
    config = parse(readFileSync(kubeconfig, 'utf8'))
  } catch {
    return { server: '', ends: { unknown: `${kubeconfig} cannot be read` }, insecure: false }
  }
  const named = (list: string, name: string | undefined) =>
    listAt(config, list).find(entry => textAt(entry, 'name') === name)
  const chosen = at(named('contexts', context), 'context')
  const cluster = at(named('clusters', textAt(chosen, 'cluster')), 'cluster')
  const user = at(named('users', textAt(chosen, 'user')), 'user')
  return {
    server: textAt(cluster, 'server') ?? '',
    ends: certificateEnd(user, dirname(kubeconfig)),
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

function certificateEnd(user: unknown, folder: string): Access['ends'] {
  const data = textAt(user, 'client-certificate-data')
  const file = textAt(user, 'client-certificate')
  try {
    if (data !== undefined) return endOf(Buffer.from(data, 'base64'))
    if (file !== undefined) return endOf(readFileSync(resolve(folder, file)))
  } catch {
    return { unknown: 'the certificate in the kubeconfig cannot be read' }
  }
  if (at(user, 'exec') !== undefined) return { unknown: 'a program gives the credentials, anew each time' }
  if (at(user, 'token') !== undefined || at(user, 'tokenFile') !== undefined)
    return { unknown: 'the kubeconfig has a token, which does not say when it ends' }
  return { unknown: 'the kubeconfig has no client certificate' }
}

function endOf(pem: Buffer): Access['ends'] {
  return { value: Date.parse(new X509Certificate(pem).validTo) }
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
