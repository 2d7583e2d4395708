// Registers the lab's InfluxDB with Proxmox VE, so that its nodes, guests and storages are written there.
import { createHash } from 'node:crypto'
import { exit, HomelabError } from '../errors.ts'
import type { Secret } from '../secrets.ts'
import type { Proxmox } from '../site/site.ts'
import { ask } from './api.ts'
import { doubles, type Listed, type Step, step, type Target } from './metric-server.ts'

/** What the cluster has for it: the token that may write, and a mark of what Proxmox was last given. */
export interface InfluxToken {
  token: Secret
  /** `markOf` of what was given last. */
  given?: string
}

export interface Registration {
  id: string
  result: 'created' | 'changed' | 'unchanged'
  changes: string[]
  notices: string[]
}

/** Proxmox never says which token it has. This does: it is the same as long as token, place and entry are. */
export function markOf(token: Secret, { url }: Proxmox, id: string): string {
  return createHash('sha256').update(`${url}\n${id}\n${token.reveal()}`).digest('hex').slice(0, 16)
}

/**
 * Compares, and (unless `plan`) writes what differs.
 * @param keep called with the mark once Proxmox has the token
 * @throws HomelabError
 */
export async function register(
  access: Proxmox,
  target: Target,
  { id, plan, influx, keep }: { id: string; plan: boolean; influx: InfluxToken; keep: (mark: string) => Promise<void> },
): Promise<Registration> {
  const list = (await ask(access, 'GET', '/cluster/metrics/server')) as Listed[]
  const path = `/cluster/metrics/server/${id}`
  const known = list.find(one => one.id === id)
  if (known && known.type !== 'influxdb')
    throw new HomelabError({
      what: `Proxmox VE has a metric server ${id} of another kind (${known.type})`,
      why: 'it is somebody else’s, and stays as it is',
      fix: 'make proxmox ID=another-name, or remove it under Datacenter > Metric Server',
      code: exit.refused,
    })
  const read = async () => (await ask(access, 'GET', path)) as Record<string, unknown>
  const mark = markOf(influx.token, access, id)
  const send = known && influx.given === mark ? undefined : influx.token.reveal()
  const todo = step(known ? await read() : undefined, target, send)
  const notices = doubles(list, id, target).map(
    other => `the entry ${other} sends to the same place: everything would be there twice`,
  )
  if (!plan && todo.method) {
    await ask(access, todo.method, path, todo.parameters)
    const left = step(await read(), target, undefined)
    if (left.method)
      throw new HomelabError({
        what: `Proxmox VE took the metric server ${id}, and has something else now`,
        why: left.changes.join(', '),
        fix: 'does somebody else manage it? Then: make proxmox ID=another-name',
      })
    if (send !== undefined) await keep(mark)
  }
  return { id, result: resultOf(todo), changes: todo.changes, notices }
}

const resultOf = ({ method }: Step): Registration['result'] =>
  method === 'POST' ? 'created' : method === 'PUT' ? 'changed' : 'unchanged'
