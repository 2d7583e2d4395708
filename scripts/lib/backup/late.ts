// Whether the backups are what an owner counts on. Pure.
import type { Problem } from '../errors.ts'
import { locationCause } from './causes.ts'
import { type Backup, isGood, type Location } from './velero.ts'

/** The daily one, and two hours for it to be made in. The alert counts the same. */
export const lateAfter = 26 * 3_600_000

/** What is wrong, the worst first; empty when all is well. */
export function backupProblems(backups: readonly Backup[], location: Location, now: number): Problem[] {
  const problems: Problem[] = []
  if (!location.available) problems.push({ what: 'the storage location is unavailable', ...locationCause(location) })
  // One of a few namespaces is no substitute for that of everything.
  const newest = Math.max(0, ...backups.filter(one => isGood(one) && !one.namespaces.length).map(one => one.started))
  if (newest === 0)
    problems.push({
      what: 'there is no good backup of the whole cluster',
      why: 'none has completed yet',
      fix: 'make backup',
    })
  else if (now - newest > lateAfter)
    problems.push({
      what: `the newest good backup of the whole cluster is ${age(now - newest)} old`,
      why: 'the daily one did not come, or did not complete',
      fix: 'make backup, which says why one fails',
    })
  return problems
}

/** `40 min`, `5 h`, `3 days` */
export function age(milliseconds: number): string {
  const minutes = Math.max(0, Math.round(milliseconds / 60_000))
  if (minutes < 90) return `${minutes} min`
  const hours = Math.round(minutes / 60)
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`
}
