#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make logs: what an application's pods say, the one that failed last first.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/logs.ts --app NAME [options]',
    about:
      'Shows the logs of an application: of its failing pods, the latest failure first and from before its restart;\n' +
      'while all is well, of its newest pod. Nothing is kept: Loki has the last days (Grafana, Explore).',
    options: {
      app: { type: 'string', value: 'NAME', help: 'the application, as make status names it' },
      lines: { type: 'string', value: 'NUMBER', help: 'the last lines of each container (default: 50)' },
      all: { type: 'boolean', help: 'every pod' },
      sandbox: { type: 'boolean', help: 'the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => {
    const [{ readOnlySite }, { withCluster }, { printLogs, readLogs }, { exit, HomelabError }] = await Promise.all([
      import('./lib/site/choose.ts'),
      import('./lib/site/right-cluster.ts'),
      import('./lib/applications/logs.ts'),
      import('./lib/errors.ts'),
    ])
    const { app } = values
    const lines = Number(values.lines ?? 50)
    if (typeof app !== 'string' || app === '')
      throw new HomelabError({ what: 'of which application?', fix: 'make logs APP=welcome', code: exit.usage })
    if (!Number.isInteger(lines) || lines < 1)
      throw new HomelabError({ what: `--lines ${values.lines}: no number of lines`, code: exit.usage })
    const site = await readOnlySite(values)
    const logs = await withCluster(site, cluster => readLogs(cluster, app, { lines, all: values.all === true }))
    printLogs(logs, app, site, values.json === true)
    return exit.done
  },
)
