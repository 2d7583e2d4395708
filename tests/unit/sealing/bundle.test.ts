import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import { type Bundle, keysIn, readBundle, writeBundle } from '../../../scripts/lib/sealing/bundle.ts'
import { makeKeyPair } from '../../../scripts/lib/sealing/certificate.ts'
import { temporaryFolder } from '../../temporary.ts'

const folder = temporaryFolder('bundle')
const path = join(folder, 'homelab-prod-keys.age')
const nobody = () => assert.fail('nobody is asked')

const identity = await generateIdentity()
const own = join(folder, 'identity.txt')
writeFileSync(own, `# created: today\n${identity}\n`)
const pair = await makeKeyPair(Date.now(), 2048)
const bundle: Bundle = {
  format: 'homelab-keys/1',
  environment: 'prod',
  made: '2026-05-01T12:00:00Z',
  keys: [{ name: 'sealed-secrets-key', certificate: pair.certificate, key: pair.key.reveal() }],
  secrets: [],
  env: 'DOMAIN=canary.home.arpa\n',
  token: '',
}

test('a bundle opens with the identity of its recipient, and shows nothing to others', async () => {
  await writeBundle(path, bundle, { recipients: [await identityToRecipient(identity)] })
  const bytes = readFileSync(path)
  assert.ok(bytes.toString('latin1').startsWith('age-encryption.org/v1'))
  assert.ok(!/canary|BEGIN/.test(bytes.toString('latin1')))
  assert.equal(statSync(path).mode & 0o777, 0o600)
  const read = await readBundle(path, own, nobody)
  assert.deepEqual(read, bundle)
  assert.deepEqual(
    keysIn(read).map(({ name }) => name),
    ['sealed-secrets-key'],
  )
})

test('with another identity, with none, or damaged it does not open, and says what is needed', async () => {
  const other = join(folder, 'other.txt')
  writeFileSync(other, await generateIdentity())
  await assert.rejects(readBundle(path, other, nobody), /does not open/)
  await assert.rejects(readBundle(path, undefined, nobody), /no identity was given/)
  const damaged = join(folder, 'damaged.age')
  const bytes = readFileSync(path)
  writeFileSync(damaged, bytes.fill(0, bytes.length - 10))
  await assert.rejects(readBundle(damaged, own, nobody), /does not open/)
  await assert.rejects(readBundle(join(folder, 'gone.age'), own, nobody), /there is no bundle/)
})

test('what is no recipient is refused before anything is written', async () => {
  const elsewhere = join(folder, 'x.age')
  await assert.rejects(writeBundle(elsewhere, bundle, { recipients: ['age1notakey'] }), /is no age recipient/)
  assert.throws(() => statSync(elsewhere))
})
