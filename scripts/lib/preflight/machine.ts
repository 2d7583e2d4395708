// What this machine knows of the house's network: its own addresses and its gateway. Nothing is sent.
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { type AddressRange, parseAddress } from '../site/network.ts'

export interface Machine {
  /** IPv4, loopback aside. */
  addresses: readonly { device: string; address: number; network: AddressRange }[]
  /** Default gateways; why they are not known, where they are not. */
  gateways: { value: readonly number[] } | { unknown: string }
}

export async function readMachine(): Promise<Machine> {
  return { addresses: ownAddresses(), gateways: defaultGateways() }
}

function ownAddresses(): Machine['addresses'] {
  return Object.entries(networkInterfaces()).flatMap(([device, entries = []]) =>
    entries.flatMap(({ address, netmask, internal }) => {
      const own = parseAddress(address)
      const mask = parseAddress(netmask)
      if (internal || own === undefined || mask === undefined) return []
      const size = 2 ** 32 - mask
      const first = Math.floor(own / size) * size
      return [{ device, address: own, network: { first, last: first + size - 1, size } }]
    }),
  )
}

/** Linux keeps its routes in a file; elsewhere a program would have to be asked, each system another. */
function defaultGateways(): Machine['gateways'] {
  try {
    return { value: parseRoutes(readFileSync('/proc/net/route', 'utf8')) }
  } catch {
    return { unknown: 'this system does not keep its routes in /proc/net/route; GATEWAY_IP in .env is checked' }
  }
}

/** Lines of device, destination, gateway: the last two as hexadecimal, lowest byte first. */
export function parseRoutes(text: string): number[] {
  return text
    .split('\n')
    .slice(1)
    .map(line => line.trim().split(/\s+/))
    .filter(([, destination, gateway]) => destination === '00000000' && gateway !== '00000000')
    .map(([, , gateway = '']) => Buffer.from(gateway, 'hex').readUInt32LE())
}
