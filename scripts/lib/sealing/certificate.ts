// A new key pair for sealing: RSA 4096 and a self-signed certificate, as the sealed-secrets controller makes them.
// Node signs but makes no certificates. This one has no extensions, so its encoding (RFC 5280, 4.1) is nine fields that
// never change: thirty lines here instead of a dozen packages between the lab and its most precious key.
import { execFile } from 'node:child_process'
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto'
import { promisify } from 'node:util'
import { Secret } from '../secrets.ts'

export interface KeyPair {
  /** PEM, PKCS #1. */
  key: Secret
  /** PEM. */
  certificate: string
}

const years = 10

/**
 * A new pair, valid from now for ten years. Takes a second or so.
 * @param now milliseconds since 1970: of two pairs, the controller seals with the one whose validity begins later
 * @param bits fewer only where a test has to be quick
 */
export async function makeKeyPair(now = Date.now(), bits = 4096): Promise<KeyPair> {
  const privateKey = await makeKey(bits)
  const from = new Date(now)
  const until = new Date(now)
  until.setUTCFullYear(until.getUTCFullYear() + years)
  const serial = randomBytes(16)
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40 // positive, and of the full length

  const name = sequence(tlv(0x31, sequence(commonName, tlv(0x0c, Buffer.from('homelab sealing key')))))
  const body = sequence(
    tlv(0x02, serial),
    sha256WithRsa,
    name, // who signed it
    sequence(time(from), time(until)),
    name, // whose it is
    createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
  )
  const signature = tlv(0x03, Buffer.of(0), sign('sha256', body, privateKey))
  const base64 = sequence(body, sha256WithRsa, signature).toString('base64')
  return {
    key: new Secret(privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()),
    certificate: `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`,
  }
}

/** In a process that gives way to all others: seconds of arithmetic, beside an installation that has more urgent work. */
async function makeKey(bits: number): Promise<KeyObject> {
  const program = `
    require('node:os').setPriority(19)
    const { privateKey } = require('node:crypto').generateKeyPairSync('rsa', { modulusLength: ${bits} })
    process.stdout.write(privateKey.export({ type: 'pkcs1', format: 'pem' }))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--eval', program])
  return createPrivateKey(stdout)
}

/** Tag, length, value (ITU-T X.690). */
function tlv(tag: number, ...parts: Uint8Array[]): Buffer {
  const value = Buffer.concat(parts)
  const long = value.length.toString(16)
  const size = Buffer.from(long.length % 2 ? `0${long}` : long, 'hex')
  const length = value.length < 0x80 ? Buffer.of(value.length) : Buffer.concat([Buffer.of(0x80 | size.length), size])
  return Buffer.concat([Buffer.of(tag), length, value])
}

const sequence = (...parts: Uint8Array[]): Buffer => tlv(0x30, ...parts)

// Object identifiers: 1.2.840.113549.1.1.11 with no parameters, and 2.5.4.3.
const sha256WithRsa = sequence(Buffer.from('06092a864886f70d01010b0500', 'hex'))
const commonName = Buffer.from('0603550403', 'hex')

/** Two digits of a year until 2049, four from then on (RFC 5280, 4.1.2.5). */
function time(at: Date): Buffer {
  const digits = `${at.toISOString().slice(0, 19).replace(/\D/g, '')}Z`
  return at.getUTCFullYear() < 2050 ? tlv(0x17, Buffer.from(digits.slice(2))) : tlv(0x18, Buffer.from(digits))
}
