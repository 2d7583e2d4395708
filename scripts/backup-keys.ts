#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make backup-keys: the one encrypted file with which, and Git, the whole lab can be built again.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/backup-keys.ts [options]',
    about:
      'Writes homelab-ENV-keys.age: sealing keys, the lab’s CA, generated Secrets and .env, encrypted with age for\n' +
      'AGE_RECIPIENT, or with a passphrase that it asks for. Plain text is never written.',
    options: {
      out: { type: 'string', value: 'FILE', help: 'another file than homelab-ENV-keys.age beside the Makefile' },
      check: {
        type: 'boolean',
        help: 'open it instead: does it hold every key, does it open every sealed file in Git?',
      },
      token: { type: 'boolean', help: 'read the server token from standard input, and keep it too' },
      sandbox: { type: 'boolean', help: 'the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => (await import('./lib/sealing/backup.ts')).backupCommand(values),
)
