// What this computer knows of the network it is in, without sending anything: interfaces, gateway, neighbours; and its time zone.
import { readFileSync } from 'node:fs'
import { readMachine } from '../preflight/machine.ts'
import { type AddressRange, parseAddress } from '../site/network.ts'

export interface Surroundings {
  /** This computer's addresses, each with the network that it is in. */
  interfaces: readonly { address: number; network: AddressRange }[]
  /** The default route's address, where the system says it in a file (Linux). */
  gateway?: number
  /** Addresses of devices that were heard of lately: the ARP table, where the system has it in a file (Linux). */
  neighbours: readonly number[]
  /** IANA name. */
  timezone: string
}

export async function readSurroundings(): Promise<Surroundings> {
  const { addresses, gateways } = await readMachine()
  const [gateway] = 'value' in gateways ? gateways.value : []
  return {
    interfaces: addresses,
    ...(gateway === undefined ? {} : { gateway }),
    neighbours: parseArp(readText('/proc/net/arp')),
    timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  }
}

/** The addresses in /proc/net/arp that answered: an entry of only zeros did not. */
export function parseArp(text: string): number[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap(line => {
      const [address = '', , , hardware = ''] = line.trim().split(/\s+/)
      const known = parseAddress(address)
      return known === undefined || /^[0:]*$/.test(hardware) ? [] : [known]
    })
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return '' // only Linux has this file
  }
}
