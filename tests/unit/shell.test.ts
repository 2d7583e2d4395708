import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromSystem, HomelabError } from '../../scripts/lib/errors.ts'
import { condition } from '../../scripts/lib/k8s.ts'
import { run } from '../../scripts/lib/shell.ts'

test('a child that is killed ends with the code that a shell would give it', async () => {
  const ran = await run('sleep', ['30'], {
    onStart: pid => {
      setTimeout(() => process.kill(pid, 'SIGKILL'), 100)
      return () => {}
    },
  })
  assert.equal(ran.code, 137)
})

test('a child that ends before it has read its input ends nobody else', async () => {
  for (let i = 0; i < 10; i++) assert.equal((await run('true', [], { input: 'x'.repeat(5_000_000) })).code, 0)
})

test('a full disk is named with its file, anything else stays what it is', () => {
  const full = fromSystem(Object.assign(new Error('write'), { code: 'ENOSPC', path: '/cache/x' }))
  assert.equal(full instanceof HomelabError && full.what, '/cache/x could not be written')
  const other = new Error('a mistake')
  assert.equal(fromSystem(other), other)
})

test('what was said of an object before it changed does not count', () => {
  const certificate = (seen: number) => ({
    apiVersion: 'cert-manager.io/v1',
    kind: 'Certificate',
    metadata: { name: 'a', generation: 2 },
    status: { conditions: [{ type: 'Ready', status: 'True', observedGeneration: seen }] },
  })
  assert.equal(condition(certificate(1), 'Ready'), undefined)
  assert.equal(condition(certificate(2), 'Ready')?.status, 'True')
})
