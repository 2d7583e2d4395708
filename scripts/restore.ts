#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make restore: what would come back and what is there already; then, if you say so, brings it back.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/restore.ts [--backup NAME] [--namespace A,B] [options]',
    about:
      'Shows what a backup would bring back, asks, restores, and says what came back and what was left alone.\n' +
      'What exists stays as it is unless --overwrite is given; nothing is ever deleted. Without --backup the newest\n' +
      'good one is taken, without --namespace everything but kube-system, its like, and Velero itself.',
    options: {
      backup: { type: 'string', value: 'NAME', help: 'which one (the newest good one)' },
      namespace: { type: 'string', value: 'A,B', help: 'these only (all)' },
      overwrite: { type: 'boolean', help: 'also set back what exists to what it was' },
      plan: { type: 'boolean', help: 'only show what would come back' },
      confirm: { type: 'string', value: 'CONTEXT', help: 'answers the question, for programs' },
      sandbox: { type: 'boolean', help: 'the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => {
    const [{ readOnlySite }, { withCluster }, { confirmByName }, restoring, show, velero, { print }, { showProgress }] =
      await Promise.all([
        import('./lib/site/choose.ts'),
        import('./lib/site/right-cluster.ts'),
        import('./lib/site/confirm-by-name.ts'),
        import('./lib/backup/restore.ts'),
        import('./lib/backup/show.ts'),
        import('./lib/backup/velero.ts'),
        import('./lib/output.ts'),
        import('./lib/progress.ts'),
      ])
    const site = await readOnlySite(values)
    const namespaces = String(values.namespace ?? '')
      .split(',')
      .filter(Boolean)
    const update = values.overwrite === true
    const json = values.json === true
    return withCluster(site, async cluster => {
      const place = { cluster, site }
      const looking = showProgress(json, 'asking Velero')
      const intended = await (async () => {
        await velero.requireLocation(cluster, looking.say)
        const name = typeof values.backup === 'string' && values.backup ? values.backup : undefined
        const backup = await restoring.chooseBackup(cluster, name, namespaces)
        looking.say('comparing with what is there')
        return restoring.intend(place, backup, namespaces)
      })().finally(looking.end)
      if (!json) show.showIntended(intended, update, cluster.serverTime())
      const { object: _, ...backup } = intended.backup
      const account = { plan: { ...intended, backup } }
      if (values.plan || (!intended.missing.length && !update)) {
        if (json) print(JSON.stringify(account))
        else print(values.plan ? '\nnothing was changed: this was a plan' : '\nall of it is there: nothing to do')
        return 0
      }
      await confirmByName(cluster, site, values, { asker: 'a restore', doing: 'bring this back' })
      const { say, end } = showProgress(json, 'asking Velero')
      const restored = await restoring.restore(place, intended, update, say).finally(end)
      if (json) print(JSON.stringify({ ...account, restored }))
      else {
        show.showRestored(restored)
        print('\nnext: make status')
      }
      return restored.phase === 'Completed' ? 0 : 1
    })
  },
)
