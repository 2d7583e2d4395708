import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classify, retry } from '../../scripts/lib/transient.ts'

const webhook = (why: string) =>
  `Error from server (InternalError): Internal error occurred: failed calling webhook "ipaddresspoolvalidationwebhook.metallb.io": failed to call webhook: ${why}`

test('a webhook that is late is waited for, and named', () => {
  for (const why of [
    'Post "https://x": dial tcp 10.0.0.1:443: connect: connection refused',
    'no endpoints available for service "metallb-webhook-service"',
    'Post "https://x": Service Unavailable',
    'tls: failed to verify certificate: x509: certificate signed by unknown authority',
  ]) {
    const found = classify(webhook(why))
    assert.equal(found.class, 'retry', why)
    assert.match(found.waiting ?? '', /ipaddresspoolvalidationwebhook/)
  }
})

test('what will not pass by itself stops at once', () => {
  for (const why of [
    'The Service "x" is invalid: spec.ports: Required value',
    'secrets is forbidden: User "x" cannot list resource',
    'error: You must be logged in to the server (Unauthorized)',
    'admission webhook "ipaddresspoolvalidationwebhook.metallb.io" denied the request: invalid CIDR',
    'chart requires kubeVersion: < 1.37.0-0 which is incompatible',
    'x509: certificate signed by unknown authority',
    'something nobody has seen before',
    'execution error at (a/templates/b.yaml:3:2): unexpected EOF',
    'admission webhook "a.example.org" denied the request: dial tcp: connection refused',
    'Error: failed pre-install: resource Job/a/b not ready. status: Unknown, message:\ncontext deadline exceeded',
    'Error: failed post-install: 1 error occurred: * job admission-create failed: BackoffLimitExceeded',
  ])
    assert.equal(classify(why).class, 'stop', why)
})

test('a cluster that hiccups is retried', () => {
  for (const why of [
    'connect: connection refused',
    'The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?', // kubectl
    'Internal error occurred: failed to allocate a serviceIP for Service "adguard-1": range is full',
    'etcdserver: leader changed',
    'the server is currently unable: too many requests',
    // Of a kind whose definition has just changed.
    'Error from server (TooManyRequests): storage is (re)initializing',
    'net/http: TLS handshake timeout',
    // kubectl proxy, when the API server was killed.
    'HTTP 500: http2: client connection force closed via ClientConn.Close',
    'HTTP 500: write tcp 127.0.0.1:39094->127.0.0.1:25402: write: broken pipe',
    'Get "https://10.0.0.1:6443/api": EOF',
    'socket hang up', // kubectl proxy itself
    'Error: failed pre-install: resource Role/argocd/argocd-redis-secret-init not ready. status: Unknown, message:',
    // A hook that the API server left alone; of one that fails by itself helm says nothing of the line.
    'Error: failed pre-install: server-side apply failed: Patch "https://10.0.0.1:6443/apis/batch/v1": unexpected EOF',
    'http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=NO_ERROR',
  ])
    assert.equal(classify(why).class, 'retry', why)
})

test('retry tells once what it waits for and returns the first success', async () => {
  const said: string[] = []
  let attempts = 0
  const result = await retry(
    async () => (++attempts < 3 ? { code: 1, stderr: webhook('connection refused') } : { code: 0, stderr: '' }),
    10,
    what => said.push(what),
  )
  assert.equal(result.code, 0)
  assert.equal(attempts, 3)
  assert.equal(said.length, 1)
})

test('retry gives up when its budget is spent, and at once for what stops', async () => {
  let attempts = 0
  const started = Date.now()
  const spent = await retry(
    async () => ({ code: 1, stderr: `connection refused, attempt ${++attempts}` }),
    0.5,
    () => {},
  )
  assert.equal(spent.code, 1)
  assert.ok(attempts >= 2 && Date.now() - started < 2000)
  attempts = 0
  await retry(
    async () => ({ code: 1, stderr: `is invalid: spec, attempt ${++attempts}` }),
    10,
    () => {},
  )
  assert.equal(attempts, 1)
})
