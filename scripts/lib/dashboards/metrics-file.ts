// The metrics that a program serves, as a small text file: one line a name, with its labels. Pure.

/** Names to labels. */
export type Metrics = Map<string, Set<string>>

export interface MetricsFile {
  program: string
  version: string
  /** `scraped`, or why not and where the names are from instead. */
  source: string
  metrics: Metrics
}

/** What every Go program serves about itself, and no dashboard asks. */
const common = /^(go|process|promhttp|grpc|rest_client)_/

/** What an answer of `/metrics` names; values are left out, so a list changes only when the program does. */
export function parseExposition(text: string): Metrics {
  const metrics: Metrics = new Map()
  for (const line of text.split('\n')) {
    const [, name, labels = ''] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+/.exec(line) ?? []
    if (!name || common.test(name)) continue
    const known = metrics.get(name) ?? new Set()
    metrics.set(name, known)
    for (const [, label] of labels.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)) if (label) known.add(label)
  }
  return metrics
}

/** Series appear when something happens, so what an earlier look has seen stays, for the same version. */
export function together(before: MetricsFile | undefined, now: MetricsFile): MetricsFile {
  if (before?.version !== now.version) return now
  const metrics = new Map([...before.metrics].map(([name, labels]) => [name, new Set(labels)]))
  for (const [name, labels] of now.metrics) metrics.set(name, new Set([...(metrics.get(name) ?? []), ...labels]))
  return { ...now, metrics }
}

/** The file's text: a header, then the names in order. */
export function writeMetrics({ program, version, source, metrics }: MetricsFile): string {
  const lines = [...metrics].map(([name, labels]) => `${name}${labels.size ? `{${[...labels].sort().join(',')}}` : ''}`)
  return `# program: ${program}\n# version: ${version}\n# source: ${source}\n${lines.sort().join('\n')}\n`
}

/** The same, read. */
export function readMetrics(text: string): MetricsFile {
  const header = (key: string) => new RegExp(`^# ${key}: (.+)$`, 'm').exec(text)?.[1] ?? ''
  const metrics: Metrics = new Map()
  for (const line of text.split('\n')) {
    const [, name, labels] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?$/.exec(line) ?? []
    if (name) metrics.set(name, new Set(labels?.split(',') ?? []))
  }
  return { program: header('program'), version: header('version'), source: header('source'), metrics }
}
