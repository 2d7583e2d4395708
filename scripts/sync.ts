#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make sync: what was pushed is in the cluster now, and not at Argo CD's next poll three minutes later.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/sync.ts [--app NAME] [options]',
    about:
      'Has Argo CD look at Git now, waits until the cluster is as Git says, and tells what changed.\n' +
      'It does not wait for pods: make test-applications says how they are.\n' +
      'Exit code 1 if something is not synced in time, with the cause; 2 if the cluster cannot be read.',
    options: {
      app: { type: 'string', value: 'NAME', help: 'this application only' },
      timeout: { type: 'string', value: 'SECONDS', help: 'how long to wait (default: 60)' },
      sandbox: { type: 'boolean', help: 'the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => {
    const [
      { readOnlySite },
      { withCluster },
      { syncNow },
      { branchTip, printSynced },
      { exit, HomelabError },
      { showProgress },
    ] = await Promise.all([
      import('./lib/site/choose.ts'),
      import('./lib/site/right-cluster.ts'),
      import('./lib/applications/sync.ts'),
      import('./lib/applications/print-sync.ts'),
      import('./lib/errors.ts'),
      import('./lib/progress.ts'),
    ])
    const limit = Number(values.timeout ?? 60)
    if (!(limit > 0))
      throw new HomelabError({ what: `--timeout ${values.timeout}: no number of seconds`, code: exit.usage })
    const site = await readOnlySite(values)
    const json = values.json === true
    const started = performance.now()
    const only = typeof values.app === 'string' ? { only: values.app } : {}
    const tip = await branchTip(site)
    const commit = tip.commit === undefined ? {} : { commit: tip.commit }
    const { say, end } = showProgress(json, 'asking Argo CD')
    const synced = await withCluster(site, cluster =>
      syncNow(cluster, { ...only, ...commit, limit: limit * 1000 }, waiting =>
        say(`waiting for ${waiting.join(', ')}`),
      ),
    ).finally(end)
    printSynced(synced, site, tip, performance.now() - started, json)
    return synced.every(one => one.synced) ? exit.done : exit.failed
  },
)
