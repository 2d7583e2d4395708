// Which processes of this machine belong to a sandbox.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { totalmem } from 'node:os'

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

/**
 * Go's garbage collector at work a quarter as often, but never with more than this much memory in its care: a platform
 * is built on the sandbox with a tenth less work. Where memory is no question it is two GiB: with all the kinds of the
 * applications the API server needs so much that at one it collects all the time.
 */
export const lazyGarbage = { GOGC: '400', GOMEMLIMIT: totalmem() > 12 * 1024 ** 3 ? '2GiB' : '1GiB' } as const
