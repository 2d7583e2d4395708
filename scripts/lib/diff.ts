// What a write would change: two forms of one object compared, without the fields that always move.

/** One changed field. `from` and `to` are short texts for people. */
export interface Change {
  path: string
  from: string
  to: string
}

const volatile = new Set(['managedFields', 'resourceVersion', 'generation', 'uid', 'creationTimestamp', 'selfLink'])

/**
 * The fields in which `after` differs from `before`. Both come from the API server (the second from a dry run),
 * so defaults are filled in on both sides and need no knowledge of ours. Status is not ours to write.
 */
export function changes(before: unknown, after: unknown): Change[] {
  const out: Change[] = []
  compare(before, after, '', out)
  return out
}

function compare(a: unknown, b: unknown, path: string, out: Change[]): void {
  if (a === b) return
  if (isMap(a) && isMap(b)) {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      if (path === '' && key === 'status') continue
      if (path === 'metadata' && volatile.has(key)) continue
      compare(a[key], b[key], path === '' ? key : `${path}.${key}`, out)
    }
    return
  }
  if (Array.isArray(a) && Array.isArray(b) && a.length === b.length) {
    for (const [i, item] of a.entries()) compare(item, b[i], `${path}[${i}]`, out)
    return
  }
  out.push({ path, from: brief(a), to: brief(b) })
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function brief(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}
