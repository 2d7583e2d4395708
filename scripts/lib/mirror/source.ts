// Takes one chart out of a mirror (see `make mirror`): a folder, or an address that serves one.
import { createWriteStream } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ReadableStream } from 'node:stream/web'

/** Milliseconds without a byte, after which a mirror is given up: it stands in the house. */
const stall = 5000

export const isAddress = (mirror: string): boolean => /^https?:\/\//.test(mirror)

/**
 * Copies an archive by its name. Only the mirror itself is asked: where its index points, or whereto it redirects, does
 * not count, so that a mirror which is the only source is exactly that.
 * @returns why it could not be had, or nothing
 */
export async function fromMirror(mirror: string, archive: string, to: string): Promise<string | undefined> {
  if (!isAddress(mirror))
    return copyFile(join(mirror, archive), to).then(
      () => undefined,
      (error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? `it has no ${archive}` : error.message),
    )
  const ending = new AbortController()
  let timer = setTimeout(() => ending.abort(), stall)
  const progress = new Transform({
    transform(chunk, _, done) {
      clearTimeout(timer)
      timer = setTimeout(() => ending.abort(), stall)
      done(null, chunk)
    },
  })
  try {
    const url = `${mirror.replace(/\/+$/, '')}/${encodeURIComponent(archive)}`
    const response = await fetch(url, { redirect: 'manual', signal: ending.signal })
    if (response.status === 404) return `it has no ${archive}`
    const elsewhere = response.headers.get('location')
    if (elsewhere) return `it sends us elsewhere (${elsewhere}), where we do not go`
    if (!response.ok || !response.body) return `it answered ${response.status}`
    const body = Readable.fromWeb(response.body as ReadableStream)
    await pipeline(body, progress, createWriteStream(to), { signal: ending.signal })
    return undefined
  } catch (error) {
    if (ending.signal.aborted) return `nothing came for ${stall / 1000} s`
    const { message, cause } = error as Error & { cause?: Error }
    return cause?.message || message
  } finally {
    clearTimeout(timer)
  }
}
