// Processes of this machine: is it still there, is it still the same one, and ending it.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Whether a process with this id exists (a zombie's does not count on Linux). */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  try {
    // Nobody has asked how a zombie ended. Its other threads may be at work still, and hold its ports and files.
    const isZombie = /^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
    return !isZombie || readdirSync(`/proc/${pid}/task`).length > 1
  } catch {
    return true // no /proc (macOS), or it ended this moment and the next look will say so
  }
}

/** Send a signal; a process that is gone already is fine. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Wait until none of these runs. @param limit milliseconds @returns those that still do */
export async function waitGone(pids: readonly number[], limit: number): Promise<number[]> {
  const end = Date.now() + limit
  for (;;) {
    const left = pids.filter(isRunning)
    if (left.length === 0 || Date.now() > end) return left
    await sleep(20)
  }
}

/** When a process began, in whatever words this system has for it: with its id it names one process for ever. */
export function startedAt(pid: number): string {
  try {
    // Field 22, counted behind the name, which may hold spaces (proc_pid_stat(5)).
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19] ?? ''
  } catch {
    try {
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim()
    } catch {
      return '' // it has ended
    }
  }
}

/** Whether the process that began then is still there. */
export function isAlive(pid: number, started: string): boolean {
  return isRunning(pid) && startedAt(pid) === started
}

/** Ends a process and its group: asks, and after `seconds` does not ask any more. */
export async function endGroup(pid: number, seconds: number): Promise<void> {
  signal(-pid, 'SIGTERM')
  if ((await waitGone([pid], seconds * 1000)).length) signal(-pid, 'SIGKILL')
}
