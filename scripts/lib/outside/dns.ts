// Asks one DNS server for a name's IPv4 addresses, over UDP or TCP, and names what is wrong with the answer.
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'

export interface DnsAnswer {
  addresses: string[]
  /** The answer did not fit into a datagram: the same question must be asked over TCP. */
  truncated: boolean
  /** The server's own code (RFC 1035 section 4.1.1: 0 no error, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED); absent when nobody answered. */
  code?: number
  /** What is wrong, one sentence; absent when the server answered. */
  cause?: string
}

const problem = (cause: string): DnsAnswer => ({ addresses: [], truncated: false, cause })

/**
 * One question (type A, class IN, recursion desired; RFC 1035 section 4).
 * @param timeout milliseconds; over UDP the question is sent again after each third of it, as datagrams get lost
 */
export function askDns(
  name: string,
  server: { address: string; port: number; protocol: 'udp' | 'tcp' },
  timeout: number,
): Promise<DnsAnswer> {
  const id = randomInt(0x10000)
  const question = encodeQuestion(name, id)
  return server.protocol === 'udp' ? askUdp(question, id, server, timeout) : askTcp(question, id, server, timeout)
}

function askUdp(
  question: Buffer,
  id: number,
  server: { address: string; port: number },
  timeout: number,
): Promise<DnsAnswer> {
  return new Promise(resolve => {
    const socket = createSocket(server.address.includes(':') ? 'udp6' : 'udp4')
    let strangers = 0
    const send = () => socket.send(question)
    const again = setInterval(send, timeout / 3)
    const end = (answer: DnsAnswer) => {
      clearInterval(again)
      clearTimeout(deadline)
      socket.removeAllListeners('message')
      socket.close()
      resolve(answer)
    }
    const deadline = setTimeout(
      () =>
        end(
          problem(
            strangers > 0 ? 'answers came, but to another question (wrong id)' : `no answer within ${timeout} ms`,
          ),
        ),
      timeout,
    )
    // A connected socket takes datagrams of this server only, and hears of a closed port.
    socket.connect(server.port, server.address, send)
    socket.on('message', message => {
      // An answer with another id can be a late one, or forged: go on listening (RFC 5452 section 9.1).
      if (message.length < 12 || message.readUInt16BE(0) !== id) strangers++
      else end(decodeAnswer(message))
    })
    socket.on('error', error => end(problem(networkCause(error))))
  })
}

function askTcp(
  question: Buffer,
  id: number,
  server: { address: string; port: number },
  timeout: number,
): Promise<DnsAnswer> {
  return new Promise(resolve => {
    let received = Buffer.alloc(0)
    const socket = connect({ host: server.address, port: server.port })
    const end = (answer: DnsAnswer) => {
      clearTimeout(deadline)
      socket.destroy()
      resolve(answer)
    }
    const deadline = setTimeout(() => end(problem(`no answer within ${timeout} ms`)), timeout)
    const length = Buffer.alloc(2) // over TCP two bytes of length stand before each message (RFC 1035 4.2.2)
    length.writeUInt16BE(question.length)
    socket.write(Buffer.concat([length, question]))
    socket.on('data', chunk => {
      received = Buffer.concat([received, chunk])
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return
      const message = received.subarray(2, 2 + received.readUInt16BE(0))
      if (message.length < 12) end(problem('the answer is no DNS message'))
      else if (message.readUInt16BE(0) !== id) end(problem('the answer is to another question (wrong id)'))
      else end(decodeAnswer(message))
    })
    socket.on('error', error => end(problem(networkCause(error))))
    socket.on('close', () => end(problem('the server closed the connection without an answer')))
  })
}

function encodeQuestion(name: string, id: number): Buffer {
  const labels = name
    .replace(/\.$/, '')
    .split('.')
    .map(label => Buffer.from(label, 'ascii'))
  const bad = labels.find(label => label.length === 0 || label.length > 63)
  if (bad) throw new RangeError(`${JSON.stringify(name)} is not a DNS name`)
  const header = Buffer.alloc(12)
  header.writeUInt16BE(id, 0)
  header.writeUInt16BE(0x0100, 2) // recursion desired
  header.writeUInt16BE(1, 4) // one question
  return Buffer.concat([
    header,
    ...labels.flatMap(label => [Buffer.from([label.length]), label]),
    Buffer.from([0, 0, 1, 0, 1]),
  ])
}

const codes: Record<number, string> = {
  1: 'the server did not understand the question (FORMERR)',
  2: 'the server failed to find an answer (SERVFAIL): its upstream does not answer',
  3: 'the server says that the name does not exist (NXDOMAIN)',
  4: 'the server does not do this kind of question (NOTIMP)',
  5: 'the server refuses to answer us (REFUSED)',
}

function decodeAnswer(message: Buffer): DnsAnswer {
  const flags = message.readUInt16BE(2)
  const code = flags & 0xf
  if ((flags & 0x8000) === 0) return problem('the answer is a question itself')
  if ((flags & 0x0200) !== 0) return { addresses: [], truncated: true, cause: 'the answer is truncated' }
  if (code !== 0) return { ...problem(codes[code] ?? `the server answers with code ${code}`), code }
  const addresses: string[] = []
  try {
    let offset = 12
    for (let left = message.readUInt16BE(4); left > 0; left--) offset = afterName(message, offset) + 4
    for (let left = message.readUInt16BE(6); left > 0; left--) {
      offset = afterName(message, offset)
      const size = message.readUInt16BE(offset + 8)
      const data = message.subarray(offset + 10, offset + 10 + size)
      if (data.length < size) throw new RangeError('short')
      // Aliases (CNAME) come in the same answer, before the addresses that they lead to.
      if (message.readUInt16BE(offset) === 1 && size === 4) addresses.push(data.join('.'))
      offset += 10 + size
    }
  } catch {
    return problem('the answer is damaged')
  }
  return addresses.length === 0
    ? { ...problem('the name exists, but has no IPv4 address'), code }
    : { addresses, truncated: false, code }
}

/** The offset behind a name, which ends with a zero or with a pointer to an earlier one. */
function afterName(message: Buffer, start: number): number {
  let offset = start
  for (;;) {
    const length = message.readUInt8(offset)
    if (length >= 0xc0) return offset + 2
    if (length === 0) return offset + 1
    offset += 1 + length
  }
}

/** Whether a cause says that nobody at all answered: no refusal either. The words are those of this folder. */
export function isSilence(cause: string | undefined): boolean {
  return /^(no answer|no machine answers|there is no way)/.test(cause ?? '')
}

/** What an error of the network means, for every protocol. */
export function networkCause(error: Error & { code?: string }): string {
  switch (error.code) {
    case 'ECONNREFUSED':
      return 'nothing listens there (connection refused)'
    case 'ECONNRESET':
    case 'EPIPE':
      return 'the other side broke the connection off'
    case 'EHOSTUNREACH':
      return 'no machine answers to this address (host unreachable)'
    case 'ENETUNREACH':
      return 'there is no way to this network from here'
    case 'ETIMEDOUT':
      return 'no answer from the network'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the name cannot be resolved on this machine'
    default:
      return error.message
  }
}
