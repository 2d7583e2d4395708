// Opens a page as a browser would: over HTTPS, redirects followed for a few hops, and says whether somebody answers.
import { type Outside, type Seen, statusCause } from '../outside/outside.ts'

export interface PageLook extends Seen {
  /** Of the last answer. */
  status?: number
  /** Every address that was asked, in order. */
  hops: string[]
}

/** More than a login needs (page, login service, its form), fewer than a circle takes to be a nuisance. */
const mostHops = 6

/**
 * What counts is that the ingress and what is behind it answer: a login page and a 401 do.
 * @param to.address where every hop is asked, whatever its name resolves to here
 * @param to.known the hosts behind that address; a redirect to any other is an answer, and is not followed
 * @param timeout milliseconds for all hops
 */
export async function openPage(
  to: { url: string; address: string; known: (host: string) => boolean },
  from: Outside,
  timeout: number,
): Promise<PageLook> {
  const deadline = performance.now() + timeout
  const hops = [to.url]
  let ms = 0
  for (let url = to.url; ; ) {
    const left = Math.max(1, Math.round(deadline - performance.now()))
    const seen = await from.httpCheck({
      url,
      address: to.address,
      anyStatus: true,
      anyCertificate: true,
      timeout: left,
    })
    ms += seen.ms
    const { status, location, body = '' } = seen
    const so = { ok: seen.ok, ms, hops, detail: seen.detail, ...(status === undefined ? {} : { status }) }
    const wrong = (cause: string): PageLook => ({ ...so, ok: false, cause })
    if (seen.notMeasurable) return { ...seen, ms, hops }
    if (!seen.ok || status === undefined) return wrong(slow(seen.cause, timeout))
    if (![301, 302, 303, 307, 308].includes(status) || location === undefined) {
      // Whoever has redirected us has answered; that its own next page is missing is not the ingress's fault.
      const cause = status === 404 && hops.length > 1 ? undefined : whyNot(status, body)
      return cause === undefined ? so : wrong(cause)
    }
    const next = new URL(location)
    next.hash = ''
    if (hops.includes(next.href)) return wrong(`the redirects go in a circle: ${[...hops, next.href].join(' → ')}`)
    if (!to.known(next.hostname) || next.port !== '') return so
    if (hops.length === mostHops) return wrong(`the redirects do not end: after ${mostHops} comes ${next.href}`)
    url = next.href
    hops.push(url)
  }
}

function slow(cause: string | undefined, timeout: number): string {
  return cause?.startsWith('no answer within') ? `no page within ${timeout / 1000} s` : (cause ?? 'no answer')
}

function whyNot(status: number, body: string): string | undefined {
  if ((status >= 200 && status < 300) || status === 401 || status === 403 || status === 405) return undefined
  // Traefik's own words; a 404 with any other page comes from the program behind it.
  if (status === 404) return body.trim() === '404 page not found' ? statusCause(status) : undefined
  if (status === 400 && /HTTP request (was sent )?to (an )?HTTPS/i.test(body))
    return 'what is behind the ingress speaks HTTPS, and the ingress speaks HTTP to it (400)'
  return statusCause(status)
}
