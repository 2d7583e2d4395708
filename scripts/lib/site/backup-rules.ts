// What .env must say for backups to outlive the cluster. Pure.
import { contains, formatRange, parseAddress } from './network.ts'
import type { Draft, KeyProblem } from './rules.ts'

const keys = ['S3_ACCESS_KEY', 'S3_SECRET_KEY'] as const

/** A server comes with its key, and it is not in the cluster that it is to save. */
export function s3Problems({ values, given, broken }: Draft): KeyProblem[] {
  const { S3_ENDPOINT: endpoint } = values
  if (broken.has('S3_ENDPOINT')) return []
  if (endpoint === undefined)
    return keys
      .filter(key => values[key] !== undefined)
      .map(key => ({ key, problem: 'set, and S3_ENDPOINT is not', fix: `set S3_ENDPOINT, or remove ${key}` }))
  const problem = insideCluster(endpoint, values)
  return [
    ...(problem === undefined
      ? []
      : [{ key: 'S3_ENDPOINT' as const, problem, fix: 'name a server off the cluster: the NAS, or a provider' }]),
    ...keys
      .filter(key => values[key] === undefined && !broken.has(key))
      .map(key => ({
        key,
        problem: `${given.has(key) ? 'empty' : 'not set'}, and S3_ENDPOINT needs it`,
        fix: 'make a key on the S3 server, or remove S3_ENDPOINT',
      })),
  ]
}

/** Why a server would be lost together with the cluster, or is not seen from its nodes. */
export function insideCluster(
  endpoint: string,
  { DOMAIN, METALLB_POOL }: Pick<Draft['values'], 'DOMAIN' | 'METALLB_POOL'>,
): string | undefined {
  const host = new URL(endpoint).hostname
  const lost = 'a backup there is lost with the cluster'
  if (/(^|\.)svc(\.|$)|\.cluster\.local$/.test(host)) return `${host} is a Service of the cluster: ${lost}`
  if (DOMAIN && (host === DOMAIN || host.endsWith(`.${DOMAIN}`)))
    return `${host} leads to this cluster, as every name of ${DOMAIN} does: ${lost}`
  if (/^(localhost|127\.|0\.0\.0\.0|\[::1?\])/.test(host)) return `${host} is, for a pod, the pod itself`
  const address = parseAddress(host)
  return METALLB_POOL && address !== undefined && contains(METALLB_POOL, address)
    ? `${host} lies in METALLB_POOL ${formatRange(METALLB_POOL)}: ${lost}`
    : undefined
}
