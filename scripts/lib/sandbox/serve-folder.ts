// The files of a folder by HTTP on loopback: the chart repositories of a rehearsal.
import { createReadStream } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { join, normalize } from 'node:path'

/** Serves what lies in the folder; anything else is 404. */
export function serveFolder(folder: string, port: number): Server {
  const server = createServer((request, response) => {
    const missing = () => response.writeHead(404).end()
    let path: string
    try {
      path = normalize(join(folder, decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname)))
    } catch {
      return missing()
    }
    if (!path.startsWith(`${folder}/`)) return missing()
    const file = createReadStream(path)
    file.once('error', missing)
    file.once('ready', () => file.pipe(response))
  })
  return server.listen(port, '127.0.0.1')
}
