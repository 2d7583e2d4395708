import assert from 'node:assert/strict'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ApiServer } from '../../scripts/lib/api-server.ts'
import type { Target } from '../../scripts/lib/cluster.ts'
import { temporaryFolder } from '../temporary.ts'

test('what is asked after the end opens no proxy anew', async () => {
  const folder = temporaryFolder('proxy')
  const [kubectl, starts] = [join(folder, 'kubectl'), join(folder, 'starts')]
  writeFileSync(kubectl, `#!/bin/sh\necho started >> ${starts}\necho 'Starting to serve on a socket'\nexec sleep 60\n`)
  chmodSync(kubectl, 0o755)
  const sandbox = { programs: { kubectl }, env: {} }
  const server = new ApiServer({ kubeconfig: '/nowhere', context: 'lab', sandbox } as unknown as Target)
  // The proxy of this test serves nobody: each question starts another, and the end is the end of both.
  for (const _ of [1, 2]) assert.equal((await server.ask('/version')).status, 0)
  await server.close()
  const after = await server.ask('/version')
  assert.deepEqual([after.status, after.code, after.stderr], [0, 1, 'this run has ended'])
  assert.equal(readFileSync(starts, 'utf8'), 'started\nstarted\n')
})
