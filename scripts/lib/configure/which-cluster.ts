// Which cluster is meant, and what it is: asked, shown, confirmed and kept as a run does it.
import { exit, HomelabError } from '../errors.ts'
import { refuseOther } from '../site/choose.ts'
import { clusterQuestion, describeCluster, isYes } from '../site/confirm.ts'
import type { Context } from '../site/kubeconfig.ts'
import { explain, say } from './ask.ts'
import { answered, type Session, settle } from './session.ts'
import { askContexts, type ClusterFacts, distribution, surveyCluster } from './survey.ts'

/** Which cluster, and what it is; undefined when it cannot be looked at. */
export async function settleCluster(session: Session): Promise<ClusterFacts | undefined> {
  const { settings } = session
  const { contexts: config, kubeconfig, found } = settings.before
  if (!config) {
    const problem = found.find(({ key }) => key === 'KUBECONFIG')?.problem ?? `not found at ${kubeconfig}`
    say(`No cluster was looked at, KUBECONFIG: ${problem}`)
    return undefined
  }
  const context = await settleContext(session, config.contexts, config.current)
  if (!context) return undefined
  const facts = await surveyCluster(kubeconfig, context.name)
  if ('silent' in facts) {
    say(`The cluster of the context ${context.name} was not looked at: ${facts.silent}`)
    if (/^https?:\/\/(127\.|localhost)/.test(context.server))
      explain(
        `The kubeconfig leads to ${context.server}, which is this computer. If it was copied from the server, put the server’s address there.`,
      )
    if (
      settings.own('CLUSTER_UID') &&
      settings.own('KUBE_CONTEXT') !== context.name &&
      !settings.wants.has('CLUSTER_UID')
    )
      settings.want('CLUSTER_UID', '', 'was that of another context')
    return undefined
  }
  await settleUid(session, context.name, facts)
  return facts
}

async function settleContext(
  session: Session,
  contexts: readonly Context[],
  current: string,
): Promise<Context | undefined> {
  const { settings, asker, needed, offers } = session
  const find = (name: string | undefined) => contexts.find(context => context.name === name)
  const decided = settings.get('KUBE_CONTEXT')
  const [only] = contexts.length === 1 ? contexts : []
  if (settings.wants.has('KUBE_CONTEXT') || (!asker && decided)) return find(decided)
  if (only && (!decided || decided === only.name)) {
    settings.want('KUBE_CONTEXT', only.name, 'the only context')
    return only
  }
  if (contexts.length === 0) return undefined
  if (!asker) {
    needed.set(
      'KUBE_CONTEXT',
      `not set, and ${settings.before.kubeconfig} has ${contexts.map(({ name }) => name).join(', ')}`,
    )
    offers.set('KUBE_CONTEXT', current || (contexts[0]?.name ?? ''))
    return undefined
  }
  const answers = await askContexts(settings.before.contexts ?? { path: '', current, contexts })
  say(`\nThe contexts in ${settings.before.kubeconfig}:`)
  const width = Math.max(...contexts.map(({ name }) => name.length))
  for (const [i, { name, server }] of contexts.entries()) {
    const answer = answers.get(name)
    const state = !answer
      ? 'not asked'
      : 'silent' in answer
        ? answer.silent
        : `${distribution(answer.version) || 'Kubernetes'} ${answer.version}`
    say(`  ${String(i + 1).padStart(2)}  ${name.padEnd(width)}  ${server.replace('https://', '')}: ${state}`)
  }
  const version = ({ name }: Context) => {
    const answer = answers.get(name)
    return answer && 'version' in answer ? answer.version : ''
  }
  const homes = contexts.filter(context => distribution(version(context)))
  const answering = contexts.filter(version)
  const [home] = homes.length === 1 ? homes : answering.length === 1 ? answering : []
  const proposal = home?.name ?? find(current)?.name
  await settle(session, 'KUBE_CONTEXT', {
    title: 'Which cluster is the lab’s?',
    hint: 'A number of the list, or a name.',
    ...(proposal
      ? {
          proposal,
          why: home
            ? `the only one that answers${distribution(version(home)) ? ` and is ${distribution(version(home))}` : ''}`
            : 'where the kubeconfig is at',
        }
      : {}),
    wrong: text => ((find(text) ?? contexts[Number(text) - 1]) ? undefined : 'that is not in the list'),
  })
  const answer = settings.get('KUBE_CONTEXT')
  const chosen = find(answer) ?? contexts[Number(answer) - 1]
  if (chosen && chosen.name !== answer) settings.want('KUBE_CONTEXT', chosen.name, answered)
  return chosen
}

/** As a run's own question: shown once, confirmed, kept; another one later is refused. */
async function settleUid(session: Session, context: string, { uid, nodes, version }: ClusterFacts): Promise<void> {
  const { settings, asker, yes } = session
  const stored = settings.get('CLUSTER_UID')
  const described = describeCluster(context, nodes, uid)
  if (!uid || stored === uid) return
  const sameContext = settings.own('KUBE_CONTEXT') === context || settings.flagged.has('CLUSTER_UID')
  if (stored && sameContext) refuseOther({ context, clusterUid: stored, file: settings.before.name }, uid)
  say(`\nThe cluster: ${described}, ${distribution(version) || 'Kubernetes'} ${version}`)
  if (asker) {
    if (!isYes(await asker.line(clusterQuestion)))
      throw new HomelabError({
        what: 'not confirmed, nothing was written',
        fix: 'run it again with the right context: --context NAME (kubectl config get-contexts)',
        code: exit.usage,
      })
    settings.want('CLUSTER_UID', uid, answered)
  } else if (yes || settings.flagged.has('KUBE_CONTEXT'))
    settings.want('CLUSTER_UID', uid, yes ? 'confirmed by --yes' : 'you named the context')
}
