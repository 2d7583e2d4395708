#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make test-ingress: every published host, looked at from outside the cluster as a device in the house would.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/test-ingress.ts [options]',
    about:
      'Looks at every published host from this machine: name, connection, certificate, redirect, page.\n' +
      'For what fails: the cause and the next command. Exit code 1 if something fails, 2 if the cluster cannot be read.',
    options: {
      host: { type: 'string', value: 'NAME', help: 'this host only; what stands before DOMAIN is enough' },
      sandbox: { type: 'boolean', help: 'the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => {
    const [{ readOnlySite }, { testIngress }, { printTested, well }, { showProgress }] = await Promise.all([
      import('./lib/site/choose.ts'),
      import('./lib/ingress/read.ts'),
      import('./lib/ingress/report.ts'),
      import('./lib/ingress/progress.ts'),
    ])
    const site = await readOnlySite(values)
    const { progress, end } = showProgress(values.json === true)
    const only = typeof values.host === 'string' ? values.host : undefined
    const tested = await testIngress(site, only, progress).finally(end)
    printTested(tested, site, values.json === true)
    return well(tested) ? 0 : 1
  },
)
