// Which cluster a command is about: the one in .env, or the sandbox.
import { currentContext } from '../cluster.ts'
import type { Values } from '../command.ts'
import { exit, HomelabError } from '../errors.ts'
import { root } from '../root.ts'
import { loadSite, type Site } from './site.ts'

/** The site of `--sandbox`, else of .env, and what its owner should be told. */
export async function chooseSite(values: Values): Promise<{ site: Site; notices: string[] }> {
  if (!values.sandbox) return loadSite({ root })
  const { sandboxSite } = await import('../sandbox/site.ts')
  return sandboxSite()
}

/**
 * The same for commands that write. While .env names no context, the one that the kubeconfig is at is proposed:
 * preflight shows the cluster and asks.
 * @throws HomelabError (exit 2) when there is none to propose
 */
export async function writableSite(values: Values): Promise<{ site: Site; notices: string[] }> {
  const chosen = await chooseSite(values)
  if (chosen.site.context !== '') return chosen
  const context = await currentContext(chosen.site.kubeconfig)
  if (context === '')
    throw new HomelabError({
      what: `${chosen.site.kubeconfig} is at no context, and ${chosen.site.file} names none`,
      fix: `set KUBE_CONTEXT in ${chosen.site.file} (kubectl config get-contexts)`,
      code: exit.usage,
    })
  return { ...chosen, site: { ...chosen.site, context } }
}

/**
 * The same for commands that only read: they never ask which cluster is meant.
 * @throws HomelabError (exit 2) when .env names no cluster yet
 */
export async function readOnlySite(values: Values): Promise<Site> {
  const { site } = await chooseSite(values)
  if (site.context === '')
    throw new HomelabError({
      what: `${site.file} names no cluster yet`,
      why: 'KUBE_CONTEXT is empty; the first bootstrap shows the cluster, asks, and keeps the answer',
      fix: `make plan, or set KUBE_CONTEXT in ${site.file} (kubectl config get-contexts)`,
      code: exit.usage,
    })
  return site
}

/**
 * A context's name can come to mean another cluster; the UID of kube-system cannot.
 * @throws HomelabError (exit 3) when it is not the one that .env has
 */
export function refuseOther(
  site: Pick<Site, 'sandbox' | 'clusterUid' | 'context' | 'file'>,
  uid: string | undefined,
): void {
  if (site.sandbox || !site.clusterUid || site.clusterUid === uid) return
  throw new HomelabError({
    what: `this is another cluster than the one in ${site.file}`,
    why: `the context ${site.context} has UID ${uid}, ${site.file} has CLUSTER_UID=${site.clusterUid}`,
    fix: `choose the right KUBE_CONTEXT, or, if the cluster was rebuilt, remove the line CLUSTER_UID from ${site.file}`,
    code: exit.refused,
  })
}

/** A command of ours or of kubectl as it must be typed for this site, not for whatever cluster the shell is at. */
export function pasteable(fix: string, site: Site): string {
  const at = site.sandbox ? `--kubeconfig ${site.kubeconfig}` : `--context ${site.context}`
  return fix
    .replace(/(^|[;:&|] )kubectl /g, `$1kubectl ${at} `)
    .replace(/^(\.\/bootstrap\/\S+\.ts)$/, site.sandbox ? '$1 --sandbox' : '$1')
}
