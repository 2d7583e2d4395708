// make upgrade: what this checkout would move, and with --apply the move itself.

import type { Values } from '../command.ts'
import { exit, HomelabError } from '../errors.ts'
import { textAt } from '../k8s.ts'
import { createReporter, print } from '../output.ts'
import { choose, Run } from '../run.ts'
import { chooseSite, pasteable, readOnlySite } from '../site/choose.ts'
import { requireRight } from '../site/right-cluster.ts'
import type { Site } from '../site/site.ts'
import type { Step } from '../step.ts'
import { applyMoves } from './apply.ts'
import { type Backups, readBackups } from './backup.ts'
import { movesOf, printMoves, problemsOf } from './print.ts'
import { type Move, readMoves } from './read.ts'

/**
 * @returns the exit code: 0 shown or done, 1 a step failed, 3 something must not be done
 */
export async function upgrade(values: Values, all: readonly Step[]): Promise<number> {
  if (values.newer) {
    const { site } = values.sandbox ? await chooseSite(values) : { site: undefined }
    const { printNewer } = await import('./newer.ts')
    return printNewer(site?.sandbox?.programs.helm ?? 'helm', values.json === true)
  }
  const steps = choose(all, values)
  const site = await readOnlySite(values)
  const { moves } = await look(site, steps, all, values)
  const problems = problemsOf(moves)
  if (!values.apply) {
    if (movesOf(moves).length && !values.json)
      print(
        `next: ${problems.length ? 'mend the first of these, then the same command again' : nextCommand(values, site)}`,
      )
    return problems.length ? exit.refused : exit.done
  }
  const [first, ...others] = problems.map(one => (one.fix ? { ...one, fix: pasteable(one.fix, site) } : one))
  if (first) throw new HomelabError({ ...first, others, code: exit.refused })
  return applyMoves(site, moves, steps, values)
}

async function look(
  site: Site,
  steps: readonly Step[],
  all: readonly Step[],
  values: Values,
): Promise<{ moves: Move[]; backups: Backups }> {
  const run = new Run(site, createReporter({ json: values.json === true, plan: true }), true, steps)
  const { cluster } = run
  cluster.patience = 3 // who asks wants to hear now that nobody answers
  try {
    await requireRight(cluster, site)
    run.kubernetes = textAt(JSON.parse(await cluster.raw('/version')), 'gitVersion') ?? ''
    const [moves, backups] = await Promise.all([
      readMoves(run, steps, all, values['allow-downgrade'] === true),
      readBackups(cluster),
    ])
    printMoves(moves, backups, run, { json: values.json === true, apply: values.apply === true })
    return { moves, backups }
  } catch (error) {
    if (!(error instanceof HomelabError) || error.code !== exit.failed) throw error
    throw new HomelabError({ ...error, code: exit.usage })
  } finally {
    await cluster.close()
  }
}

function nextCommand(values: Values, { sandbox }: Site): string {
  const { only } = values
  const back = values['allow-downgrade'] === true
  if (sandbox)
    return `./scripts/upgrade.ts --sandbox --apply${only ? ` --only ${only}` : ''}${back ? ' --allow-downgrade' : ''}`
  return `make upgrade APPLY=1${only ? ` STEP=${only}` : ''}${back ? ' DOWNGRADE=1' : ''}`
}
