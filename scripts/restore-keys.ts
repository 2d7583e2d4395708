#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make restore-keys: the bundle's keys into a new cluster, before anything there makes its own.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/restore-keys.ts --from FILE [options]',
    about:
      'Puts back what make backup-keys saved: first .env, when it is missing; then sealing keys, CA and generated Secrets\n' +
      'into the cluster. Before make install on a new cluster. Overwrites nothing; asks first.',
    options: {
      from: { type: 'string', value: 'FILE', help: 'the bundle' },
      confirm: { type: 'string', value: 'CLUSTER', help: "the cluster's name, instead of being asked" },
      sandbox: { type: 'boolean', help: 'the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => (await import('./lib/sealing/restore.ts')).restoreCommand(values),
)
