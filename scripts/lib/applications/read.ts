// The applications of a cluster, for the commands about them.
import type { Cluster } from '../cluster.ts'
import { exit, HomelabError } from '../errors.ts'
import { at, type K8sObject, numberAt, textAt } from '../k8s.ts'

/** The parent: the application whose content is the others. */
export const parent = 'homelab'
export const kind = 'applications.argoproj.io'
/** With this finalizer Argo CD deletes what an application made before it lets the application go. */
export const cascade = 'resources-finalizer.argocd.argoproj.io'

const refresh = 'argocd.argoproj.io/refresh'

/** Has Argo CD compare it with Git now, not at its next poll. */
export function askToLook(cluster: Cluster, application: K8sObject): Promise<boolean> {
  return cluster.patch(application, { metadata: { annotations: { [refresh]: 'normal' } } })
}

/** Whether it was asked and has not looked yet. */
export const isAsked = ({ metadata }: K8sObject): boolean => metadata.annotations?.[refresh] !== undefined

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
