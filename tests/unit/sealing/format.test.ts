// Sealing as sealed-secrets' documentation describes it, written down here a second time, so that opening is held to it.
import assert from 'node:assert/strict'
import { constants, createCipheriv, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import type { K8sObject } from '../../../scripts/lib/k8s.ts'
import { makeKeyPair } from '../../../scripts/lib/sealing/certificate.ts'
import { open } from '../../../scripts/lib/sealing/format.ts'
import { parseKey, privateKey } from '../../../scripts/lib/sealing/keys.ts'
import { sameSecret, sealable, secretFrom, unsealed } from '../../../scripts/lib/sealing/secret.ts'

const [first, second] = await Promise.all([makeKeyPair(Date.now(), 2048), makeKeyPair(Date.now(), 2048)])
const key = (pair: typeof first) => privateKey(parseKey('k', pair.certificate, pair.key.reveal()))

function sealValue(value: string, label: string): string {
  const session = randomBytes(32)
  const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256', oaepLabel: Buffer.from(label) }
  const wrapped = publicEncrypt({ key: createPublicKey(first.certificate), ...padding }, session)
  const cipher = createCipheriv('aes-256-gcm', session, Buffer.alloc(12))
  const text = Buffer.concat([cipher.update(value), cipher.final(), cipher.getAuthTag()])
  const length = Buffer.alloc(2)
  length.writeUInt16BE(wrapped.length)
  return Buffer.concat([length, wrapped, text]).toString('base64')
}

function sealed(label: string, annotations: Record<string, string> = {}, name = 'admin'): K8sObject {
  return {
    apiVersion: 'bitnami.com/v1alpha1',
    kind: 'SealedSecret',
    metadata: { name, namespace: 'grafana', annotations },
    spec: { encryptedData: { password: sealValue('ä secret', label), empty: sealValue('', label) } },
  }
}

const texts = (opened: ReturnType<typeof open>) =>
  'data' in opened
    ? Object.fromEntries(Object.entries(opened.data).map(([name, value]) => [name, String(value)]))
    : opened

test('any of the keys opens what was sealed with its certificate', () => {
  assert.deepEqual(texts(open(sealed('grafana/admin'), [key(second), key(first)])), { password: 'ä secret', empty: '' })
})

test('another key does not, and the values that stay closed are named', () => {
  assert.deepEqual(open(sealed('grafana/admin'), [key(second)]), { closed: ['password', 'empty'] })
})

test('under another name it stays closed: what it is bound to counts', () => {
  assert.deepEqual(open(sealed('grafana/admin', {}, 'root'), [key(first)]), { closed: ['password', 'empty'] })
  for (const [label, annotation] of [
    ['grafana', 'namespace-wide'],
    ['', 'cluster-wide'],
  ] as const) {
    const wide = sealed(label, { [`sealedsecrets.bitnami.com/${annotation}`]: 'true' }, 'root')
    assert.ok('data' in open(wide, [key(first)]), annotation)
  }
})

test('a changed byte is noticed, and damage is no crash', () => {
  for (const text of ['', 'AA==', 'AQDx', `${sealValue('x', 'grafana/admin').slice(0, -4)}AAAA`]) {
    const damaged = { ...sealed('grafana/admin'), spec: { encryptedData: { password: text } } }
    assert.deepEqual(open(damaged, [key(first)]), { closed: ['password'] }, text)
  }
})

const generated: K8sObject = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: {
    name: 'admin',
    namespace: 'grafana',
    uid: 'u',
    labels: { 'app.kubernetes.io/managed-by': 'homelab' },
    annotations: {
      'sealedsecrets.bitnami.com/managed': 'true',
      'kubectl.kubernetes.io/last-applied-configuration': 'canary',
    },
  },
  type: 'Opaque',
  data: { password: 'c2VjcmV0' },
}

test('a generated Secret is sealed without what would give it away, and stays when its file goes', () => {
  const { metadata } = sealable(generated)
  assert.doesNotMatch(JSON.stringify(sealable(generated)), /canary|"uid"/)
  assert.equal(metadata.annotations?.['sealedsecrets.bitnami.com/skip-set-owner-references'], 'true')
  // The step that made it finds the marks that it wrote.
  assert.equal(metadata.annotations?.['sealedsecrets.bitnami.com/managed'], 'true')
  assert.deepEqual(metadata.labels, generated.metadata.labels)
})

test('what comes out of a sealed file is compared with what went in', () => {
  const secret = sealable(generated)
  const template = { metadata: secret.metadata, type: 'Opaque' }
  const file = { ...sealed('grafana/admin'), spec: { template } }
  assert.ok(sameSecret(unsealed(file, { password: Buffer.from('secret') }), secret))
  assert.ok(!sameSecret(unsealed(file, { password: Buffer.from('other') }), secret))
})

test('a Secret of the owner comes as lines or as a manifest; anything else is refused', () => {
  const lines = secretFrom('user=ada\npassword="with space"\n', 'web/login')
  assert.deepEqual(lines.data, { user: 'YWRh', password: Buffer.from('with space').toString('base64') })
  const manifest = 'kind: Secret\nmetadata: {name: login, namespace: web}\nstringData: {user: ada}\n'
  assert.deepEqual(secretFrom(manifest, 'web/login').data, { user: 'YWRh' })
  assert.throws(() => secretFrom(manifest, 'web/other'), /the manifest is of web\/login, not web\/other/)
  assert.throws(() => secretFrom('kind: ConfigMap\n', 'web/login'), /that is a ConfigMap/)
  assert.throws(() => secretFrom('', 'web/login'), /there is no value in it/)
})
