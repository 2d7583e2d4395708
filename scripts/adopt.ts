#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make adopt: from a layout in which Argo CD owned the platform to this one, without a restart.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/adopt.ts [options]',
    about:
      'Hands over what Argo CD manages of the platform (MetalLB, Traefik, cert-manager, …) to the steps. First the plan:\n' +
      'which Applications go, whose their objects become, which workloads would restart. Then, when it is confirmed:\n' +
      'auto-sync off, parents first; marks and ownership changed; the Applications deleted without what they hold; and\n' +
      'the steps run. Killed at any moment, the same command finishes it. Leave Git as it is until it has ended.',
    options: {
      plan: { type: 'boolean', help: 'show the plan, write nothing' },
      confirm: { type: 'string', value: 'CLUSTER', help: "the cluster's name, instead of being asked" },
      sandbox: { type: 'boolean', help: 'the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => {
    const [{ adopt }, { allSteps }] = await Promise.all([
      import('./lib/adopt/adopt.ts'),
      import('../bootstrap/bootstrap-all.ts'),
    ])
    return adopt(await allSteps(), values)
  },
)
