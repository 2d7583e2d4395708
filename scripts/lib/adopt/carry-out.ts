// The handover itself: nobody syncs any more, the objects pass on, the Applications go without what they held.
import { HomelabError } from '../errors.ts'
import { type K8sObject, nameOf } from '../k8s.ts'
import type { Run } from '../run.ts'
import type { Step } from '../step.ts'
import { type Application, isRunning, type Pause, pausedMark, pauseOf, readApplication } from './application.ts'
import type { Plan } from './plan.ts'
import { keepState } from './state.ts'

// A sync under way gets this long to end by itself before it is told to, and then again to obey. Milliseconds.
const patience = 15_000

/**
 * Can be killed at any moment and repeated. The Applications go last: until then they say what is still to be done.
 * @param again reads the plan anew: what Argo CD has marked again in the meantime is seen
 * @throws HomelabError when a sync does not end, or marks come back
 */
export async function carryOut(run: Run, plan: Plan, again: () => Promise<Plan>): Promise<void> {
  const { cluster, reporter } = run
  await keepState(cluster, {
    steps: plan.steps.map(({ id }) => id),
    applications: plan.leaving.map(({ application }) => application.name),
  })
  // The topmost first, and every one before the first object is touched: a parent would put a child's auto-sync back.
  const leaving = plan.leaving.map(({ application }) => application)
  const names = leaving.map(({ name }) => name)
  for (const application of [...plan.paused, ...leaving])
    await pause(run, application, plan.paused.includes(application) ? names : undefined)
  await Promise.all([...plan.paused, ...leaving].map(application => quiet(run, application)))

  let now = await again()
  for (let round = 0; now.passing.length; round++) {
    if (round === 5)
      throw new HomelabError({
        what: `${nameOf(now.passing[0]?.object ?? leaving[0]?.object ?? { ...nothing })} gets Argo CD's mark again and again`,
        why: 'something still syncs it: another Argo CD, or an Application that this cluster does not show',
        fix: 'find out who: kubectl get events -A, and the managedFields of the object; then make adopt again',
      })
    await passOn(run, now)
    now = await again()
  }
  for (const application of leaving) {
    run.checkpoint()
    await removeAlone(run, application)
    reporter.notice(`  - Application ${application.name}: gone, its objects stay`)
  }
}

const nothing: K8sObject = { apiVersion: '', kind: '', metadata: { name: 'an object' } }

/** @param gone of a parent that stays: what it may not make again. It keeps what was switched off until then */
async function pause(run: Run, application: Application, gone: readonly string[] | undefined): Promise<void> {
  const { object, name, automated } = application
  const before = pauseOf(application)
  if (automated === undefined && !(gone && before)) return
  run.checkpoint()
  const kept: Pause = {
    automated: before?.automated ?? automated,
    gone: [...new Set([...(before?.gone ?? []), ...(gone ?? [])])],
  }
  const annotations = gone ? { annotations: { [pausedMark]: JSON.stringify(kept) } } : {}
  await run.cluster.patch(object, { metadata: annotations, spec: { syncPolicy: { automated: null } } })
  run.reporter.notice(`  ~ Application ${name}: auto-sync off`)
}

/** Until no sync is under way. One that retries for ever is told to end, as `argocd app terminate-op` does. */
async function quiet(run: Run, { object, name }: Application): Promise<void> {
  const begin = Date.now()
  for (let told = false; ; await new Promise(resolve => setTimeout(resolve, 300))) {
    run.checkpoint()
    const found = await run.cluster.now(object)
    if (!found || !readApplication(found).busy) return
    if (!told && Date.now() - begin > patience) {
      run.reporter.notice(`  ~ Application ${name}: its sync is told to end`)
      // One that nobody has begun is only a request.
      const end = isRunning(found) ? { status: { operationState: { phase: 'Terminating' } } } : { operation: null }
      await run.cluster.patch(object, end)
      told = true
    }
    if (Date.now() - begin > 3 * patience)
      throw new HomelabError({
        what: `a sync of the Application ${name} does not end`,
        why: 'it was told to, and its controller does not react',
        fix: 'see that argocd-application-controller runs (kubectl get pods -n argocd), then make adopt again',
      })
  }
}

async function passOn(run: Run, { passing }: Plan): Promise<void> {
  const perStep = new Map<Step | undefined, number>()
  for (const { object, patch, manager, step } of passing) {
    run.checkpoint()
    // Somebody may have been faster; the next look finds it as it is then.
    if (await run.cluster.patch(object, patch, manager)) perStep.set(step, (perStep.get(step) ?? 0) + 1)
  }
  for (const [step, count] of perStep)
    run.reporter.notice(
      `  ~ ${count} object${count === 1 ? '' : 's'} ${step ? `passed to ${step.id}` : 'without a step: mark taken off'}`,
    )
}

/**
 * Without its finalizers an Application takes nothing along. It is deleted only in the very state in which it was seen
 * without: nobody can have put one back in between.
 */
async function removeAlone(run: Run, { object, name }: Application): Promise<void> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const found = await run.cluster.now(object)
    if (!found || found.metadata.uid !== object.metadata.uid) return
    const { finalizers = [], resourceVersion = '' } = found.metadata
    if (finalizers.length) await run.cluster.patch(found, { metadata: { finalizers: null, resourceVersion } })
    else if (await run.cluster.delete(found, resourceVersion)) return
  }
  throw new HomelabError({
    what: `the Application ${name} changes faster than it can be deleted`,
    why: 'its finalizers were taken off and came back, or its controller writes all the time',
    fix: 'make adopt again; if it stays: kubectl get application -o yaml shows who writes (managedFields)',
  })
}
