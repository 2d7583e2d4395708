// The processes of this machine: who runs, which ones belong to a sandbox, and ending exactly those.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Whether a process with this id exists (a zombie's does not count on Linux). */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return true // no /proc (macOS), or it ended this moment and the next look will say so
  }
}

interface Process {
  pid: number
  command: string
}

/** Every process that we may see, with its command line. From /proc, else from ps: minimal images have no ps. */
export function processes(): Process[] {
  if (!existsSync('/proc/self/cmdline')) {
    const table = execFileSync('ps', ['-axww', '-o', 'pid=,command='], { encoding: 'utf8', maxBuffer: 1 << 26 })
    return table.split('\n').flatMap(line => {
      const [, pid, command] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? []
      return pid && command ? [{ pid: Number(pid), command }] : []
    })
  }
  return readdirSync('/proc').flatMap(entry => {
    if (!/^\d+$/.test(entry)) return []
    try {
      const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
      return command ? [{ pid: Number(entry), command }] : []
    } catch {
      return [] // ended while we looked
    }
  })
}

/**
 * The running processes of the sandbox in `dir`. A process is recognised by what it is, not by a number that may have
 * been given to another since: it runs one of our servers (or the agent) and its arguments name this very folder. So a
 * `kubectl` or `tail` that a person has open on the folder is not among them.
 */
export function sandboxProcesses(dir: string): Process[] {
  const local = /\/programs\/[^/]+\/(kwokctl|metallb-controller|cert-manager|adguardhome) /
  const agent = /\/sandbox\/agent\.ts /
  return processes().filter(({ pid, command }) => {
    if (pid === process.pid) return false
    // kwokctl starts the control plane by links in the first of these, Argo CD's programs run by links in the second.
    if (command.startsWith(`${dir}/kwok/`) || command.startsWith(`${dir}/run/`)) return true
    return (local.test(command) || agent.test(command)) && command.includes(`${dir}/`)
  })
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
