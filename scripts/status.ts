#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make status: how the platform and its applications are, in about a second, and what to do next.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/status.ts [options]',
    about:
      'Shows every component: version, health with its cause, address, web page, end of its certificate.\n' +
      'Exit code 1 if one is unwell or missing, 2 if the cluster cannot be read.',
    options: {
      sandbox: { type: 'boolean', help: 'the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => {
    const [{ readOnlySite }, { readSummary }, { printSummary, well }] = await Promise.all([
      import('./lib/site/choose.ts'),
      import('./lib/status/read.ts'),
      import('./lib/status/print.ts'),
    ])
    const site = await readOnlySite(values)
    const rows = await readSummary(site)
    printSummary(rows, site, values.json === true)
    return well(rows) ? 0 : 1
  },
)
