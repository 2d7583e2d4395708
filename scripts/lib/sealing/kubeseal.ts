// kubeseal, the one program that seals. The Secret goes in by standard input; nothing but the certificate is a file.
import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { exit, HomelabError } from '../errors.ts'
import { type K8sObject, nameOf } from '../k8s.ts'
import { root } from '../root.ts'
import { run } from '../shell.ts'
import type { Site } from '../site/site.ts'

// renovate: datasource=github-releases depName=bitnami-labs/sealed-secrets
const pinned = '0.36.6'

/**
 * The program: the sandbox's own, else the one on PATH.
 * @throws HomelabError (exit 2) when it is not there, or is older than the controller that we install
 */
export async function findKubeseal({ sandbox }: Pick<Site, 'sandbox'>): Promise<string> {
  const own = sandbox ? await (await import('../sandbox/extra-build.ts')).builtExtra('secrets') : undefined
  const path = own ? join(own.dir, 'kubeseal') : 'kubeseal'
  const ran = await run(path, ['--version'], { timeout: 10 }).catch(() => undefined)
  const version = /(\d+)\.(\d+)\.\d+/.exec(ran?.stdout ?? '')
  const [major = 0, minor = 0] = pinned.split('.').map(Number)
  const fine = version && (Number(version[1]) > major || (Number(version[1]) === major && Number(version[2]) >= minor))
  if (fine) return path
  throw new HomelabError({
    what: version ? `kubeseal ${version[0]} is older than ${pinned}` : 'kubeseal is not installed',
    why: 'it encrypts the Secrets, as the controller in the cluster decrypts them',
    fix: sandbox
      ? 'make programs builds it'
      : `go install github.com/bitnami-labs/sealed-secrets/cmd/kubeseal@v${pinned}, or brew install kubeseal, or\n       https://github.com/bitnami-labs/sealed-secrets/releases/tag/v${pinned}`,
    code: exit.usage,
  })
}

/**
 * A Secret sealed for one namespace and name.
 * @param certificate path of its file, within the repository
 */
export async function seal(kubeseal: string, secret: K8sObject, certificate: string): Promise<K8sObject> {
  const args = ['--cert', join(root, certificate), '--scope', 'strict', '--format', 'json']
  const ran = await run(kubeseal, args, { input: JSON.stringify(secret), timeout: 30 })
  if (ran.code !== 0)
    throw new HomelabError({
      what: `${nameOf(secret)} could not be sealed`,
      why: ran.stderr.trim().split('\n').at(-1) ?? `kubeseal ended with ${ran.code}`,
      fix: `look at ${certificate}; make seal fetches it anew from the cluster`,
    })
  return JSON.parse(ran.stdout, (_, value) => value ?? undefined) as K8sObject
}

/** @throws HomelabError (exit 2) when a certificate cannot seal any more */
export function usable(pem: string, file: string): string {
  const problem = (() => {
    try {
      const { validTo } = new X509Certificate(pem)
      return Date.parse(validTo) < Date.now() ? `it ended on ${validTo}` : undefined
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  })()
  if (problem === undefined) return pem
  throw new HomelabError({
    what: `${file} is no certificate to seal with`,
    why: problem,
    fix: 'make rotate-keys, or git checkout the file',
    code: exit.usage,
  })
}
