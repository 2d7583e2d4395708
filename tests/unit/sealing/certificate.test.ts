import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { makeKeyPair } from '../../../scripts/lib/sealing/certificate.ts'
import { inOrder, parseKey } from '../../../scripts/lib/sealing/keys.ts'

const begin = Date.parse('2026-05-01T12:00:00Z')
const [pair, late] = await Promise.all([
  makeKeyPair(begin, 2048),
  makeKeyPair(Date.parse('2045-01-02T03:04:05Z'), 2048),
])

test('a pair is RSA with a certificate of its own, valid for ten years', () => {
  const certificate = new X509Certificate(pair.certificate)
  assert.equal(certificate.subject, 'CN=homelab sealing key')
  assert.equal(certificate.validFrom, 'May  1 12:00:00 2026 GMT')
  assert.equal(certificate.validTo, 'May  1 12:00:00 2036 GMT')
  assert.equal(certificate.serialNumber.length, 32)
  assert.ok(certificate.verify(createPublicKey(pair.certificate)), 'signed with its own key')
  assert.ok(certificate.checkPrivateKey(createPrivateKey(pair.key.reveal())))
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.modulusLength, 2048)
})

test('a year after 2049 is written with four digits', () => {
  assert.equal(new X509Certificate(late.certificate).validTo, 'Jan  2 03:04:05 2055 GMT')
})

const openssl = (() => {
  try {
    execFileSync('openssl', ['version'])
    return false
  } catch {
    return 'openssl is not installed here'
  }
})()

test('OpenSSL reads and verifies it too', { skip: openssl }, () => {
  const run = (...args: string[]) => execFileSync('openssl', args, { input: pair.certificate, encoding: 'utf8' })
  assert.match(run('x509', '-noout', '-text'), /Version: 1 \(0x0\)[\s\S]*sha256WithRSAEncryption[\s\S]*2048 bit/)
})

test('a certificate with the key of another is named before a controller sees it', () => {
  assert.throws(() => parseKey('old', pair.certificate, late.key.reveal()), /the sealing key old is damaged/)
})

test('the key whose validity begins last is the one that seals', () => {
  const keys = [
    parseKey('old', pair.certificate, pair.key.reveal()),
    parseKey('new', late.certificate, late.key.reveal()),
  ]
  assert.deepEqual(
    inOrder(keys).map(({ name }) => name),
    ['new', 'old'],
  )
})
