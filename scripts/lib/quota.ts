// A quota that counts what never came.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from './cluster.ts'
import { mapAt } from './k8s.ts'
import { retry } from './transient.ts'

/** Seconds that the controller has to count; it does so at once when it is there at all. */
const patience = 10

type Failed = { code: number; stderr: string }
type Waiting = (what: string, words: string) => void

/**
 * Repeats an attempt as `retry` does. A request that is cut off between its admission and its write (a kill, an outage) stays
 * counted by the quota, and a limit that is exact then refuses the same request until Kubernetes counts again, five minutes later
 * (kubernetes/kubernetes#119593). So a refusal by a quota has it counted now, and when that made room the attempt is made once more.
 * @param namespace of what is written
 * @param seconds see `retry`
 * @param waiting see `retry`
 */
export async function retryCounted<T extends Failed>(
  cluster: Cluster,
  namespace: string | undefined,
  attempt: () => Promise<T>,
  seconds: number,
  waiting: Waiting,
): Promise<T> {
  const ran = await retry(attempt, seconds, waiting)
  // Ours: another one is its owner's to change.
  const [refused, counted = '', limit] = /exceeded quota: homelab,.*limited: ([\w./-]+)=(\d+)\b/s.exec(ran.stderr) ?? []
  if (ran.code === 0 || !namespace || !refused) return ran
  waiting(`the quota of ${namespace} counts anew`, ran.stderr)
  return (await makesRoom(cluster, `resourcequota/${namespace}/homelab`, counted, Number(limit)))
    ? retry(attempt, seconds, waiting)
    : ran
}

/** Whether a quota that is counted now is below its limit. Only a change of its limits makes the controller count: one more, and back. */
async function makesRoom(cluster: Cluster, ref: string, counted: string, limit: number): Promise<boolean> {
  const quota = await cluster.find(ref)
  if (!quota) return false
  const allow = (most: number) => cluster.patch(quota, { spec: { hard: { [counted]: `${most}` } } })
  await allow(limit + 1)
  try {
    for (const deadline = Date.now() + patience * 1000; Date.now() < deadline; await sleep(100)) {
      const status = (await cluster.find(ref))?.status
      if (mapAt(status, 'hard')[counted] === `${limit + 1}`) return Number(mapAt(status, 'used')[counted]) < limit
    }
    return false
  } finally {
    await allow(limit) // a kill before this leaves one more, and the step's next run takes it back
  }
}
