// Carries an upgrade out: the steps that move, one after another, with a look after each. The first failure ends it.
import type { Values } from '../command.ts'
import { exit, HomelabError } from '../errors.ts'
import { testIngress } from '../ingress/read.ts'
import { paint, print, wrap } from '../output.ts'
import { runSteps } from '../run.ts'
import type { Site } from '../site/site.ts'
import { readSummary } from '../status/read.ts'
import type { Step } from '../step.ts'
import { movesOf } from './print.ts'
import { type Move, versionText } from './read.ts'

/** How long after a step its component may still settle: an address that moves to another node, a page that warms up. Seconds. */
const settling = 60

/**
 * @returns the exit code: that of the step that failed, or 1 when a look after it found something unwell
 */
export async function applyMoves(
  site: Site,
  moves: readonly Move[],
  steps: readonly Step[],
  values: Values,
): Promise<number> {
  const json = values.json === true
  const todo = movesOf(moves)
  const before = todo.length ? await faults(site) : []
  const done: string[] = []
  for (const move of todo) {
    const step = steps.find(({ id }) => id === move.step)
    if (!step) throw new Error(`no step is called ${move.step}`)
    if (!json) print(`\n${paint('bold', `${step.id}: ${versionText(move.from)} → ${versionText(move.to)}`)}`)
    const code = await runSteps([step], { ...values, plan: false, sequential: true })
    const unwell = code === exit.done ? await unwellAfter(site, step, before) : []
    if (code !== exit.done || unwell.length) {
      end(json, { code: code || exit.failed, done, todo, failed: move, unwell })
      return code || exit.failed
    }
    done.push(step.id)
    if (!json) print(`${paint('green', '✓')} ${step.id} is well, and the ingress answers as before`)
  }
  end(json, { code: exit.done, done, todo, unwell: [] })
  return exit.done
}

/** What is unwell, in a few words each; empty as soon as nothing is. What was so before is not the upgrade's doing. */
async function unwellAfter(site: Site, step: Step, before: readonly string[]): Promise<string[]> {
  const deadline = Date.now() + settling * 1000
  for (;;) {
    const row = (await readSummary(site)).find(one => one.step === step.id)
    const own =
      row && row.state === 'ready' ? [] : [`${step.title} is ${row?.state}${row?.cause ? `: ${row.cause}` : ''}`]
    const doors = (await faults(site)).filter(one => !before.includes(one))
    if (!own.length && !doors.length) return []
    if (Date.now() > deadline) return [...own, ...doors]
    await new Promise(resolve => setTimeout(resolve, 3000))
  }
}

/** What `make test-ingress` finds wrong now. */
async function faults(site: Site): Promise<string[]> {
  try {
    const { findings } = await testIngress(site, undefined, () => {})
    return findings.filter(({ level }) => level === 'wrong').map(({ what }) => what)
  } catch (error) {
    if (!(error instanceof HomelabError) || error.code === exit.refused) throw error
    return [error.what]
  }
}

function end(
  json: boolean,
  outcome: { code: number; done: string[]; todo: readonly Move[]; failed?: Move; unwell: string[] },
): void {
  const { code, done, todo, failed, unwell } = outcome
  const left = todo.map(({ step }) => step).filter(id => !done.includes(id))
  if (json) {
    print(JSON.stringify({ event: 'summary', code, upgraded: done, left, unwell }))
    return
  }
  if (!failed) {
    if (!done.length) return // it was said that everything runs as pinned
    print(`\n${paint('green', '✓')} ${done.length} step${done.length === 1 ? '' : 's'} upgraded: ${done.join(', ')}`)
    print('  next: make status, and commit infrastructure/charts.lock.yaml if it changed')
    return
  }
  for (const text of unwell) print(`${paint('red', '✗')} ${failed.step}: ${text}`)
  print(
    `\n${paint('red', '✗')} stopped at ${failed.step}; upgraded: ${done.join(', ') || 'nothing'}; left: ${left.join(', ')}`,
  )
  print(`  forward  mend the cause, then the same command again: it goes on with ${failed.step}`)
  if (failed.back?.command) print(`  back     ${failed.back.command}`)
  if (failed.back)
    for (const [i, line] of wrap(failed.back.not, 68).entries()) print(`  ${i ? '   ' : 'but'}      ${line}`)
}
