#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make test-applications: each application synced, healthy, its endpoint answers, its data flows.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/test-applications.ts [options]',
    about:
      'Looks at every application that Argo CD brings: as in Git, healthy, published hosts and programs answer,\n' +
      'data arrives where that can be asked. For what fails: the cause and the next command. Only reads.\n' +
      'Exit code 1 if something fails or is not there yet, 2 if the cluster cannot be read.',
    options: {
      app: { type: 'string', value: 'NAME', help: 'this application only' },
      sandbox: { type: 'boolean', help: 'the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => {
    const [{ readOnlySite }, { withCluster }, { testApplications }, { printTested, well }] = await Promise.all([
      import('./lib/site/choose.ts'),
      import('./lib/site/right-cluster.ts'),
      import('./lib/applications/test.ts'),
      import('./lib/applications/print-test.ts'),
    ])
    const site = await readOnlySite(values)
    const only = typeof values.app === 'string' ? values.app : undefined
    const started = performance.now()
    const tested = await withCluster(site, cluster =>
      testApplications(cluster, site, only, what => {
        if (!values.json) console.error(`… ${what}`)
      }),
    )
    printTested(tested, site, performance.now() - started, values.json === true)
    return well(tested) ? 0 : 1
  },
)
