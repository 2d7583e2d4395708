#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make doctor: can this cluster take the platform, and what is in the way? In about a second, without a write.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/doctor.ts [options]',
    about:
      'Examines tools, cluster, nodes, network and what others left or own: each problem with its cause and the way out.\n' +
      'A bootstrap looks at the same before its first write. Exit code 1 if there are problems, 2 if the cluster cannot\n' +
      'be read, 3 if it is another one than in .env.',
    options: {
      sandbox: { type: 'boolean', help: 'the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => {
    const [{ readOnlySite }, { examineCluster }, { countResults, printExamined }] = await Promise.all([
      import('./lib/site/choose.ts'),
      import('./lib/preflight/doctor.ts'),
      import('./lib/preflight/print.ts'),
    ])
    const site = await readOnlySite(values)
    const started = Date.now()
    const examined = await examineCluster(site)
    printExamined(examined, site, Date.now() - started, values.json === true)
    return countResults(examined).problem ? 1 : 0
  },
)
