// Objects compared: what is a change and what is not, and that no secret is in the text.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareObjects } from '../../../scripts/lib/diff/compare.ts'
import type { K8sObject } from '../../../scripts/lib/k8s.ts'

const object = (kind: string, name: string, more: object = {}): K8sObject => ({
  apiVersion: kind === 'Deployment' ? 'apps/v1' : 'v1',
  kind,
  metadata: { name },
  ...more,
})
const base64 = (text: string) => Buffer.from(text).toString('base64')

test('what comes, goes and changes is told apart; an order of keys is no change', () => {
  const before = [
    object('Service', 'stays', { spec: { a: 1, b: 2 } }),
    object('Service', 'goes'),
    object('Deployment', 'moves', { spec: { replicas: 1, paused: false } }),
  ]
  const after = [
    object('Service', 'stays', { spec: { b: 2, a: 1 } }),
    object('Service', 'comes'),
    object('Deployment', 'moves', { spec: { replicas: 2, paused: false } }),
  ]
  const found = compareObjects(before, after, 'web')
  assert.deepEqual(
    found.map(({ title, result }) => [title, result]),
    [
      ['Deployment web/moves', 'changed'],
      ['Service web/comes', 'added'],
      ['Service web/goes', 'removed'],
    ],
  )
  assert.match(found[0]?.patch ?? '', /^- {2}replicas: 1\n\+ {2}replicas: 2$/m)
  assert.doesNotMatch(found[0]?.patch ?? '', /^[-+].*paused/m)
})

test('two objects of one kind and name in different API groups are two', () => {
  const ingress = (apiVersion: string) => ({ ...object('Ingress', 'page'), apiVersion })
  const found = compareObjects([ingress('networking.k8s.io/v1')], [ingress('traefik.io/v1')])
  assert.deepEqual(
    found.map(({ title, result }) => [title, result]),
    [
      ['Ingress page', 'removed'],
      ['Ingress.traefik.io page', 'added'],
    ],
  )
})

test('a secret that changes is seen to change, and neither value is in the text, here or elsewhere', () => {
  const [old, now] = ['correct-horse-battery', 'staple-of-the-new-one']
  const secret = (value: string) =>
    object('Secret', 'login', {
      data: { password: base64(value), user: base64('somebody-fixed') },
      stringData: { token: `${value}-token` },
    })
  const user = (value: string) =>
    object('Deployment', 'app', { spec: { env: [{ name: 'URL', value: `https://me:${value}@db` }, base64(value)] } })
  const text = compareObjects([secret(old), user(old)], [secret(now), user(now)])
    .map(one => one.patch)
    .join('\n')
  assert.match(text, /- {2}password: .*before[\s\S]*\+ {2}password: .*after/)
  assert.match(text, /^ {3}user: •+$/m)
  assert.match(text, /only what is masked differs/, 'the Deployment')
  for (const value of [old, now, base64(old), base64(now), 'somebody-fixed', base64('somebody-fixed')])
    assert.ok(!text.includes(value), `${value} is in:\n${text}`)
})

test('a digest of a Secret is masked too, so that a weak password cannot be guessed by it', () => {
  const pods = (digest: string) =>
    object('Deployment', 'app', { spec: { annotations: { 'checksum/secret': digest, 'checksum/config': digest } } })
  const [found] = compareObjects([pods('aaaa')], [pods('bbbb')])
  assert.match(found?.patch ?? '', /^-.*checksum\/config: aaaa\n\+.*checksum\/config: bbbb$/m)
  assert.doesNotMatch(found?.patch ?? '', /checksum\/secret: (aaaa|bbbb)/)
})

test('a secret that only comes is masked too, and what kubectl wrote on it is left out', () => {
  const secret = object('Secret', 'new', { data: { key: base64('a-long-private-key') } })
  secret.metadata.annotations = {
    'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify(secret),
    note: 'kept',
  }
  const [found] = compareObjects([], [secret])
  assert.match(found?.patch ?? '', /note: kept/)
  assert.ok(!found?.patch.includes(base64('a-long-private-key')))
})
