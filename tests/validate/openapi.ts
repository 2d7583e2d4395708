// The schemas that an API server publishes, as kubeconform reads them: a JSON Schema for each kind, strict.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Cluster } from '../../scripts/lib/cluster.ts'

interface Schema {
  type?: string
  properties?: Record<string, Schema>
  additionalProperties?: unknown
  'x-kubernetes-preserve-unknown-fields'?: boolean
  'x-kubernetes-int-or-string'?: boolean
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }[]
  [key: string]: unknown
}

/**
 * Writes `GROUP_VERSION_KIND.json` into the folder for every kind that is served.
 * @returns how many
 */
export async function schemasFrom(cluster: Cluster, folder: string): Promise<number> {
  const { paths } = JSON.parse(await cluster.raw('/openapi/v3')) as { paths: Record<string, unknown> }
  const versions = Object.keys(paths).filter(path => /^(api|apis\/[^/]+)\/v\w+$/.test(path))
  let kinds = 0
  for (const version of versions) {
    const document = JSON.parse(await cluster.raw(`/openapi/v3/${version}`))
    const all: Record<string, Schema> = document.components?.schemas ?? {}
    const components = { schemas: Object.fromEntries(Object.entries(all).map(([name, one]) => [name, strict(one)])) }
    const [group = '', number = ''] = version.startsWith('api/') ? ['', version.slice(4)] : version.split('/').slice(1)
    for (const [name, one] of Object.entries(all))
      for (const known of one['x-kubernetes-group-version-kind'] ?? []) {
        if (known.group !== group || known.version !== number) continue
        // What has no group is called after its version: `v1`.
        const file = join(folder, `${group || number}_${number}_${known.kind.toLowerCase()}.json`)
        // One of several options that a kind of the same name has (DeleteOptions) is never a manifest.
        writeFileSync(file, JSON.stringify({ $ref: `#/components/schemas/${name}`, components }))
        kinds++
      }
  }
  return kinds
}

/** What is not listed is not there, unless the schema says otherwise; null is a value that was left out. */
function strict(schema: Schema): Schema {
  const out: Schema = {}
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'default' || key.startsWith('x-kubernetes')) continue
    // A field may be called what a keyword is called.
    if (key === 'properties') out[key] = mapped(schema.properties ?? {})
    else out[key] = deep(value)
  }
  if (schema.format === 'int-or-string' || schema['x-kubernetes-int-or-string']) {
    delete out.type
    return { ...out, oneOf: [{ type: 'integer' }, { type: 'string' }] }
  }
  const open = schema['x-kubernetes-preserve-unknown-fields'] || schema.additionalProperties !== undefined
  if (schema.properties && !open) out.additionalProperties = false
  return out
}

const mapped = (fields: Record<string, Schema>): Record<string, Schema> =>
  Object.fromEntries(Object.entries(fields).map(([name, one]) => [name, strict(one)]))

function deep(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(deep)
  return typeof value === 'object' && value !== null ? strict(value as Schema) : value
}
