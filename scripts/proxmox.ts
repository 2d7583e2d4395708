#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make proxmox: Proxmox VE sends what it knows of its nodes, guests and storages to the lab's InfluxDB.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/proxmox.ts [options]',
    about:
      'Registers the lab’s InfluxDB as a metric server of Proxmox VE, and writes only what differs. The first contact\n' +
      'shows the fingerprint of the certificate and asks; later ones refuse any other (exit code 3).',
    options: {
      plan: { type: 'boolean', help: 'what would be written; writes nothing' },
      id: { type: 'string', value: 'NAME', help: 'the name of the entry in Proxmox VE; homelab unless given' },
      ...common,
    },
    refused: {
      insecure: {
        what: 'there is no --insecure',
        why: 'whoever stands between would get a token of Proxmox VE',
        fix: 'the certificate is pinned by its fingerprint, also a self-signed one: PROXMOX_FINGERPRINT in .env',
      },
    },
  },
  async values => {
    const [{ readOnlySite }, { proxmox }] = await Promise.all([
      import('./lib/site/choose.ts'),
      import('./lib/proxmox/command.ts'),
    ])
    const site = await readOnlySite(values)
    const id = typeof values.id === 'string' ? values.id : 'homelab'
    await proxmox(site, { id, plan: values.plan === true, json: values.json === true })
    return undefined
  },
)
