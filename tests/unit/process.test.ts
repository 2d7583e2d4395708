import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isRunning } from '../../scripts/lib/process.ts'

const skip =
  (!existsSync('/proc/self/task') && 'there is no /proc here') ||
  (spawnSync('python3', ['--version']).status !== 0 && 'there is no python3 to end one thread of two with')

// A server that was killed holds its port until the last of its threads is gone; its first one may be a zombie before.
test('a process is there as long as one of its threads is', { skip }, async () => {
  const program = [
    'import ctypes, threading, time',
    'threading.Thread(target=time.sleep, args=(1,)).start()',
    'ctypes.CDLL(None).pthread_exit(None)',
  ].join('\n')
  const child = spawn('python3', ['-c', program], { stdio: 'ignore' })
  const pid = child.pid ?? 0
  const ended = new Promise(done => child.once('exit', done))
  while (!/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))) await sleep(20)
  assert.equal(isRunning(pid), true)
  await ended
  assert.equal(isRunning(pid), false)
})
