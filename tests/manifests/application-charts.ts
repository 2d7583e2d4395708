// The charts that the applications install, with the values that each gets from us in an environment.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { chartsMirror, findPinned, readChartSource } from '../../scripts/lib/charts.ts'
import { at, type K8sObject, listAt, textAt } from '../../scripts/lib/k8s.ts'
import { root } from '../../scripts/lib/root.ts'
import { wantedCharts } from '../../scripts/lib/sandbox/gitops/addresses.ts'
import { inModules } from '../../scripts/lib/sandbox/gitops/charts.ts'
import { upstream } from '../../scripts/lib/sandbox/upstream.ts'
import { programs, withEverything } from './rendered.ts'

export interface AppChart {
  application: string
  chart: string
  version: string
  namespace: string
  release: string
  /** As Helm gets them: the files in their order, then what stands in the Application. */
  values: Record<string, unknown>
}

/** The charts of all applications that an environment may have. */
export const appCharts = (environment: string): AppChart[] => withEverything(environment).flatMap(chartsOf)

const say = (line: string) => process.stderr.write(`${line}\n`)
/** With `CHARTS=real` the checks look at the real charts, out of `CHARTS_MIRROR` or their repositories. */
export const asked = readChartSource(process.env.CHARTS, 'stand-in') === 'real'
const real = new Map(
  await Promise.all(
    asked
      ? wantedCharts(withEverything('prod')).map(async one => {
          const { helm } = programs.paths
          const mirror = chartsMirror({ chartsMirror: process.env.CHARTS_MIRROR ?? '' })
          return [one.name, (await findPinned(one.name, one, { helm, source: 'real', ...mirror })).path] as const
        })
      : Object.entries(inModules).map(
          async ([chart, { module, path }]) => [chart, join((await upstream(module, say)).dir, path)] as const,
        ),
  ),
)

/** Where a chart lies without a network: the real one in its program's module, or a stand-in. */
export const chartFolder = (chart: string): string =>
  real.get(chart) ?? join(root, 'infrastructure/sandbox/charts', chart)

/** The charts of one application. */
export function chartsOf(application: K8sObject): AppChart[] {
  return listAt(application.spec, 'sources').flatMap(source => {
    const chart = textAt(source, 'chart')
    if (chart === undefined) return []
    const files = listAt(source, 'helm', 'valueFiles').map(file =>
      parse(readFileSync(join(root, String(file).replace(/^\$values\//, '')), 'utf8')),
    )
    return [
      {
        application: application.metadata.name,
        chart,
        version: textAt(source, 'targetRevision') ?? '',
        namespace: textAt(application.spec, 'destination', 'namespace') ?? '',
        release: textAt(source, 'helm', 'releaseName') ?? application.metadata.name,
        values: [...files, at(source, 'helm', 'valuesObject')].reduce(merged, {}) as Record<string, unknown>,
      },
    ]
  })
}

/** Helm's way: maps are joined, everything else is replaced. */
function merged(below: unknown, above: unknown): unknown {
  if (above === undefined || above === null) return below
  if (!isMap(below) || !isMap(above)) return above
  const joined = { ...below }
  for (const [key, value] of Object.entries(above)) joined[key] = merged(joined[key], value)
  return joined
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
