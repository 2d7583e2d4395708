// How a SealedSecret is opened, offline: with nothing but Node, so that a sealed file in Git and the bundle are enough.
// Each value is `length of A (2 bytes) ‖ A ‖ B` in base64: A is a session key under RSA-OAEP with SHA-256 and a label,
// B the value under AES-256-GCM with that session key and a nonce of zeroes (sealed-secrets, docs/developer/crypto.md).
import { constants, createDecipheriv, type KeyObject, privateDecrypt } from 'node:crypto'
import { type K8sObject, mapAt, nameOf } from '../k8s.ts'

const scope = 'sealedsecrets.bitnami.com'
const tagLength = 16

export type Opened = { data: Record<string, Buffer> } | { closed: string[] }

/**
 * The values of a SealedSecret.
 * @param keys of which any may open any value
 * @returns the values, or the names of those that no key opens
 */
export function open(sealed: K8sObject, keys: readonly KeyObject[]): Opened {
  const label = labelOf(sealed)
  const values = Object.entries(mapAt(sealed.spec, 'encryptedData')).map(
    ([name, text]) => [name, openValue(Buffer.from(text, 'base64'), label, keys)] as const,
  )
  const closed = values.flatMap(([name, value]) => (value === undefined ? [name] : []))
  if (closed.length) return { closed }
  return { data: Object.fromEntries(values) as Record<string, Buffer> }
}

/** What a value is bound to, so that nobody opens it under another name: by default namespace and name. */
function labelOf(sealed: K8sObject): string {
  const annotations = mapAt(sealed.metadata, 'annotations')
  if (annotations[`${scope}/cluster-wide`] === 'true') return ''
  return annotations[`${scope}/namespace-wide`] === 'true' ? (sealed.metadata.namespace ?? '') : nameOf(sealed)
}

function openValue(bytes: Buffer, label: string, keys: readonly KeyObject[]): Buffer | undefined {
  if (bytes.length < 2) return undefined
  const end = 2 + bytes.readUInt16BE(0)
  if (bytes.length < end + tagLength) return undefined
  const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256', oaepLabel: Buffer.from(label) }
  for (const key of keys)
    try {
      const session = privateDecrypt({ key, ...padding }, bytes.subarray(2, end))
      const decipher = createDecipheriv('aes-256-gcm', session, Buffer.alloc(12))
      decipher.setAuthTag(bytes.subarray(-tagLength))
      return Buffer.concat([decipher.update(bytes.subarray(end, -tagLength)), decipher.final()])
    } catch {
      // not with this key
    }
  return undefined
}
