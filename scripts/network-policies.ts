#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make network-policies: closes the lab's namespaces to each other but for what is needed, in a cluster that is in use.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/network-policies.ts [--undo] [options]',
    about:
      'Shows which connections the network policies would cut, asks, and applies them: in namespaces that are in use the\n' +
      'steps do not do so by themselves. What would lock out DNS or Argo CD is refused. --undo takes ours off again.\n' +
      'infrastructure/docs/components/network-policies.md explains.',
    options: {
      plan: { type: 'boolean', help: 'only show what would be cut' },
      undo: { type: 'boolean', help: 'take them off again' },
      confirm: { type: 'string', value: 'CONTEXT', help: 'answers the question, for programs' },
      sandbox: { type: 'boolean', help: 'the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => (await import('./lib/policies/command.ts')).networkPoliciesCommand(values),
)
