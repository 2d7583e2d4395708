// The applications of a cluster, for the commands about them.
import { Cluster } from '../cluster.ts'
import { exit, HomelabError } from '../errors.ts'
import { at, type K8sObject, numberAt, textAt } from '../k8s.ts'
import { refuseOther } from '../site/choose.ts'
import type { Site } from '../site/site.ts'

/** The parent: the application whose content is the others. */
export const parent = 'homelab'
export const kind = 'applications.argoproj.io'

/**
 * Opens the cluster for a command, and closes it at its end.
 * @throws HomelabError (exit 2) when it cannot be read, (exit 3) when it is another one than in .env
 */
export async function withCluster<T>(site: Site, use: (cluster: Cluster) => Promise<T>): Promise<T> {
  // Little patience: who asks wants to hear now that nobody answers.
  const cluster = new Cluster(site, 2)
  try {
    const system = await cluster.find('namespace/kube-system').catch((error: unknown) => {
      if (!(error instanceof HomelabError)) throw error
      throw new HomelabError({ ...error, what: 'the cluster cannot be read', code: exit.usage })
    })
    refuseOther(site, system?.metadata.uid)
    return await use(cluster)
  } finally {
    await cluster.close()
  }
}

/**
 * The applications, the parent first, then by name.
 * @throws HomelabError (exit 2) when there is none
 */
export async function readApplications(cluster: Cluster): Promise<K8sObject[]> {
  const found = await cluster.list(kind, { namespace: 'argocd' })
  if (found.length === 0)
    throw new HomelabError({
      what: 'there is no application in this cluster',
      why: 'step 07 makes the first one, from gitops/bootstrap/applications.yaml',
      fix: './bootstrap/07-argocd.ts',
      code: exit.usage,
    })
  const order = (one: K8sObject) => (one.metadata.name === parent ? '' : one.metadata.name)
  return found.sort((a, b) => order(a).localeCompare(order(b)))
}

/** @throws HomelabError (exit 2) for a name that none has */
export function chooseApplication(applications: readonly K8sObject[], name: string): K8sObject {
  const found = applications.find(({ metadata }) => metadata.name === name)
  if (found) return found
  throw new HomelabError({
    what: `there is no application ${name}`,
    fix: `one of: ${applications.map(({ metadata }) => metadata.name).join(', ')}`,
    code: exit.usage,
  })
}

/**
 * Ends a sync that Argo CD keeps trying: it goes on with the commit with which it began, for minutes and whatever was
 * pushed meanwhile, and until then neither another one begins nor a deletion.
 * @returns whether there was one
 */
export async function endRetries(cluster: Cluster, application: K8sObject): Promise<boolean> {
  const { status } = application
  const trying =
    textAt(status, 'operationState', 'phase') === 'Running' && numberAt(status, 'operationState', 'retryCount') > 0
  const waiting = /Retrying attempt/.test(textAt(status, 'operationState', 'message') ?? '')
  if (at(application, 'operation') === undefined || !(trying || waiting)) return false
  await cluster.patch(application, { status: { operationState: { phase: 'Terminating' } } })
  return true
}
