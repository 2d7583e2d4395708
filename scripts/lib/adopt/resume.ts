// A paused parent syncs again as soon as Git no longer has what was handed over. Before that it would make it anew, with
// a finalizer; and taken out of Git after that, it would take the platform along.
import { type K8sObject, listAt, textAt } from '../k8s.ts'
import type { Run } from '../run.ts'
import { type Application, idOf, pausedMark, pauseOf, readApplication } from './application.ts'

const refreshMark = 'argocd.argoproj.io/refresh'

// Argo CD fetches a repository and compares it in a second or two. Seconds.
const patience = 60

/** Why a parent stays paused; undefined when it may sync again. */
export type Reason = string | undefined

/** Lets Argo CD read Git anew, and looks at what it found there. */
export async function readyToResume(run: Run, parent: Application): Promise<Reason> {
  const { cluster } = run
  await cluster.patch(parent.object, { metadata: { annotations: { [refreshMark]: 'hard' } } })
  for (const end = Date.now() + patience * 1000; ; await new Promise(done => setTimeout(done, 300))) {
    const now = await cluster.now(parent.object)
    if (!now) return 'it is gone'
    if (now.metadata.annotations?.[refreshMark] === undefined) return inTheWay(now)
    if (Date.now() > end)
      return `Argo CD has not looked at Git within ${patience} s: does argocd-application-controller run?`
  }
}

function inTheWay(now: K8sObject): Reason {
  const error = listAt(now.status, 'conditions').find(one => textAt(one, 'type') === 'ComparisonError')
  if (error !== undefined) return `Argo CD cannot read its Git: ${(textAt(error, 'message') ?? '').slice(0, 200)}`
  const parent = readApplication(now)
  const gone = pauseOf(parent)?.gone ?? []
  const still = gone.filter(name => {
    const [namespace = '', short = ''] = name.split('/')
    return parent.resources.has(
      idOf({ apiVersion: 'argoproj.io/v1alpha1', kind: 'Application', metadata: { namespace, name: short } }),
    )
  })
  return still.length ? `Git still has ${still.map(name => name.split('/')[1]).join(', ')}` : undefined
}

/** In one write with the request to look at Git: its next sync is of what Git has now, not of what it had. */
export async function resume(run: Run, parent: Application): Promise<void> {
  await run.cluster.patch(parent.object, {
    metadata: { annotations: { [pausedMark]: null, [refreshMark]: 'hard' } },
    spec: { syncPolicy: { automated: pauseOf(parent)?.automated ?? null } },
  })
}
