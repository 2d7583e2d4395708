// Free ports on loopback. Never inside the range from which the system takes its own (Linux 32768–60999, macOS 49152–).
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { HomelabError } from '../errors.ts'

const first = 20_000
const count = 12_000
const given = new Set<number>()

/** A port that is free for TCP and UDP on 127.0.0.1 now, and that this process has not handed out before. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = first + Math.floor(Math.random() * count)
    if (given.has(port) || !(await freeForTcp(port)) || !(await freeForUdp(port))) continue
    given.add(port)
    return port
  }
  throw new HomelabError({
    what: `no free port between ${first} and ${first + count} on 127.0.0.1`,
    why: '200 of them were tried',
    fix: 'end what uses them, for example other sandboxes: ./scripts/sandbox.ts status',
  })
}

function freeForTcp(port: number): Promise<boolean> {
  return new Promise(done => {
    const server = createServer()
    server.once('error', () => done(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => done(true)))
  })
}

function freeForUdp(port: number): Promise<boolean> {
  return new Promise(done => {
    const socket = createSocket('udp4')
    socket.once('error', () => done(false))
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => socket.close(() => done(true)))
  })
}
