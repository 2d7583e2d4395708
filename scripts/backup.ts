#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make backup: one backup now, of the whole cluster or of some namespaces, and what is in it.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/backup.ts [--namespaces A,B] [options]',
    about:
      'Makes a backup now, with the settings of the daily one, waits for it, and says what is in it.\n' +
      'Exit code 1 if it fails or is not complete; the cause and the way out are said.',
    options: {
      namespaces: { type: 'string', value: 'A,B', help: 'these only (the whole cluster)' },
      sandbox: { type: 'boolean', help: 'the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => {
    const [
      { readOnlySite },
      { withCluster },
      { makeBackup },
      { showContents },
      { isGood },
      { print },
      { showProgress },
    ] = await Promise.all([
      import('./lib/site/choose.ts'),
      import('./lib/site/right-cluster.ts'),
      import('./lib/backup/make.ts'),
      import('./lib/backup/show.ts'),
      import('./lib/backup/velero.ts'),
      import('./lib/output.ts'),
      import('./lib/progress.ts'),
    ])
    const site = await readOnlySite(values)
    const namespaces = String(values.namespaces ?? '')
      .split(',')
      .filter(Boolean)
    return withCluster(site, async cluster => {
      const { say, end } = showProgress(values.json === true, 'asking Velero')
      const contents = await makeBackup({ cluster, site }, namespaces, say).finally(end)
      const { object: _, ...backup } = contents.backup
      if (values.json) print(JSON.stringify({ ...contents, backup }))
      else {
        showContents(contents, site.sandbox !== undefined, cluster.serverTime())
        print(`\nnext: make backups, or make restore BACKUP=${backup.name}`)
      }
      return isGood(contents.backup) ? 0 : 1
    })
  },
)
