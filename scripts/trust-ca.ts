#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make trust-ca: hands out the certificate of the lab's own authority, and says how each device learns to trust it.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/trust-ca.ts [options] [> homelab-ca.crt]',
    about: "Writes the certificate of the lab's authority (its public part) and tells how devices come to trust it.",
    options: {
      out: { type: 'string', value: 'FILE', help: 'write to this file instead of standard output' },
      sandbox: { type: 'boolean', help: 'the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => {
    const [{ readOnlySite }, { handOut }] = await Promise.all([
      import('./lib/site/choose.ts'),
      import('./lib/status/trust-ca.ts'),
    ])
    const site = await readOnlySite(values)
    await handOut(site, { json: values.json === true, ...(typeof values.out === 'string' ? { out: values.out } : {}) })
  },
)
