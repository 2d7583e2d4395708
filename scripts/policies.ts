#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make policies: what the policies ask, what is against them, and the report on the CIS benchmark.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/policies.ts [options]',
    about:
      "Shows Gatekeeper's policies with what its last audit found, the checks of the CIS benchmark, the exceptions, and\n" +
      'what Falco listens for. Writes nothing. Exit code 1 when something is against a policy that refuses.',
    options: {
      sandbox: { type: 'boolean', help: 'the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => {
    const [{ readOnlySite }, { withCluster }, { readPolicies }, { printPolicies }, { print }] = await Promise.all([
      import('./lib/site/choose.ts'),
      import('./lib/site/right-cluster.ts'),
      import('./lib/gatekeeper/read.ts'),
      import('./lib/gatekeeper/print.ts'),
      import('./lib/output.ts'),
    ])
    const site = await readOnlySite(values)
    const report = await withCluster(site, cluster => readPolicies(cluster, site.environment))
    if (values.json) print(JSON.stringify(report))
    else printPolicies(report)
    return report.policies.some(({ action, violations = 0 }) => action === 'deny' && violations > 0) ? 1 : 0
  },
)
