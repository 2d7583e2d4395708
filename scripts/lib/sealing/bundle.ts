// The bundle: everything that Git cannot hold and nobody can make again, in one file that age encrypts. It exists as
// plain text only in this process.
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { resolve } from 'node:path'
import type { Cluster } from '../cluster.ts'
import type { Asker } from '../configure/ask.ts'
import { exit, HomelabError } from '../errors.ts'
import type { K8sObject } from '../k8s.ts'
import { root } from '../root.ts'
import { Secret } from '../secrets.ts'
import type { Site } from '../site/site.ts'
import { ourLabels } from '../verbs.ts'
import { inOrder, keyNamespace, parseKey, type SealingKey } from './keys.ts'

export interface Bundle {
  format: 'homelab-keys/1'
  environment: string
  /** ISO 8601. */
  made: string
  keys: { name: string; certificate: string; key: string }[]
  /** The CA and what the steps have generated, as they are applied. */
  secrets: K8sObject[]
  /** The file with the site's facts and secrets; empty in a rehearsal. */
  env: string
  /** The k3s or RKE2 server token, with which a server joins or is restored from a snapshot; empty when nobody gave it. */
  token: string
}

/** Beside the checkout's files, where Git ignores it. A copy elsewhere is the owner's part. */
export const bundleFile = ({ environment }: Pick<Site, 'environment'>): string =>
  resolve(root, `homelab-${environment}-keys.age`)

/** Who can open it: age recipients (public keys), or a passphrase. */
export type Lock = { recipients: readonly string[] } | { passphrase: Secret }

/** Writes the bundle, whole or not at all, readable by its owner only. */
export async function writeBundle(path: string, bundle: Bundle, lock: Lock): Promise<string> {
  const { Encrypter } = await import('age-encryption')
  const encrypter = new Encrypter()
  if ('passphrase' in lock) encrypter.setPassphrase(lock.passphrase.reveal())
  else
    for (const recipient of lock.recipients)
      try {
        encrypter.addRecipient(recipient)
      } catch (cause) {
        throw new HomelabError({
          what: `${recipient.slice(0, 12)}… is no age recipient`,
          why: `AGE_RECIPIENT holds public keys, which begin with age1 (${cause instanceof Error ? cause.message : cause})`,
          fix: 'age-keygen makes a pair; or leave AGE_RECIPIENT out and give a passphrase',
          code: exit.usage,
        })
      }
  const bytes = await encrypter.encrypt(JSON.stringify(bundle))
  writeFileSync(`${path}.new`, bytes, { mode: 0o600 })
  chmodSync(`${path}.new`, 0o600)
  renameSync(`${path}.new`, path)
  return createHash('sha256').update(bytes).digest('hex')
}

/**
 * Opens a bundle: with the identity file when there is one, else a passphrase is asked.
 * @throws HomelabError (exit 2) when it cannot be opened
 */
export async function readBundle(path: string, identityFile: string | undefined, asker: () => Asker): Promise<Bundle> {
  if (!existsSync(path))
    throw new HomelabError({
      what: `there is no bundle ${path}`,
      fix: 'make backup-keys makes it; a copy elsewhere is named with FROM=FILE',
      code: exit.usage,
    })
  const bytes = readFileSync(path)
  const { Decrypter } = await import('age-encryption')
  const decrypter = new Decrypter()
  if (bytes.subarray(0, 80).includes('-> scrypt'))
    decrypter.addPassphrase(await askPassphrase(asker(), 'Its passphrase: '))
  else for (const identity of identities(identityFile)) decrypter.addIdentity(identity)
  try {
    const bundle = JSON.parse(await decrypter.decrypt(bytes, 'text')) as Bundle
    if (bundle.format !== 'homelab-keys/1') throw new Error(`its format is ${bundle.format}`)
    for (const { key } of bundle.keys) new Secret(key)
    return bundle
  } catch (error) {
    throw new HomelabError({
      what: `${path} does not open`,
      why: error instanceof Error ? error.message : String(error),
      fix: 'the passphrase, or AGE_IDENTITY_FILE, must be the one that it was made for',
      code: exit.usage,
    })
  }
}

function identities(given: string | undefined): string[] {
  const file = given?.replace(/^~(?=\/)/, homedir())
  if (file && existsSync(file)) {
    const lines = readFileSync(file, 'utf8')
      .split('\n')
      .map(line => line.trim())
    const found = lines.filter(line => line.startsWith('AGE-SECRET-KEY-'))
    for (const one of found) new Secret(one)
    if (found.length) return found
  }
  throw new HomelabError({
    what: file
      ? `${file} holds no age identity`
      : 'the bundle was made for an age recipient, and no identity was given',
    why: 'an identity is the secret half, a line that begins with AGE-SECRET-KEY-',
    fix: 'AGE_IDENTITY_FILE=PATH in the environment of this command, or in .env',
    code: exit.usage,
  })
}

export async function askPassphrase(asker: Asker, question: string): Promise<string> {
  const answer = await asker.secret(question)
  if (answer) return answer
  throw new HomelabError({
    what: 'no passphrase, nothing was written',
    fix: 'type one, or give it as a line on standard input; or set AGE_RECIPIENT',
    code: exit.usage,
  })
}

export const keysIn = (bundle: Bundle): SealingKey[] =>
  inOrder(bundle.keys.map(({ name, certificate, key }) => parseKey(name, certificate, key)))

/** In the cluster: which keys the newest bundle holds, and since when. Nothing of it is secret. `doctor` reads it. */
export const record = { namespace: keyNamespace, name: 'homelab-key-bundle' } as const

export async function recordBundle(cluster: Cluster, { made, keys }: Bundle, sha256: string): Promise<void> {
  const names = keys.map(({ name }) => name).sort()
  await cluster.apply([
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { ...record, labels: ourLabels },
      data: { made, sha256, keys: names.join(',') },
    },
  ])
}
