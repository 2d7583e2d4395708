// A server that behaves as a node of Proxmox VE does where metric servers are concerned, with a certificate of its own.
import { createServer } from 'node:https'
import { flaws } from '../../fixtures/proxmox-api.ts'
import { listen } from '../servers.ts'

export const tokenId = 'homelab@pve!metrics'
export const tokenSecret = '11111111-2222-4333-8444-555555555555'

export interface Node {
  url: string
  entries: Map<string, Record<string, unknown>>
  /** Tokens as it was given them: the API never shows them. */
  tokens: Map<string, string>
  /** `POST /cluster/metrics/server/homelab`, as they came. */
  requests: string[]
  /** What it says when it tries the metric server itself; undefined: it reached it. */
  unreached?: string
  /** Whether the token may write. */
  mayWrite: boolean
}

export async function node(certificate: { key: string; cert: string }): Promise<Node> {
  const state: Node = { url: '', entries: new Map(), tokens: new Map(), requests: [], mayWrite: true }
  const server = createServer(certificate, (request, response) => {
    const end = (status: number, reason: string, body: object = { data: null }) => {
      response.writeHead(status, reason, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body))
    }
    let text = ''
    request.on('data', part => {
      text += part
    })
    request.on('end', () => {
      const { method = '', url = '' } = request
      state.requests.push(`${method} ${url.replace('/api2/json', '')}`)
      if (request.headers.authorization !== `PVEAPIToken=${tokenId}=${tokenSecret}`)
        return end(401, 'invalid token value!')
      if (url === '/api2/json/cluster/metrics/server' && method === 'GET')
        return end(200, 'OK', {
          data: [...state.entries].map(([id, { type, server, port, disable = 0 }]) => ({
            id,
            type,
            server,
            port,
            disable,
          })),
        })
      const id = /^\/api2\/json\/cluster\/metrics\/server\/([^/]+)$/.exec(url)?.[1]
      if (!id) return end(501, `Method '${method} ${url}' not implemented`)
      const entry = state.entries.get(id)
      if (method === 'GET')
        return entry ? end(200, 'OK', { data: entry }) : end(500, `status server entry '${id}' does not exist`)
      if (method !== 'POST' && method !== 'PUT') return end(501, 'not implemented')
      if (!state.mayWrite) return end(403, 'Permission check failed (/, Sys.Modify)')
      const form = new URLSearchParams(text)
      const errors = flaws(method, id, form)
      if (Object.keys(errors).length) return end(400, 'Parameter verification failed.', { data: null, errors })
      if (method === 'POST' && entry) return end(500, `Metric server '${id}' already exists`)
      if (method === 'PUT' && !entry) return end(500, `no such server '${id}'`)
      if (state.unreached) return end(500, state.unreached)
      const { token, delete: gone = '', ...rest } = Object.fromEntries(form)
      const next: Record<string, unknown> = { ...entry, ...rest }
      for (const name of gone.split(',')) delete next[name]
      for (const name of ['port', 'timeout', 'disable']) if (name in next) next[name] = Number(next[name])
      state.entries.set(id, next)
      if (token !== undefined) state.tokens.set(id, token)
      return end(200, 'OK')
    })
  })
  state.url = `https://127.0.0.1:${await listen(server)}`
  return state
}
