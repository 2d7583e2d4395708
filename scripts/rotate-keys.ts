#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make rotate-keys: a new sealing key, and every sealed file in Git sealed with it.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/rotate-keys.ts [options]',
    about:
      'Makes a new sealing key beside the old ones and seals every file in Git with it. The old keys stay, so that what\n' +
      'runs goes on and earlier commits still open. Asks first.',
    options: {
      confirm: { type: 'string', value: 'CLUSTER', help: "the cluster's name, instead of being asked" },
      reseal: { type: 'boolean', help: 'no new key: only files that the newest does not open, after an interruption' },
      sandbox: { type: 'boolean', help: 'the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => (await import('./lib/sealing/rotate.ts')).rotateCommand(values),
)
