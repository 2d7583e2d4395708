#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make seal: the generated passwords, or a Secret of your own, as sealed files for Git.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/seal.ts [--name NAMESPACE/NAME [--from FILE|-]] [options]',
    about:
      'Seals Secrets for Git, under gitops/environments/ENV/sealed: only the cluster and the bundle open them.\n' +
      'Alone: every generated Secret that is not in Git yet. What is there with the same value is left alone.',
    options: {
      name: {
        type: 'string',
        value: 'NAMESPACE/NAME',
        help: 'this Secret only, from the cluster; overwrites its file',
      },
      from: {
        type: 'string',
        value: 'FILE',
        help: 'its values from a file, or - for standard input: KEY=VALUE, or a manifest',
      },
      plan: { type: 'boolean', help: 'show what would be sealed, write nothing' },
      sandbox: { type: 'boolean', help: 'the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => (await import('./lib/sealing/seal.ts')).sealCommand(values),
)
