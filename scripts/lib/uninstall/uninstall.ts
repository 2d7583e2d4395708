// Takes steps off the cluster, the last one first: shows what goes and what stays, asks, and leaves nothing that blocks.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { problemOf } from '../account.ts'
import { describe, type Values } from '../command.ts'
import { exit, HomelabError, stopCode, throwProblems } from '../errors.ts'
import { createReporter, paint, print, seconds } from '../output.ts'
import { root } from '../root.ts'
import { listenForSignals, lockFor, Run } from '../run.ts'
import { refuseOther, writableSite } from '../site/choose.ts'
import { confirmByName } from '../site/confirm-by-name.ts'
import type { Step } from '../step.ts'
import { judgeRef } from '../wait.ts'
import { counted, planRemoval, type Removal, sizeOf } from './plan.ts'
import { type Belongings, belongingsOf } from './recording.ts'
import { remove } from './remove.ts'

/**
 * @param steps those that go; the others stay
 * @returns the exit code
 * @throws HomelabError exit 2 when it is not confirmed or would take what nobody has asked for, 3 on another cluster
 */
export async function uninstallSteps(steps: readonly Step[], values: Values): Promise<number> {
  const { site } = await writableSite(values)
  const json = values.json === true
  const run = new Run(
    site,
    createReporter({ json, plan: false, ...(values.debug ? { live: false } : {}) }),
    true,
    steps,
  )
  const started = Date.now()
  try {
    run.uid = (await run.cluster.find('namespace/kube-system'))?.metadata.uid ?? ''
    refuseOther(site, run.uid)
    const all = await Promise.all([...steps].reverse().map(step => belongingsOf(run, step)))
    const also = { data: values['delete-data'] === true, crds: values['delete-crds'] === true }
    const removals = await planRemoval(run, all, also)
    throwProblems(removals.flatMap(removal => removal.problems))
    const going = removals.filter(isThere)
    show(removals, await dependents(run, all), json)
    if (values.plan) return exit.done
    if (!going.length) return ended(run, [], new Map(), json, started)
    await confirmByName(run.cluster, site, values, { asker: 'an uninstall', doing: 'take this away' })
    await lockFor(run)
    listenForSignals(run)
    const failures = await removeAll(run, going)
    const removed = going.map(one => one.belongings.step.id).filter(id => !failures.has(id))
    return ended(run, removed, failures, json, started)
  } finally {
    await run.cluster.lock?.release()
    await run.cluster.close()
  }
}

/** What did not go and why, and the last line. @returns the exit code */
function ended(
  run: Run,
  removed: readonly string[],
  failures: ReadonlyMap<string, HomelabError>,
  json: boolean,
  started: number,
): number {
  const code = run.stopping ? stopCode(run.stopping) : failures.size ? exit.failed : exit.done
  const problems = Object.fromEntries([...failures].map(([id, error]) => [id, problemOf(error, run)]))
  if (json) print(JSON.stringify({ event: 'summary', code, removed, problems }))
  else {
    for (const [id, problem] of Object.entries(problems))
      print(`\n${describe({ ...problem, what: `${id}: ${problem.what}` })}`)
    const took = seconds(Date.now() - started)
    if (code !== exit.done)
      print(`\n${paint('red', '✗')} not finished after ${took}: mend the cause and run the same command again`)
    else if (removed.length) print(`\n${paint('green', '✓')} gone in ${took}`)
  }
  return code
}

/** @returns the failures by step; what had to wait for one counts as one */
async function removeAll(run: Run, going: readonly Removal[]): Promise<Map<string, HomelabError>> {
  const { reporter } = run
  reporter.begin(going.map(({ belongings }) => belongings.step))
  const failures = new Map<string, HomelabError>()
  const attempt = async (removal: Removal, action: () => Promise<void>): Promise<void> => {
    const { id } = removal.belongings.step
    try {
      await action()
    } catch (thrown) {
      if (!(thrown instanceof HomelabError)) throw thrown
      failures.set(id, thrown)
      reporter.state(id, 'failed', thrown.what)
    }
  }
  const waits: Promise<void>[] = []
  for (const removal of going) {
    const { id } = removal.belongings.step
    const [failed] = failures.keys()
    if (failed) {
      reporter.state(id, 'blocked', `${failed} is not gone`)
      continue
    }
    reporter.state(id, 'running')
    await attempt(removal, async () => {
      const seeItGone = await remove(run, removal)
      waits.push(attempt(removal, () => seeItGone().then(() => reporter.state(id, 'done', summary(removal)))))
    })
  }
  await Promise.all(waits)
  reporter.end()
  return failures
}

function isThere({ releases, objects, crds, namespaces, volumes, orphans }: Removal): boolean {
  return [releases, objects, crds, namespaces, volumes, orphans].some(list => list.length > 0)
}

/** `release traefik (14 objects), 8 of ours, 10 CRDs, namespace traefik` */
function summary({ releases, objects, crds, custom, namespaces, volumes, orphans }: Removal): string {
  const plural = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`
  return [
    ...releases.map(one => `release ${one.name} (${plural(one.objects, 'object')})`),
    ...(objects.length ? [`${plural(objects.length, 'object')} of ours`] : []),
    ...(crds.length ? [`${plural(crds.length, 'CRD')} with ${plural(custom.length, 'object')}`] : []),
    ...(volumes.length ? [`${plural(volumes.length, 'volume')} (${volumes.map(sizeOf).join(', ')})`] : []),
    ...namespaces.map(name => `namespace ${name}`),
    ...(orphans.length ? [counted(orphans)] : []),
  ].join(', ')
}

/** Steps that stay although they need one that goes. */
async function dependents(run: Run, all: readonly Belongings[]): Promise<string[]> {
  const going = all.map(({ step }) => step.id)
  const scripts = readdirSync(join(root, 'bootstrap')).filter(file => /^\d\d-.*\.ts$/.test(file))
  const rest = scripts.filter(file => !going.includes(file.replace('.ts', '')))
  const lines = await Promise.all(
    rest.map(async file => {
      const { default: step } = (await import(join(root, 'bootstrap', file))) as { default: Step }
      const { needs } = await belongingsOf(run, step)
      const missed = needs.filter(need => going.includes(need))
      if (!missed.length || (await judgeRef(run.cluster, step.ready)).state === 'missing') return []
      return [`${step.id} stays, and needs ${missed.join(' and ')}`]
    }),
  )
  return lines.flat()
}

function show(removals: readonly Removal[], notices: readonly string[], json: boolean): void {
  if (json) {
    print(
      JSON.stringify({
        event: 'plan',
        notices,
        steps: removals.map(one => ({
          step: one.belongings.step.id,
          goes: isThere(one) ? summary(one) : '',
          stays: one.stays,
        })),
      }),
    )
    return
  }
  for (const removal of removals) {
    const { id, title } = removal.belongings.step
    const head = `${id.slice(0, 2)} ${title}`.padEnd(18)
    print(
      `${paint('red', isThere(removal) ? '-' : ' ')} ${head} ${isThere(removal) ? summary(removal) : 'nothing is there'}`,
    )
    for (const line of removal.stays) print(`${' '.repeat(21)}${paint('green', 'stays')}  ${line}`)
  }
  for (const line of notices) print(`${paint('yellow', '!')} ${line}`)
}
