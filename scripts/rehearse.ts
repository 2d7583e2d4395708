#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// The whole platform on a throw-away, real control plane on this machine: no .env, no cluster, no root, no containers.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/rehearse.ts [options]',
    about: 'Rehearses the bootstrap on a throw-away control plane here, twice, and reports what that proved.',
    options: {
      nodes: {
        type: 'string',
        value: '"4x8Gi 2x4Gi"',
        help: 'the sizes of your nodes, CPUs x memory (three of 4x8Gi)',
      },
      gitops: { type: 'boolean', help: 'go on with Git: a real Argo CD brings up the applications' },
      keep: { type: 'boolean', help: 'leave the sandbox up afterwards (make sandbox-down)' },
      ...common,
    },
  },
  async values => {
    const { rehearse } = await import('./lib/sandbox/rehearsal.ts')
    return rehearse({
      ...(typeof values.nodes === 'string' ? { nodes: values.nodes } : {}),
      keep: values.keep === true,
      gitops: values.gitops === true,
      json: values.json === true,
      debug: values.debug === true,
    })
  },
)
