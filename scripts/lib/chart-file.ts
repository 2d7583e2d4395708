// What a chart says of itself: its Chart.yaml, out of an archive or a folder.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { parse } from 'yaml'

/** Chart.yaml as far as we rely on it (https://helm.sh/docs/topics/charts/#the-chartyaml-file). */
export interface AboutChart {
  name: string
  version: string
  /** Of the program. */
  appVersion?: string
  /** The versions of Kubernetes that it runs on, as a constraint. */
  kubeVersion?: string
  [field: string]: unknown
}

/**
 * @param path the archive or the folder
 * @throws Error when it is no chart
 */
export function aboutChart(path: string): AboutChart {
  const text = path.endsWith('.tgz')
    ? chartFile(gunzipSync(readFileSync(path)))
    : readFileSync(join(path, 'Chart.yaml'), 'utf8')
  return { name: '?', version: '?', ...(parse(text) as Partial<AboutChart> | null) }
}

/** Whether two texts mean one version: some publishers write a `v` before it, some do not. */
export const sameVersion = (a: string, b: string): boolean => a.replace(/^v/, '') === b.replace(/^v/, '')

/** NAME/Chart.yaml of a tar: a header of 512 bytes (name, size in octal at 124), then the file, padded to 512. */
function chartFile(tar: Buffer): string {
  for (let at = 0; at + 512 <= tar.length; ) {
    const field = (from: number, length: number) =>
      tar
        .subarray(at + from, at + from + length)
        .toString()
        .replace(/\0.*$/s, '')
    const size = Number.parseInt(field(124, 12), 8) || 0
    if (/^[^/]+\/Chart\.yaml$/.test(field(0, 100))) return tar.subarray(at + 512, at + 512 + size).toString()
    at += 512 + Math.ceil(size / 512) * 512
  }
  throw new Error('the archive has no Chart.yaml')
}
