// Looks at the certificate that a server shows: does it chain to the right authority, is it for this name, until when.
import { createHash, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { checkServerIdentity, connect, type DetailedPeerCertificate, type PeerCertificate } from 'node:tls'
import { networkCause } from './dns.ts'

/** What an owner wants to know of a certificate. */
export interface CertificateFacts {
  subject: string
  issuer: string
  names: string[]
  notAfter: Date
  daysLeft: number
  /** SHA-256, as browsers show it. */
  fingerprint: string
}

export interface TlsAnswer {
  certificate?: CertificateFacts
  /** What is wrong, one sentence; absent when the certificate is right. */
  cause?: string
}

/**
 * Connects, shakes hands, and judges the chain that the server sends.
 * @param ca the only authority to trust, as PEM; without it those that Node trusts
 * @param timeout milliseconds
 */
export function inspectTls(
  to: { address: string; port: number; servername: string; ca?: string },
  timeout: number,
): Promise<TlsAnswer> {
  return new Promise(resolve => {
    const socket = connect({
      host: to.address,
      port: to.port,
      ...(isIP(to.servername) ? {} : { servername: to.servername }),
      ...(to.ca === undefined ? {} : { ca: to.ca }),
      rejectUnauthorized: false, // judged below, with a cause; nothing is sent over this connection
    })
    const end = (answer: TlsAnswer) => {
      clearTimeout(deadline)
      socket.destroy()
      resolve(answer)
    }
    const deadline = setTimeout(() => end({ cause: `no answer within ${timeout} ms` }), timeout)
    socket.on('secureConnect', () => {
      const peer = socket.getPeerCertificate(true)
      if (!peer.raw) return end({ cause: 'the server shows no certificate' })
      const cause = certificateCause(socket.authorizationError, peer, to.servername, to.ca !== undefined)
      end({ certificate: facts(peer), ...(cause === undefined ? {} : { cause }) })
    })
    socket.on('error', error => end({ cause: tlsCause(error, to.servername) }))
    socket.on('close', () => end({ cause: 'the other side broke the connection off during the handshake' }))
  })
}

function certificateCause(
  error: Error | string | undefined,
  peer: DetailedPeerCertificate,
  servername: string,
  ownAuthority: boolean,
): string | undefined {
  if (commonName(peer.subject) === 'TRAEFIK DEFAULT CERT')
    return 'Traefik shows its built-in certificate: it has none for this name yet, or cannot read the one it should use'
  // Time before trust: OpenSSL names only the first problem that it meets, and an owner mends the oldest one first.
  const now = Date.now()
  if (Date.parse(peer.valid_to) < now) return `the certificate expired on ${day(new Date(peer.valid_to))}`
  if (Date.parse(peer.valid_from) > now)
    return `the certificate is not valid before ${new Date(peer.valid_from).toISOString()} (is a clock wrong?)`
  if (error) {
    const code = typeof error === 'string' ? error : ((error as { code?: string }).code ?? error.message)
    const issuer = commonName(peer.issuer)
    if (code === 'DEPTH_ZERO_SELF_SIGNED_CERT') return 'the certificate is self-signed'
    if (
      /SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT|UNABLE_TO_VERIFY_LEAF_SIGNATURE|CERT_SIGNATURE_FAILURE/.test(
        code,
      )
    )
      return ownAuthority
        ? `the certificate comes from another authority (${issuer})`
        : `the certificate comes from an authority that is not trusted here (${issuer})`
    if (code === 'CERT_HAS_EXPIRED') return 'an authority in the chain of the certificate has expired'
    if (!/ALTNAME|HOSTNAME/.test(code)) return `the chain of the certificate does not hold (${code})`
  }
  if (checkServerIdentity(servername, peer))
    return `the certificate is for ${namesOf(peer).join(', ') || commonName(peer.subject)}, not for ${servername}`
  return undefined
}

/** The same words for the errors of a client that refuses by itself (HTTPS). */
export function tlsCause(error: Error & { code?: string }, servername: string): string {
  const code = error.code ?? ''
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `the certificate is not for ${servername}`
  if (code === 'CERT_HAS_EXPIRED') return 'the certificate has expired'
  if (code === 'DEPTH_ZERO_SELF_SIGNED_CERT') return 'the certificate is self-signed'
  if (/SELF_SIGNED_CERT|UNABLE_TO_(GET|VERIFY)/.test(code))
    return 'the certificate comes from an authority that is not trusted here'
  if (/WRONG_VERSION_NUMBER|EPROTO|PACKET_LENGTH/.test(code)) return 'what listens there does not speak TLS'
  if (/ALERT|SSLV3|UNRECOGNIZED_NAME/.test(code)) return `the server refuses the handshake (${code})`
  return networkCause(error)
}

function facts(peer: PeerCertificate): CertificateFacts {
  return describe(new X509Certificate(peer.raw))
}

/** The facts of a certificate given as PEM or DER. */
export function describe(certificate: X509Certificate): CertificateFacts {
  const notAfter = new Date(certificate.validTo)
  return {
    subject: named(certificate.subject),
    issuer: named(certificate.issuer),
    names: (certificate.subjectAltName ?? '')
      .split(', ')
      .filter(Boolean)
      .map(name => name.replace(/^(DNS|IP Address):/, '')),
    notAfter,
    daysLeft: Math.floor((notAfter.getTime() - Date.now()) / 86_400_000),
    fingerprint: createHash('sha256')
      .update(certificate.raw)
      .digest('hex')
      .toUpperCase()
      .replace(/..(?=.)/g, '$&:'),
  }
}

/**
 * `CN=x` out of a distinguished name in OpenSSL's lines, or the whole in one line. A certificate may have no subject at
 * all, its names stand elsewhere; Node then gives nothing, whatever its types say.
 */
function named(distinguished: string | undefined): string {
  if (distinguished === undefined) return ''
  return /^CN=(.*)$/m.exec(distinguished)?.[1] ?? distinguished.replace(/\n/g, ', ')
}

function commonName(name: PeerCertificate['subject']): string {
  return [name.CN ?? name.O ?? 'without a name'].flat().join(', ')
}

function namesOf(peer: PeerCertificate): string[] {
  return (peer.subjectaltname ?? '')
    .split(', ')
    .filter(Boolean)
    .map(name => name.replace(/^(DNS|IP Address):/, ''))
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10)
}
