#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// How long a cold bootstrap takes, as a ratio to what owners use today: same charts, same values, same control plane.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/bench.ts [options]',
    about: 'Measures a cold bootstrap against helmfile and plain helm, each on a fresh sandbox whose pods take 3 s.',
    options: {
      rounds: { type: 'string', value: 'N', help: 'how often each runs, in turn; the median counts (3)' },
      ...common,
    },
  },
  async values => {
    const { bench } = await import('./lib/sandbox/bench.ts')
    return bench({ rounds: Number(values.rounds ?? 3), json: values.json === true })
  },
)
