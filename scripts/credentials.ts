#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make credentials: which passwords were generated, where they lie, and how to read one. Shows none unless asked by name.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/credentials.ts [options]',
    about: 'Lists the generated passwords: for what, for whom, and the command that reads them. Shows none of them.',
    options: {
      show: { type: 'string', value: 'NAME', help: 'print this one, and nothing else, on standard output' },
      sandbox: { type: 'boolean', help: 'the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => {
    const [{ readOnlySite }, { listCredentials, showCredential }] = await Promise.all([
      import('./lib/site/choose.ts'),
      import('./lib/status/credentials.ts'),
    ])
    const site = await readOnlySite(values)
    if (typeof values.show === 'string') await showCredential(site, values.show)
    else await listCredentials(site, values.json === true)
  },
)
