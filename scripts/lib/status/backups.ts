// The backups as one row of a summary. Pure: objects in, a row out, or none where there is no Velero.
import { age, backupProblems } from '../backup/late.ts'
import { asBackup, asLocation, isGood, sorted } from '../backup/velero.ts'
import type { Snapshot } from '../health/snapshot.ts'
import type { Row } from './component.ts'

/** A late backup is a warning: the lab itself is well. */
export function backupRows(snapshot: Snapshot, rehearsal: boolean): Row[] {
  const location = snapshot.find('BackupStorageLocation', 'velero', 'default')
  if (!location) return []
  const row = { layer: 'applications', name: 'Backups', state: 'ready' } as const
  // A sandbox need not run Velero itself; then nobody ever looks at the location.
  if (rehearsal && location.status === undefined)
    return [{ ...row, off: true, facts: 'not measurable here: no Velero runs in this sandbox' }]
  const backups = sorted(snapshot.of('Backup').map(asBackup))
  const [problem] = backupProblems(backups, asLocation(location), snapshot.now)
  const [best] = backups.filter(isGood)
  const facts = best ? `newest good one ${age(snapshot.now - best.started)} old` : 'none yet'
  if (!problem) return [{ ...row, facts }]
  const cause = problem.why ? `${problem.what}: ${problem.why}` : problem.what
  return [{ ...row, facts, warning: true, cause, ...(problem.fix ? { fix: problem.fix } : {}) }]
}
