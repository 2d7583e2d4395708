// The site of a rehearsal: a committed one, on a sandbox that is up.
import { join } from 'node:path'
import { root } from '../root.ts'
import { loadSite, type Site } from '../site/site.ts'
import { sandboxS3 } from './backup/s3.ts'
import { findSandbox } from './cluster.ts'

/**
 * The sandbox's site.
 * @param name which sandbox, when there are several
 * @throws HomelabError (exit 2) when it is not up
 */
export async function sandboxSite(name = process.env.SANDBOX || 'default'): Promise<{ site: Site; notices: string[] }> {
  const sandbox = await findSandbox(name)
  return loadSite({
    root,
    file: join(root, process.env.HOMELAB_SANDBOX_SITE || 'infrastructure/sandbox/site.env'),
    overrides: { kubeconfig: sandbox.kubeconfig, context: sandbox.context, sandbox, s3: sandboxS3() },
  })
}
