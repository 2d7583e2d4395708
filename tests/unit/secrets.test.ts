import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { redact } from '../../scripts/lib/redact.ts'
import { generatePassword, hashPassword, Secret } from '../../scripts/lib/secrets.ts'

test('a secret never becomes text by accident', () => {
  const secret = new Secret('canary-7f3a')
  for (const shown of [
    `${secret}`,
    String(secret),
    JSON.stringify({ secret }),
    inspect(secret),
    inspect({ deep: [secret] }),
  ])
    assert.ok(!shown.includes('canary'), shown)
  assert.equal(secret.reveal(), 'canary-7f3a')
})

test('everything printed loses a secret in each form that tools repeat', () => {
  const value = 'can"ary/ö 7f3b'
  new Secret(value)
  for (const form of [value, Buffer.from(value).toString('base64'), encodeURIComponent(value), JSON.stringify(value)])
    assert.match(redact(`before ${form} after`), /^before "?‹secret›"? after$/)
})

test('a secret within a longer one leaves no rest', () => {
  new Secret('abcdef')
  new Secret('abcdefghijkl')
  assert.equal(redact('x abcdefghijkl y'), 'x ‹secret› y')
})

test('generated passwords are long, different and typable', () => {
  const all = Array.from({ length: 200 }, () => generatePassword().reveal())
  assert.equal(new Set(all).size, 200)
  for (const one of all) assert.match(one, /^[A-HJ-NP-Za-km-z2-9]{24}$/)
  assert.throws(() => generatePassword(12))
})

test('a hash is bcrypt and checks', async () => {
  const { compare } = await import('bcryptjs')
  const hash = await hashPassword('canary-7f3c')
  assert.match(hash, /^\$2[aby]\$10\$.{53}$/)
  assert.ok(await compare('canary-7f3c', hash))
})
