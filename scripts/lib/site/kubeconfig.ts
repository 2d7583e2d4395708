// A kubeconfig as far as it can be judged without asking the cluster: its contexts, where they lead, until when they count.
import { X509Certificate } from 'node:crypto'
import { delimiter, dirname, resolve } from 'node:path'
import { at, listAt, textAt } from '../k8s.ts'
import { parseYaml } from '../yaml/parse.ts'
import { look, openToOthers, readBytes } from './env-file.ts'
import { type Flaw, parseAddress } from './network.ts'
import { shown } from './values.ts'

export interface Context {
  name: string
  /** `https://192.168.1.10:6443` */
  server: string
  /** Logging in starts another program, which may open a browser: such a context is asked only when it is the one. */
  runsProgram: boolean
  /** End of the client certificate, in milliseconds since 1970. */
  expires?: number
}

export interface Kubeconfig {
  path: string
  /** Empty when it is at none. */
  current: string
  contexts: readonly Context[]
}

const copy = 'copy it from the server (k3s: /etc/rancher/k3s/k3s.yaml, RKE2: /etc/rancher/rke2/rke2.yaml)'

/** The kubeconfig at a path, or what is wrong with the file. */
export function readKubeconfig(path: string): Kubeconfig | Flaw {
  if (path.includes(delimiter))
    return { problem: `names several files (${shown(path)})`, fix: 'name the one file that has the context' }
  const stats = look(path)
  if (!stats) return { problem: `not found at ${path}`, fix: copy }
  if (!stats.isFile()) return { problem: `${path} is not a file`, fix: 'name the kubeconfig file itself' }
  const open = openToOthers(stats)
  if (open)
    return {
      problem: `${path} is readable by others (mode ${open}) and holds the keys of the cluster`,
      fix: `chmod 600 ${path}`,
    }
  if (stats.size > 1_048_576) return { problem: `${path} is longer than 1 MiB`, fix: 'name the kubeconfig file itself' }
  const text = readBytes(path)?.toString('utf8')
  if (text === undefined) return { problem: `${path} cannot be read`, fix: `look at its owner and mode: ls -l ${path}` }
  return parseKubeconfig(text, path)
}

/** @param path where it lies: certificates in files of their own are named relative to it */
export function parseKubeconfig(text: string, path: string): Kubeconfig | Flaw {
  const { documents, flaws } = parseYaml(text)
  const config = flaws.length ? undefined : documents[0]?.value
  if (textAt(config, 'kind') !== 'Config')
    return {
      problem: `${path} is not a kubeconfig${flaws[0]?.line ? ` (line ${flaws[0].line}: ${flaws[0].problem})` : ''}`,
      fix: `name the kubeconfig file itself, or ${copy}`,
    }
  const contexts = listAt(config, 'contexts').flatMap(entry => {
    const name = textAt(entry, 'name')
    if (!name) return []
    const { cluster, user } = partsOf(config, name)
    const server = textAt(cluster, 'server') ?? ''
    const ends = certificateEnd(user, dirname(path))
    const expires = typeof ends === 'number' ? ends : undefined // kubectl will say what it cannot read
    const runsProgram = at(user, 'exec') !== undefined || at(user, 'auth-provider') !== undefined
    return [{ name, server, runsProgram, ...(expires === undefined ? {} : { expires }) }]
  })
  return { path, current: textAt(config, 'current-context') ?? '', contexts }
}

/** The cluster and the user of a context, as they stand in the kubeconfig; undefined what is not there. */
export function partsOf(config: unknown, context: string): { chosen: unknown; cluster: unknown; user: unknown } {
  const named = (list: string, name: string | undefined) =>
    listAt(config, list).find(one => name !== undefined && textAt(one, 'name') === name)
  const chosen = at(named('contexts', context), 'context')
  return {
    chosen,
    cluster: at(named('clusters', textAt(chosen, 'cluster')), 'cluster'),
    user: at(named('users', textAt(chosen, 'user')), 'user'),
  }
}

/**
 * When a user's client certificate ends, milliseconds since 1970.
 * @param folder of the kubeconfig: a certificate in a file of its own is named relative to it
 */
export function certificateEnd(user: unknown, folder: string): number | 'none' | 'unreadable' {
  const data = textAt(user, 'client-certificate-data')
  const file = textAt(user, 'client-certificate')
  if (!data && !file) return 'none'
  const pem = data ? Buffer.from(data, 'base64') : readBytes(resolve(folder, file ?? ''))
  try {
    return pem ? Date.parse(new X509Certificate(pem).validTo) : 'unreadable'
  } catch {
    return 'unreadable'
  }
}

/** What is wrong with a context of the kubeconfig, with the key that names it. */
export function contextProblem(
  { contexts, path }: Kubeconfig,
  name: string,
): ({ key: 'KUBE_CONTEXT' | 'KUBECONFIG' } & Flaw) | undefined {
  const found = contexts.find(context => context.name === name)
  if (!found) {
    const names = contexts.map(context => context.name)
    const has = names.length ? `which has ${names.slice(0, 8).join(', ')}` : 'which has no context'
    const [only] = names.length === 1 ? names : []
    return {
      key: 'KUBE_CONTEXT',
      problem: `${shown(name)} is not in ${path}, ${has}`,
      fix: only ? `KUBE_CONTEXT=${only}` : 'write one of them, or name another KUBECONFIG',
    }
  }
  if (found.server === '')
    return {
      key: 'KUBE_CONTEXT',
      problem: `${shown(name)} in ${path} leads to no cluster`,
      fix: `look at it: kubectl config view --kubeconfig ${path}`,
    }
  if (found.expires !== undefined && found.expires < Date.now())
    return {
      key: 'KUBECONFIG',
      problem: `the certificate of ${name} in ${path} expired on ${new Date(found.expires).toISOString().slice(0, 10)}`,
      fix: `the server has renewed its own at its last start: ${copy}`,
    }
  return undefined
}

/** The API server's address, where the kubeconfig has one and not a name. */
export function serverAddress(context: Context | undefined): number | undefined {
  const host = URL.canParse(context?.server ?? '') ? new URL(context?.server ?? '').hostname : ''
  return parseAddress(host)
}
