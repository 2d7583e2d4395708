// The platform's components pass from Argo CD to the steps: plan, question, handover, and then the steps run.
import type { Values } from '../command.ts'
import { exit } from '../errors.ts'
import { textAt } from '../k8s.ts'
import { createReporter, paint, print } from '../output.ts'
import { preflight } from '../preflight/preflight.ts'
import { lockFor, Run, runSteps } from '../run.ts'
import { refuseOther, writableSite } from '../site/choose.ts'
import { confirmByName } from '../site/confirm-by-name.ts'
import type { Step } from '../step.ts'
import { belongingsOf } from '../uninstall/recording.ts'
import { judgeRef } from '../wait.ts'
import type { Application, Id } from './application.ts'
import { carryOut } from './carry-out.ts'
import { planAdoption } from './plan.ts'
import { readyToResume, resume } from './resume.ts'
import { restarts, showLeft, showPlan, type Waiting } from './show.ts'
import { dropState, readState } from './state.ts'
import { effectsOf, type Wanted, wantedObjects } from './wanted.ts'

/**
 * @param all the steps of the platform
 * @returns the exit code of the steps that ran; 0 when there was nothing to hand over
 * @throws HomelabError exit 2 when it is not confirmed, 3 on another cluster or when something would undo it
 */
export async function adopt(all: readonly Step[], values: Values): Promise<number> {
  const { site } = await writableSite(values)
  const json = values.json === true
  const steps = all.filter(({ id }) => site.rancher || id !== '06-rancher')
  const run = new Run(site, createReporter({ json, plan: false, live: false }), true, steps)
  try {
    run.uid = (await run.cluster.find('namespace/kube-system'))?.metadata.uid ?? ''
    refuseOther(site, run.uid)
    run.kubernetes = textAt(JSON.parse(await run.cluster.raw('/version')), 'gitVersion') ?? ''
    let wanted: Promise<Map<Id, Wanted>> | undefined
    const look = () =>
      planAdoption(run, steps, () => {
        wanted ??= wantedObjects(run, steps)
        return wanted
      })
    const plan = await look()
    const comes = await neededToo(run, steps, plan.steps)
    const running = steps.filter(step => plan.steps.includes(step) || comes.includes(step))
    const rolls = wanted ? await effectsOf(run, plan.steps, (await wanted).values()) : []
    if (!json || values.plan) showPlan(plan, comes, rolls, json)
    if (!plan.leaving.length && !plan.steps.length) return await onlyParents(run, plan.stillPaused, values)
    // All that would stop the steps later is said now, while nothing has changed yet.
    await preflight(run, values, running, true)
    if (values.plan) return exit.done
    if (plan.leaving.length) {
      const doing = rolls.length ? `hand this over; ${restarts(rolls)} restart` : 'hand this over'
      await confirmByName(run.cluster, run.site, values, { asker: 'an adoption', doing })
      await lockFor(run)
      await carryOut(run, plan, look)
      await run.cluster.lock?.release() // the steps take one of their own
    }
    const code = await runSteps(running, { ...values, plan: false, yes: true })
    if (code !== exit.done) return code
    const { applications } = await readState(run.cluster) // also those that a killed run has taken away
    await dropState(run.cluster)
    const sources = plan.leaving.map(({ application }) => application.source)
    const waiting = [...plan.paused, ...plan.stillPaused].map(parent => ({ parent, reason: undefined }))
    showLeft(waiting, { names: applications, sources }, json)
    return exit.done
  } finally {
    await run.cluster.lock?.release()
    await run.cluster.close()
  }
}

/** What these steps wait for and nobody has installed yet. A step waits for earlier ones only. */
async function neededToo(run: Run, steps: readonly Step[], own: readonly Step[]): Promise<Step[]> {
  const needed = new Set(own.map(({ id }) => id))
  for (const step of [...steps].reverse())
    if (needed.has(step.id)) for (const id of (await belongingsOf(run, step)).needs) needed.add(id)
  const others = steps.filter(step => needed.has(step.id) && !own.includes(step))
  const states = await Promise.all(others.map(({ ready }) => judgeRef(run.cluster, ready)))
  return others.filter((_, i) => states[i]?.state !== 'ready')
}

/** Nothing is left to hand over: parents that waited for Git sync again, if Git no longer has what they may not make. */
async function onlyParents(run: Run, paused: readonly Application[], values: Values): Promise<number> {
  const json = values.json === true
  if (!json) print(`${paint('green', '✓')} nothing to hand over: no Application holds anything of the platform`)
  const waiting: Waiting[] = []
  if (paused.length && !values.plan) await lockFor(run)
  for (const parent of paused) {
    const reason = values.plan ? 'Git was not looked at' : await readyToResume(run, parent)
    if (reason === undefined) {
      await resume(run, parent)
      run.reporter.notice(
        `${paint('green', '✓')} Application ${parent.name} syncs again: Git has nothing of the platform any more`,
      )
    } else waiting.push({ parent, reason })
  }
  if (!json || !values.plan) showLeft(waiting, { names: [], sources: [] }, json)
  return exit.done
}
