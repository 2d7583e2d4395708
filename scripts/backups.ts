#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make backups: which there are, the one to reach for on top, and whether one can count on them.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/backups.ts [options]',
    about:
      'Lists the backups: age, what is in them, until when they are kept; the newest good one first.\n' +
      'Exit code 1 if the newest good one of the whole cluster is older than 26 hours, or the location is unavailable.',
    options: {
      sandbox: { type: 'boolean', help: 'the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => {
    const [{ readOnlySite }, { withCluster }, velero, { backupProblems }, { showBackups }, { print }] =
      await Promise.all([
        import('./lib/site/choose.ts'),
        import('./lib/site/right-cluster.ts'),
        import('./lib/backup/velero.ts'),
        import('./lib/backup/late.ts'),
        import('./lib/backup/show.ts'),
        import('./lib/output.ts'),
      ])
    const site = await readOnlySite(values)
    return withCluster(site, async cluster => {
      const { kinds, namespace, asBackup, sorted, readLocation } = velero
      const [location, objects] = await Promise.all([readLocation(cluster), cluster.list(kinds.backup, { namespace })])
      const backups = sorted(objects.map(asBackup))
      const now = cluster.serverTime()
      const problems = backupProblems(backups, location, now)
      if (values.json)
        print(JSON.stringify({ location, problems, backups: backups.map(({ object: _, ...one }) => one) }))
      else {
        showBackups(backups, location, problems, now)
        if (!problems.length) print('next: make restore BACKUP=NAME shows what would come back, and asks')
      }
      return problems.length ? 1 : 0
    })
  },
)
