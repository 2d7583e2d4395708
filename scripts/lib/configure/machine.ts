// What this computer knows of the network it is in, without sending anything: interfaces, gateway, neighbours, time zone.
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { parseAddress } from '../site/network.ts'

export interface Machine {
  /** `192.168.1.23/24` */
  interfaces: readonly string[]
  /** The default route's address, where the system says it in a file (Linux). */
  gateway?: number
  /** Addresses of devices that were heard of lately: the ARP table, where the system has it in a file (Linux). */
  neighbours: readonly number[]
  /** IANA name. */
  timezone: string
}

export function readMachine(): Machine {
  const gateway = parseRoutes(readText('/proc/net/route'))
  return {
    interfaces: Object.values(networkInterfaces())
      .flatMap(list => list ?? [])
      .filter(({ family, internal }) => family === 'IPv4' && !internal)
      .flatMap(({ cidr }) => cidr ?? []),
    ...(gateway === undefined ? {} : { gateway }),
    neighbours: parseArp(readText('/proc/net/arp')),
    timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  }
}

/** The gateway of the default route in the form of /proc/net/route: little-endian hexadecimal. */
export function parseRoutes(text: string): number | undefined {
  for (const line of text.split('\n').slice(1)) {
    const [, destination, gateway = ''] = line.trim().split(/\s+/)
    if (destination !== '00000000' || !/^[0-9A-F]{8}$/i.test(gateway) || gateway === '00000000') continue
    return Buffer.from(gateway, 'hex').readUInt32LE()
  }
  return undefined
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
    return '' // only Linux has these files
  }
}
