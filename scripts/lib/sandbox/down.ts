// The end of a sandbox: its processes, then its folder.
import { rm } from 'node:fs/promises'
import { HomelabError } from '../errors.ts'
import { signal, waitGone } from '../process.ts'
import { socketFolder, socketPath } from './paths.ts'
import { sandboxProcesses } from './processes.ts'

/**
 * End every process of the sandbox in `dir` and remove the folder. Safe at any time and on any half of a sandbox.
 * Nothing here is worth an orderly shutdown but the agent, which ends its own programs and would restart them.
 */
export async function destroy(dir: string): Promise<void> {
  const agents = sandboxProcesses(dir).filter(({ command }) => command.includes('/sandbox/agent.ts '))
  for (const { pid } of agents) signal(pid, 'SIGTERM')
  await waitGone(
    agents.map(({ pid }) => pid),
    4000,
  )
  // Twice: kwokctl, ended in the middle of its work, may have started one more.
  for (let round = 0; round < 2; round++) {
    const left = sandboxProcesses(dir)
    for (const { pid } of left) signal(pid, 'SIGKILL')
    const stuck = await waitGone(
      left.map(({ pid }) => pid),
      5000,
    )
    if (stuck.length > 0)
      throw new HomelabError({
        what: `processes of the sandbox do not end: ${stuck.join(', ')}`,
        fix: `look at them with ps -fp ${stuck.join(',')}`,
      })
  }
  for (const name of ['egress', 'ask-pass']) await rm(socketPath(dir, name), { force: true })
  await rm(socketFolder(dir, 'plugins'), { recursive: true, force: true })
  await rm(dir, { recursive: true, force: true, maxRetries: 3 })
}
