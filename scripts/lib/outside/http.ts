// One HTTP or HTTPS request to a given address, whatever the local resolver says of the name; redirects are seen, not followed.
import * as http from 'node:http'
import * as https from 'node:https'
import { isIP } from 'node:net'
import { tlsCause } from './tls.ts'

export interface HttpAnswer {
  status: number
  location?: string
  /** At most the first 64 KiB. */
  body: string
}

const enough = 64 * 1024

/**
 * @param to.address where to connect instead of the name's own address
 * @param to.port where to connect instead of the URL's port
 * @param to.ca the only authority to trust, as PEM; without it those that Node trusts
 * @param to.anyCertificate whoever answers is heard: for who looks at the certificate by itself
 * @param timeout milliseconds for everything
 */
export function request(
  to: { url: URL; address: string; port: number; ca?: string; anyCertificate?: boolean },
  timeout: number,
): Promise<HttpAnswer | { cause: string }> {
  return new Promise(resolve => {
    const { url } = to
    const secure = url.protocol === 'https:'
    const call = (secure ? https : http).request({
      host: to.address,
      port: to.port,
      path: url.pathname + url.search,
      method: 'GET',
      headers: { host: url.host, 'user-agent': 'homelab', accept: '*/*' },
      agent: false,
      ...(secure && !isIP(url.hostname) ? { servername: url.hostname } : {}),
      ...(secure && to.ca !== undefined ? { ca: to.ca } : {}),
      ...(to.anyCertificate ? { rejectUnauthorized: false } : {}),
    })
    const end = (answer: HttpAnswer | { cause: string }) => {
      clearTimeout(deadline)
      call.destroy()
      resolve(answer)
    }
    const deadline = setTimeout(() => end({ cause: `no answer within ${timeout} ms` }), timeout)
    call.on('error', error => end({ cause: tlsCause(error, url.hostname) }))
    call.on('response', response => {
      const chunks: Buffer[] = []
      let size = 0
      const finish = () =>
        end({
          status: response.statusCode ?? 0,
          ...(response.headers.location === undefined ? {} : { location: response.headers.location }),
          body: Buffer.concat(chunks).subarray(0, enough).toString(),
        })
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        size += chunk.length
        if (size >= enough) finish()
      })
      response.on('end', finish)
      response.on('error', error => end({ cause: tlsCause(error, url.hostname) }))
    })
    call.end()
  })
}
