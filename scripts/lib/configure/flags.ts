// The option of each key of .env on the command line of `make configure`.
import type { Key } from '../site/schema.ts'

const short: Partial<Record<Key, string>> = { METALLB_POOL: 'pool', KUBE_CONTEXT: 'context', TLS_ISSUER: 'issuer' }

/** `DNS_PROVIDER` is `dns-provider`. Secrets have none: everybody on this computer can read the arguments of a process. */
export function flagOf(key: Key): string {
  return short[key] ?? key.toLowerCase().replaceAll('_', '-')
}
