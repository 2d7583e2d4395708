// Keys in our values that a chart does not know: Helm passes them over in silence.

/**
 * Paths of keys that are not among a chart's defaults.
 * @param free paths at and below which a chart takes any key, beyond the maps that are empty by default
 * @param text the defaults as text: keys that upstream offers in a comment count as known
 */
export function unknownKeys(
  values: unknown,
  defaults: unknown,
  free: readonly string[],
  text: string,
  path = '',
): string[] {
  if (!isMap(values) || free.includes(path)) return []
  // Empty, null or a list by default: the shape is the owner's, or Kubernetes' own.
  if (!isMap(defaults) || Object.keys(defaults).length === 0) return []
  return Object.entries(values).flatMap(([key, value]) => {
    const here = path ? `${path}.${key}` : key
    if (free.includes(here)) return []
    if (!(key in defaults)) return new RegExp(`^ *# ?${key}:`, 'm').test(text) ? [] : [here]
    return unknownKeys(value, defaults[key], free, text, here)
  })
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
