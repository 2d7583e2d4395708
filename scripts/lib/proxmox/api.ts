// Proxmox VE's API over a connection whose certificate is the pinned one: https://pve.proxmox.com/pve-docs/api-viewer/
import { X509Certificate } from 'node:crypto'
import * as https from 'node:https'
import { isIP } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { exit, HomelabError } from '../errors.ts'
import { describe, tlsCause } from '../outside/tls.ts'
import type { Proxmox } from '../site/site.ts'

const timeout = 15_000

/** Opens a connection and looks at the certificate. Nothing has been sent over it yet. @throws HomelabError */
export function shakeHands(url: string): Promise<{ socket: TLSSocket; fingerprint: string; subject: string }> {
  const { hostname, port } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  return new Promise((done, fail) => {
    // Proxmox signs its own certificate, so the chain says nothing: the caller compares the fingerprint.
    const name = isIP(host) ? {} : { servername: host }
    const socket = connect({ host, port: Number(port || 443), ...name, rejectUnauthorized: false })
    const refuse = (why: string) => {
      socket.destroy()
      fail(
        new HomelabError({
          what: `Proxmox VE does not answer at ${url}`,
          why,
          fix: 'is PROXMOX_URL a node of the cluster, with its port (8006), and is the node on?',
        }),
      )
    }
    socket.setTimeout(timeout, () => refuse(`no answer within ${timeout / 1000} s`))
    socket.once('error', error => refuse(tlsCause(error, host)))
    socket.once('secureConnect', () => {
      const { raw } = socket.getPeerCertificate()
      if (!raw) return refuse('the server shows no certificate')
      const { fingerprint, subject } = describe(new X509Certificate(raw))
      done({ socket, fingerprint, subject })
    })
  })
}

/** @throws HomelabError (exit 3) when another certificate is shown than the pinned one */
async function pinnedSocket({ url, fingerprint }: Proxmox): Promise<TLSSocket> {
  const shown = await shakeHands(url)
  if (fingerprint !== undefined && shown.fingerprint === fingerprint) return shown.socket
  shown.socket.destroy()
  throw new HomelabError({
    what: `${url} shows another certificate than the one in PROXMOX_FINGERPRINT`,
    why: `it shows ${shown.fingerprint} (${shown.subject}); the token was not sent`,
    fix: 'if its certificate was renewed, compare on the node (make proxmox says how), then remove the line PROXMOX_FINGERPRINT',
    code: exit.refused,
  })
}

/**
 * One request. Parameters go as a form in the body, so that none stands in an address that a server logs.
 * @returns what Proxmox puts into `data`
 * @throws HomelabError with Proxmox's own words
 */
export async function ask(
  access: Proxmox,
  method: 'GET' | 'POST' | 'PUT',
  path: string,
  parameters: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const socket = await pinnedSocket(access)
  const body = method === 'GET' ? '' : new URLSearchParams(parameters).toString()
  const { status, reason, text } = await new Promise<{ status: number; reason: string; text: string }>((done, fail) => {
    const call = https.request({
      method,
      path: `/api2/json${path}`,
      headers: {
        host: new URL(access.url).host,
        authorization: `PVEAPIToken=${access.tokenId}=${access.tokenSecret.reveal()}`,
        ...(body
          ? { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body) }
          : {}),
      },
      createConnection: () => socket, // counts only without an agent
    })
    call.setTimeout(timeout, () => call.destroy(new Error(`no answer within ${timeout / 1000} s`)))
    call.once('error', error => fail(unanswered(access, error)))
    call.once('response', response => {
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      response.once('error', error => fail(unanswered(access, error)))
      response.once('end', () => done({ status: response.statusCode ?? 0, reason: response.statusMessage ?? '', text }))
    })
    call.end(body)
  }).finally(() => socket.destroy())
  if (status === 200) return data(access, text)
  throw refusal(access, method, path, status, words(reason, text))
}

const unanswered = ({ url }: Proxmox, error: Error) =>
  new HomelabError({ what: `Proxmox VE broke off at ${url}`, why: error.message, fix: 'run it again' })

function data({ url }: Proxmox, text: string): unknown {
  try {
    return (JSON.parse(text) as { data: unknown }).data
  } catch {
    throw new HomelabError({
      what: `what answers at ${url} is not Proxmox VE's API`,
      why: `it says ${JSON.stringify(text.slice(0, 60))}`,
      fix: 'PROXMOX_URL=https://NODE:8006',
      code: exit.usage,
    })
  }
}

/** Proxmox's reason stands in the status line; the body adds which parameters are wrong. */
function words(reason: string, text: string): string {
  let parts: string[] = []
  try {
    const { errors = {}, message } = JSON.parse(text) as { errors?: Record<string, string>; message?: string }
    parts = [...(message ? [message] : []), ...Object.entries(errors).map(([key, flaw]) => `${key}: ${flaw}`)]
  } catch {
    // no JSON: the status line has it all
  }
  return [...new Set([reason, ...parts].map(part => part.trim()).filter(Boolean))].join('; ')
}

function refusal({ tokenId }: Proxmox, method: string, path: string, status: number, why: string): HomelabError {
  if (status === 401)
    return new HomelabError({
      what: `Proxmox VE does not know the token ${tokenId}`,
      why,
      fix: 'make one under Datacenter > Permissions > API Tokens: its ID and secret are PROXMOX_TOKEN_ID and _SECRET',
      code: exit.usage,
    })
  if (status === 403)
    return new HomelabError({
      what: `the token ${tokenId} may not do that`,
      why,
      fix: `on a node: pveum acl modify / --tokens '${tokenId}' --roles homelab-metrics; infrastructure/docs/PROXMOX.md`,
      code: exit.usage,
    })
  const reached = /can't connect|certificate verify|connection (refused|timed out)|timeout|name or service|hostname/i
  if (status >= 500 && reached.test(why))
    return new HomelabError({
      what: 'Proxmox VE tried InfluxDB, and did not reach it; nothing was written',
      why,
      fix: /certificate/i.test(why)
        ? "the nodes do not trust the lab's CA yet: infrastructure/docs/PROXMOX.md, “The lab's CA”"
        : 'the nodes must resolve and reach that name: infrastructure/docs/PROXMOX.md, “Names”',
    })
  return new HomelabError({
    what: `Proxmox VE refused ${method} ${path} (${status})`,
    why,
    fix: 'its log says more: journalctl -u pvedaemon on the node',
  })
}
