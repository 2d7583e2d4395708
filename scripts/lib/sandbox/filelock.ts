// One process at a time: a lock on this machine that outlives no process.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isRunning } from '../process.ts'

/**
 * Run `work` while holding the lock folder `path`; waits for a living holder, takes over from a dead one.
 * @param waiting called once when another process holds the lock, with its process id
 */
export async function withFileLock<T>(
  path: string,
  waiting: (pid: number) => void,
  work: () => Promise<T>,
): Promise<T> {
  await mkdir(dirname(path), { recursive: true })
  for (let round = 0; ; round++) {
    try {
      await mkdir(path) // atomic on every file system that matters
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    // The holder writes its id right after the mkdir: an empty folder is young, or left by a kill in between.
    const holder = Number(await readFile(join(path, 'pid'), 'utf8').catch(() => ''))
    if (holder > 0 ? !isRunning(holder) : round > 20) await rm(path, { recursive: true, force: true })
    else {
      if (holder > 0 && round === 0) waiting(holder)
      await sleep(100)
    }
  }
  try {
    await writeFile(join(path, 'pid'), String(process.pid))
    return await work()
  } finally {
    await rm(path, { recursive: true, force: true })
  }
}
