// make logs: what the pods of an application say, the one that failed last first.
import type { Cluster } from '../cluster.ts'
import { exit, HomelabError } from '../errors.ts'
import { judge, Snapshot } from '../health/judge.ts'
import { textAt } from '../k8s.ts'
import { paint, print } from '../output.ts'
import type { Site } from '../site/site.ts'
import { between, podsOf, worstFirst } from './pods.ts'
import { chooseApplication, readApplications } from './read.ts'

/** What one pod said. */
export interface Log {
  namespace: string
  pod: string
  /** Why it does not run, if it does not. */
  cause?: string
  /** Of the container before this one: it ended. */
  previous: boolean
  lines: string[]
  /** Why there are none. */
  silent?: string
}

/**
 * @param lines at most so many of each container
 * @param all every pod; else the failing ones, or when all is well the newest
 * @throws HomelabError (exit 2) for an application that is not there, (exit 1) when it has no pods
 */
export async function readLogs(
  cluster: Cluster,
  name: string,
  { lines, all }: { lines: number; all: boolean },
): Promise<Log[]> {
  const application = chooseApplication(await readApplications(cluster), name)
  const objects = await cluster.list(['pods', ...between].join(','))
  const snapshot = new Snapshot(objects, { now: new Date() })
  const sorted = worstFirst(podsOf(application, snapshot), snapshot)
  if (sorted.length === 0) {
    const { cause, fix } = judge(application, snapshot)
    throw new HomelabError({
      what: `the application ${name} has no pods`,
      why: cause ?? `it is ${textAt(application.status, 'sync', 'status') ?? 'not compared with Git yet'}`,
      fix: fix ?? 'make test-applications',
      code: exit.failed,
    })
  }
  const failing = sorted.filter(({ cause }) => cause !== undefined)
  const chosen = all ? sorted : failing.length ? failing : sorted.slice(0, 1)
  const logs = await Promise.all(
    chosen.map(async ({ pod, cause, restarted }): Promise<Log> => {
      const { namespace = '', name } = pod.metadata
      const previous = cause !== undefined && restarted
      const told = await cluster.kubectl([
        ...['logs', '-n', namespace, name, '--all-containers', '--prefix', `--tail=${lines}`],
        ...(previous ? ['--previous'] : []),
      ])
      const words = told.stdout.split('\n').filter(Boolean)
      const silent = words.length ? undefined : told.stderr.trim().split('\n').at(-1) || 'it has said nothing yet'
      return {
        ...{ namespace, pod: name, previous, lines: words },
        ...(cause === undefined ? {} : { cause }),
        ...(silent === undefined ? {} : { silent }),
      }
    }),
  )
  return logs
}

export function printLogs(logs: readonly Log[], name: string, site: Site, json: boolean): void {
  if (json) {
    for (const log of logs) print(JSON.stringify({ event: 'log', application: name, ...log }))
    return
  }
  for (const { namespace, pod, cause, previous, lines, silent } of logs) {
    print(paint('bold', `${namespace}/${pod}${previous ? ', before it was started again' : ''}`), process.stderr)
    if (cause) print(`${paint('red', '✗', process.stderr)} ${cause}`, process.stderr)
    // What --prefix adds says the pod again, whose name stands above.
    for (const line of lines) print(line.replace(/^\[pod\/[^/]+\/([^\]]+)\] /, `${paint('dim', '$1')} `))
    if (silent) {
      print(paint('dim', `no log: ${silent}`, process.stderr), process.stderr)
      if (site.sandbox)
        print(paint('dim', 'a rehearsal’s pods are fake and say nothing', process.stderr), process.stderr)
    }
  }
}
