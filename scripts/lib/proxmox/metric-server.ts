// An entry of Proxmox VE's external metric servers: what we want of it, and what there is to change. Pure.

/** Values as the API takes and gives them; numbers come back as numbers or as text. */
export type Entry = Readonly<Record<string, string>>

/** What counts when an entry does not say it. */
const defaults: Entry = { influxdbproto: 'udp', timeout: '1', 'verify-certificate': '1', disable: '0' }

/** Set by somebody else, these would lead elsewhere. */
const unwanted = ['api-path-prefix'] as const

export interface Target {
  host: string
  port: number
  organization: string
  bucket: string
}

export function wanted({ host, port, organization, bucket }: Target): Entry {
  return {
    server: host,
    port: String(port),
    influxdbproto: 'https',
    organization,
    bucket,
    // The daemon that collects waits for the answer, so short; TLS through the ingress in one second would be too short.
    timeout: '3',
    'verify-certificate': '1',
    disable: '0',
  }
}

export interface Step {
  /** Absent: there is nothing to do. */
  method?: 'POST' | 'PUT'
  parameters: Entry
  /** For people: `port: 8086 → 443` */
  changes: string[]
}

/**
 * The request that makes an entry what it should be.
 * @param found the entry as GET gives it; undefined when there is none
 * @param token what Proxmox is to send; undefined when it has the right one (it never says which it has)
 */
export function step(found: Record<string, unknown> | undefined, target: Target, token: string | undefined): Step {
  const want = wanted(target)
  const secret: Entry = token === undefined ? {} : { token }
  if (found === undefined)
    return {
      method: 'POST',
      parameters: { type: 'influxdb', ...want, ...secret },
      changes: Object.entries(want).map(([key, value]) => `${key}: ${value}`),
    }
  const now = (key: string): string | undefined =>
    found[key] === undefined || found[key] === null ? defaults[key] : plain(found[key])
  const differing = Object.entries(want).filter(([key, value]) => now(key) !== value)
  const surplus = unwanted.filter(key => found[key] !== undefined && found[key] !== '')
  const changes = [
    ...differing.map(([key, value]) => `${key}: ${now(key) ?? 'none'} → ${value}`),
    ...surplus.map(key => `${key}: ${plain(found[key])} → none`),
    ...(token === undefined ? [] : ['token: the one of the Secret influxdb/proxmox-token']),
  ]
  if (changes.length === 0) return { parameters: {}, changes }
  // Proxmox wants server and port with every change.
  const parameters = { server: want.server ?? '', port: want.port ?? '', ...Object.fromEntries(differing), ...secret }
  return {
    method: 'PUT',
    parameters: surplus.length ? { ...parameters, delete: surplus.join(',') } : parameters,
    changes,
  }
}

const plain = (value: unknown): string => (value === true ? '1' : value === false ? '0' : String(value))

export interface Listed {
  id: string
  type?: string
  server?: string
  port?: number | string
}

/** Entries beside ours that send to the same place: everything would arrive twice. */
export const doubles = (list: readonly Listed[], id: string, { host, port }: Target): string[] =>
  list.filter(one => one.id !== id && one.server === host && String(one.port) === String(port)).map(one => one.id)
