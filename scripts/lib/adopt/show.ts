// An adoption's plan for people and programs, and what is left to do in Git afterwards.
import { at, type K8sObject, nameOf, textAt } from '../k8s.ts'
import { paint, print, wrap } from '../output.ts'
import type { Step } from '../step.ts'
import type { Application } from './application.ts'
import { pauseOf } from './application.ts'
import type { Leaving, Plan } from './plan.ts'
import type { Roll } from './wanted.ts'

export function showPlan(plan: Plan, comes: readonly Step[], rolls: readonly Roll[], json: boolean): void {
  if (json) print(JSON.stringify({ event: 'plan', ...forPrograms(plan, rolls), comes: comes.map(({ id }) => id) }))
  else showForPeople(plan, comes, rolls)
}

function showForPeople(plan: Plan, comes: readonly Step[], rolls: readonly Roll[]): void {
  for (const one of plan.leaving) {
    print(`${paint('yellow', '→')} Application ${one.application.name}  ${takes(one)}`)
    for (const [word, text] of facts(one)) print(`    ${paint('dim', word.padEnd(9))} ${text}`)
  }
  for (const application of plan.paused) {
    print(`${paint('yellow', '~')} Application ${application.name} stays, its auto-sync goes off`)
    print(`    ${paint('dim', 'because'.padEnd(9))} it holds Applications that go, and would make them again`)
    print(`    ${paint('dim', 'from'.padEnd(9))} ${application.source}`)
  }
  const groups = perOwner(plan)
  if (groups.length) print('\nWhose the objects become:')
  for (const [owner, count] of groups) print(`  ${String(count).padStart(4)}  ${owner}`)
  const running = plan.stays.filter(({ kind }) => /^(Deployment|StatefulSet|DaemonSet)$/.test(kind))
  const others = plan.stays.filter(object => !running.includes(object))
  if (others.length) {
    print(`\n${others.length} that no step makes stay as they are, and nobody looks after them:`)
    for (const line of wrap(others.map(typed).join(', '), 76)) print(`  ${line}`)
  }
  if (running.length) {
    print(`\n${paint('yellow', '!')} ${running.length} that no step makes keep running, beside what the steps bring:`)
    for (const line of wrap(running.map(typed).join(', '), 76)) print(`  ${line}`)
    print('  They are yours from now on: delete them when you no longer need them.')
  }
  if (comes.length)
    print(`\n${paint('green', '+')} installed with it, because it is needed: ${comes.map(({ id }) => id).join(', ')}`)
  if (plan.leaving.length) print('')
  if (rolls.length) print(`${paint('yellow', '!')} ${restarts(rolls)} restart: our values differ from what runs now`)
  else if (plan.leaving.length)
    print(`${paint('green', '✓')} no pod restarts, nothing is deleted but the Applications themselves`)
  for (const { object, changes } of rolls) {
    print(`    ${object.kind} ${nameOf(object)}`)
    for (const { path, from, to } of changes.slice(0, 3)) print(`      ${path}: ${from} → ${to}`)
    if (changes.length > 3) print(`      and ${changes.length - 3} more`)
  }
}

/** `3 workloads` */
export const restarts = (rolls: readonly Roll[]): string => `${rolls.length} workload${rolls.length === 1 ? '' : 's'}`

function takes({ steps, objects }: Leaving): string {
  if (!steps.length) return 'goes: all that it holds are Applications that go'
  return `${objects} objects → ${steps.map(({ id }) => id).join(', ')}`
}

function facts({ application, tracking }: Leaving): [string, string][] {
  const { project, automated, finalizers, source } = application
  const how = [
    automated === undefined ? 'off' : 'on',
    ...(at(automated, 'prune') === true ? ['prune'] : []),
    ...(at(automated, 'selfHeal') === true ? ['self-heal'] : []),
  ]
  return [
    ['project', project],
    ['auto-sync', how.join(', ')],
    ['tracks by', [...tracking].join(' and ') || 'its own list only'],
    ...(finalizers.length
      ? [['finalizer', `${finalizers.join(', ')}: dropped, so that nothing is deleted`] as [string, string]]
      : []),
    ['from', source],
  ]
}

const typed = (object: K8sObject): string => `${object.kind} ${nameOf(object)}`

function perOwner({ passing }: Plan): [string, number][] {
  const counts = new Map<string, number>()
  for (const { owner, step } of passing) {
    const words =
      owner === undefined
        ? "nobody's: only the mark goes"
        : owner === 'step'
          ? `${step?.id}, applied by the step itself`
          : `${step?.id}, Helm release ${owner.release.namespace}/${owner.release.name}`
    counts.set(words, (counts.get(words) ?? 0) + 1)
  }
  return [...counts].sort(([a], [b]) => a.localeCompare(b))
}

/** A parent without auto-sync, and why it stays so; without a reason it has just been paused. */
export interface Waiting {
  parent: Application
  reason: string | undefined
}

/** What is left to do in Git. In this order, or it all begins anew. */
export function showLeft(
  waiting: readonly Waiting[],
  gone: { names: readonly string[]; sources: readonly string[] },
  json: boolean,
): void {
  if (json)
    return void print(
      JSON.stringify({
        event: 'left',
        gone: gone.names,
        waiting: waiting.map(({ parent, reason }) => ({ ...brief(parent), reason: reason ?? null })),
      }),
    )
  for (const { parent, reason } of waiting) {
    print(`\n${paint('yellow', '!')} Application ${parent.name} stays without auto-sync${reason ? `: ${reason}` : ''}`)
    print('  It would make again what was handed over, and delete it when it leaves Git later.')
    const names = pauseOf(parent)?.gone ?? gone.names
    print(`  1. remove ${names.map(name => name.split('/').at(-1)).join(', ')} from`)
    print(`     ${parent.source}, and push`)
    print('  2. make adopt: it looks at Git, and lets it sync again')
  }
  if (gone.names.length && !waiting.length) {
    print('\n  What made these Applications may still be in Git. Nobody reads it any more; remove it,')
    print('  so that nobody applies it again.')
    for (const source of new Set(gone.sources)) print(`    ${source}`)
  }
}

function forPrograms(plan: Plan, rolls: readonly Roll[]): Record<string, unknown> {
  return {
    applications: plan.leaving.map(({ application, tracking, objects, steps }) => ({
      ...brief(application),
      tracking: [...tracking],
      objects,
      steps: steps.map(({ id }) => id),
    })),
    paused: plan.paused.map(brief),
    stillPaused: plan.stillPaused.map(({ name }) => name),
    objects: plan.passing.map(({ object, owner, step, from }) => ({
      object: typed(object),
      from: from?.name ?? null,
      step: step?.id ?? null,
      release: owner && owner !== 'step' ? `${owner.release.namespace}/${owner.release.name}` : null,
    })),
    stays: plan.stays.map(typed),
    restarts: rolls.map(({ object, changes }) => ({ workload: typed(object), changes })),
    steps: plan.steps.map(({ id }) => id),
  }
}

function brief({ name, project, automated, finalizers, source, object }: Application): Record<string, unknown> {
  return {
    name,
    project,
    automated: automated ?? null,
    finalizers,
    source,
    sync: textAt(object.status, 'sync', 'status'),
  }
}
