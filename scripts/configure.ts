#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make configure: writes .env from what the cluster and this checkout say, and asks only what nobody can know.
import { command, common, type Option } from './lib/command.ts'
import { flagOf } from './lib/configure/flags.ts'
import { about, keys, secretKeys } from './lib/site/schema.ts'

const facts = keys
  .filter(key => !secretKeys.has(key))
  .map((key): [string, Option] => [flagOf(key), { type: 'string', value: 'VALUE', help: about(key).about }])

await command(
  {
    line: 'scripts/configure.ts [options]',
    about:
      'Writes .env: looks at the kubeconfig, the nodes and the Git remote, proposes, and asks what only you know.\n' +
      'What is in .env already stays, comments included; changes are shown and confirmed first.\n' +
      'A secret is never an option, because everybody on this computer can read the arguments of a process:\n' +
      `answer the question, or set it in the environment (${[...secretKeys].join(', ')}).`,
    options: {
      environment: {
        type: 'string',
        value: 'ENV',
        help: 'dev, staging or prod: which file (default: $ENV, else prod)',
      },
      yes: { type: 'boolean', help: 'do not ask: accept every proposal and the change' },
      plan: { type: 'boolean', help: 'show what would be written, write nothing' },
      ask: { type: 'boolean', help: 'ask although this is no terminal: answers come line by line' },
      ...Object.fromEntries(facts),
      ...common,
    },
    refused: Object.fromEntries(
      [...secretKeys].map(key => [
        key.toLowerCase().replaceAll('_', '-'),
        {
          what: `${key} is a secret and no option`,
          why: 'everybody on this computer can read the arguments of a process',
          fix: `answer the question in a terminal, or set it in the environment: read -rs ${key}; export ${key}`,
        },
      ]),
    ),
  },
  async values => (await import('./lib/configure/configure.ts')).configure(values),
)
