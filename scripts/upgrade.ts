#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make upgrade: what moves to which version, what to read and to save first, and the way back. Shows; --apply does it.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/upgrade.ts [options]',
    about:
      'Compares what the cluster runs with what this checkout pins (infrastructure/charts.yaml, images in manifests):\n' +
      'new and changed kinds, major versions, pods that restart, the way back. Writes nothing unless --apply.\n' +
      'Exit code 3 if something must not be done: each with the way out.',
    options: {
      apply: { type: 'boolean', help: 'run the steps that move, one after another, with a look after each' },
      only: { type: 'string', value: 'NN[,NN]', help: 'these steps only' },
      'allow-downgrade': { type: 'boolean', help: 'to an older version too' },
      newer: { type: 'boolean', help: 'instead: is there something newer than what is pinned? (make outdated)' },
      yes: { type: 'boolean', help: 'do not ask: use the cluster that .env names' },
      sandbox: { type: 'boolean', help: 'the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => {
    const [{ upgrade }, { allSteps }] = await Promise.all([
      import('./lib/upgrade/upgrade.ts'),
      import('../bootstrap/bootstrap-all.ts'),
    ])
    return upgrade(values, await allSteps())
  },
)
