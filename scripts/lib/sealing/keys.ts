// The sealing keys in the cluster: Secrets with a label, of which the controller reads all and seals with the newest.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import type { Cluster } from '../cluster.ts'
import { exit, HomelabError } from '../errors.ts'
import { type K8sObject, mapAt, stampOf } from '../k8s.ts'
import { Secret } from '../secrets.ts'
import { ourLabels, type Verbs } from '../verbs.ts'

export const keyNamespace = 'sealed-secrets'
/** The first one. Those of `make rotate-keys` have their date behind it. */
const keyName = 'sealed-secrets-key'
/** By this label the controller finds its keys. */
const keyLabel = { 'sealedsecrets.bitnami.com/sealed-secrets-key': 'active' }
/** The Secrets of the keys, for a list. */
export const keySecrets = { namespace: keyNamespace, labels: 'sealedsecrets.bitnami.com/sealed-secrets-key=active' }
/** On a Secret that a SealedSecret of the same name may take over. */
export const managed = 'sealedsecrets.bitnami.com/managed'
export const mayBeSealed = { annotations: { [managed]: 'true' } }
/** On a Secret that a step writes from elsewhere at each run: says from where. Sealed too, it would have two owners. */
export const origin = 'homelab/comes-from'
export const comesFrom = (where: string) => ({ annotations: { [origin]: where } })

export interface SealingKey {
  /** Of its Secret. */
  name: string
  /** SHA-256 of the certificate. */
  fingerprint: string
  /** From when it is valid, milliseconds since 1970: the latest one seals. */
  since: number
  certificate: string
  key: Secret
}

/** The private half, for `open`. Parsed where it is used: it must not live longer than needed. */
export const privateKey = ({ key }: SealingKey): KeyObject => createPrivateKey(key.reveal())

/** The sealing keys of a cluster, newest first; none while it has none. @throws HomelabError for one that is damaged */
export async function readKeys(cluster: Cluster): Promise<SealingKey[]> {
  const found = await cluster.list('secrets', keySecrets)
  const text = (secret: K8sObject, key: string) => Buffer.from(mapAt(secret, 'data')[key] ?? '', 'base64').toString()
  return inOrder(found.map(secret => parseKey(secret.metadata.name, text(secret, 'tls.crt'), text(secret, 'tls.key'))))
}

export const inOrder = (keys: readonly SealingKey[]): SealingKey[] => [...keys].sort((a, b) => b.since - a.since)

/** @throws HomelabError when certificate and key do not belong together: the controller would end with a panic */
export function parseKey(name: string, certificate: string, key: string): SealingKey {
  const secret = new Secret(key)
  try {
    const parsed = new X509Certificate(certificate)
    if (!parsed.checkPrivateKey(createPrivateKey(key))) throw new Error('they do not belong together')
    return { name, fingerprint: parsed.fingerprint256, since: Date.parse(parsed.validFrom), certificate, key: secret }
  } catch (error) {
    throw new HomelabError({
      what: `the sealing key ${name} is damaged`,
      why: `its certificate and its key: ${error instanceof Error ? error.message : error}`,
      fix: `restore it from the bundle: make restore-keys FROM=FILE`,
      code: exit.usage,
    })
  }
}

/** A key's Secret. */
export function keySecret({ name, certificate, key }: Pick<SealingKey, 'name' | 'certificate' | 'key'>): K8sObject {
  const data = { 'tls.crt': certificate, 'tls.key': key.reveal() }
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: keyNamespace, labels: { ...ourLabels, ...keyLabel } },
    type: 'kubernetes.io/tls',
    data: Object.fromEntries(Object.entries(data).map(([one, text]) => [one, Buffer.from(text).toString('base64')])),
  }
}

/** `sealed-secrets-key-20260512-093000` */
export const newKeyName = (now: Date): string => `${keyName}-${stampOf(now.getTime())}`

/**
 * Step 07: a pair of our own before the controller starts, which would otherwise make one that no bundle has.
 * Where any key is there already, restored ones too, nothing is made: a newer one would seal from then on.
 */
export async function sealingKey({ cluster, plan, secret, onUninstall }: Verbs): Promise<void> {
  onUninstall({ keep: { [`secret/${keyNamespace}/${keyName}`]: 'it opens the sealed files in Git' } })
  const all = await cluster.list('secrets', { ...keySecrets, metadataOnly: true })
  const others = all.filter(({ metadata }) => metadata.name !== keyName)
  if (others.length) return
  let made: ReturnType<typeof import('./certificate.ts').makeKeyPair> | undefined
  // Both halves of one pair, and none at all while nothing is written.
  const pair = async () => {
    made ??= import('./certificate.ts').then(({ makeKeyPair }) => makeKeyPair())
    return made
  }
  await secret(
    `${keyNamespace}/${keyName}`,
    {
      'tls.key': async () => (plan ? 'made with the rest' : (await pair()).key),
      'tls.crt': async () => (plan ? 'made with the rest' : (await pair()).certificate),
    },
    { labels: keyLabel, type: 'kubernetes.io/tls', handedOver: true },
  )
}
