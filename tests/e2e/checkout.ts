// A copy of the checkout with a .env of its own, and what a run in it needs to find: tools, a kubeconfig.
import { cpSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '../../scripts/lib/root.ts'
import { ensurePrograms } from '../../scripts/lib/sandbox/programs.ts'

/** A copy of what an owner has, so that a test can write into it. Beside it a kubeconfig called `kube`. */
export function checkout(env?: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'homelab-checkout-'))
  for (const part of ['bootstrap', 'scripts', 'infrastructure', 'gitops', 'package.json', 'tsconfig.json'])
    cpSync(join(root, part), join(folder, part), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  if (env !== undefined) writeFileSync(join(folder, '.env'), env, { mode: 0o600 })
  writeFileSync(join(folder, 'kube'), kubeconfigOf('https://127.0.0.1:1'), { mode: 0o600 })
  return folder
}

/** The sandbox's kubectl and helm on PATH, as an owner would have them. */
export async function withTools(): Promise<Record<string, string>> {
  const { dir } = await ensurePrograms(() => {})
  return { PATH: `${dir}:${process.env.PATH}` }
}

/** A kubeconfig with one context, `lab`. */
export function kubeconfigOf(server: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'lab', cluster: { server, 'insecure-skip-tls-verify': false } }],
    users: [{ name: 'me', user: { token: 'not-a-real-token' } }],
    contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'me' } }],
    'current-context': 'lab',
  })
}

/** A port of loopback on which nobody listens. */
export async function closedPort(): Promise<number> {
  const server = createServer(socket => socket.destroy())
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}
