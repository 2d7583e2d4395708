// Loki's configuration as its chart makes it of our values.
import assert from 'node:assert/strict'
import { at } from '../../scripts/lib/k8s.ts'
import { appCharts } from './application-charts.ts'

/** The parts of Loki's configuration that the chart hands on as they stand, by the names that Loki has for them, and where it keeps its files. */
export function lokiConfig(path = '/var/loki'): Record<string, unknown> {
  const { loki } = appCharts('prod').find(({ chart }) => chart === 'loki')?.values ?? {}
  const { commonConfig, schemaConfig, auth_enabled, storage, ...rest } = loki as Record<string, unknown>
  assert.equal(at(storage, 'type'), 'filesystem')
  const filesystem = { chunks_directory: `${path}/chunks`, rules_directory: `${path}/rules` } // the chart's own
  return {
    auth_enabled,
    common: { path_prefix: path, ...(commonConfig as object), storage: { filesystem } },
    schema_config: schemaConfig,
    ...rest,
  }
}
