// Breaks a copy of an object, so that a check can be seen to notice.
import { at } from '../../scripts/lib/k8s.ts'

/** A copy with another value at a path that exists; `undefined` takes it away. */
export function changed<T>(object: T, path: readonly (string | number)[], value: unknown): T {
  const copy = structuredClone(object)
  const parent = at(copy, ...path.slice(0, -1))
  const last = path.at(-1)
  if (typeof parent !== 'object' || parent === null || last === undefined || !(last in parent))
    throw new Error(`nothing to change at ${path.join('.')}`)
  const holder = parent as Record<string | number, unknown>
  if (value === undefined) delete holder[last]
  else holder[last] = value
  return copy
}
