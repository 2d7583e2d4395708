#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// Platform and applications on a throw-away, real control plane on this machine: no .env, no cluster, no root, no containers.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/rehearse.ts [options]',
    about:
      'Rehearses the bootstrap on a throw-away control plane here, twice, then lets a real Argo CD bring up what is in\n' +
      'gitops/, and reports what that proved.',
    options: {
      nodes: {
        type: 'string',
        value: '"4x8Gi 2x4Gi"',
        help: 'the sizes of your nodes, CPUs x memory (three of 4x8Gi)',
      },
      fast: { type: 'boolean', help: 'the platform alone, without Argo CD and the applications' },
      keep: { type: 'boolean', help: 'leave the sandbox up afterwards (make sandbox-down)' },
      ...common,
    },
  },
  async values => {
    const { rehearse } = await import('./lib/sandbox/rehearsal.ts')
    return rehearse({
      ...(typeof values.nodes === 'string' ? { nodes: values.nodes } : {}),
      keep: values.keep === true,
      fast: values.fast === true,
      json: values.json === true,
      debug: values.debug === true,
    })
  },
)
