// Upstream's default values and schemas, where they lie beside the checkout.
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { temporaryFolder } from '../temporary.ts'
import { schemas } from './rendered.ts'

export function defaultsOf(chart: string): { text: string; defaults: unknown } {
  const text = readFileSync(join(schemas, chart, 'default-values.yaml'), 'utf8')
  return { text, defaults: parse(text) }
}

/** Helm checks values against a chart's schema by itself, so an empty chart with that schema is a validator. */
export function emptyChart(chart: string): string {
  const folder = temporaryFolder('schema')
  writeFileSync(join(folder, 'Chart.yaml'), `apiVersion: v2\nname: ${chart}\nversion: 0.0.0\n`)
  const schema = join(schemas, chart, 'values.schema.json')
  if (existsSync(schema)) copyFileSync(schema, join(folder, 'values.schema.json'))
  copyFileSync(join(schemas, chart, 'default-values.yaml'), join(folder, 'values.yaml'))
  return folder
}
