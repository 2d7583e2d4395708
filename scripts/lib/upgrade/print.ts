// What moves, for people (80 columns) or programs (JSON).
import { standInLine } from '../account.ts'
import { describe } from '../command.ts'
import type { Problem } from '../errors.ts'
import { paint, print, wrap } from '../output.ts'
import type { Run } from '../run.ts'
import { pasteable } from '../site/choose.ts'
import { type Backups, isFresh } from './backup.ts'
import { type Move, versionText } from './read.ts'
import type { Roll } from './workloads.ts'

export const movesOf = (moves: readonly Move[]): Move[] => moves.filter(({ state }) => state === 'moves')
export const problemsOf = (moves: readonly Move[]): Problem[] => moves.flatMap(({ problems }) => problems)

/** Mark, number and title stand to the left. */
const margin = 21

export function printMoves(
  moves: readonly Move[],
  backups: Backups,
  run: Run,
  how: { json: boolean; apply: boolean },
): void {
  const { site, kubernetes } = run
  const fix = (text: string) => pasteable(text, site)
  const problems = problemsOf(moves).map(one => (one.fix ? { ...one, fix: fix(one.fix) } : one))
  if (how.json) {
    print(
      JSON.stringify({
        ...{ event: 'upgrade', environment: site.environment, context: site.context, domain: site.domain },
        ...{ kubernetes, standIns: run.standIns, moves: movesOf(moves).length, problems, backups, steps: moves },
      }),
    )
    return
  }
  const where = site.sandbox ? 'sandbox' : `context ${site.context}`
  print(`${paint('bold', site.domain)} · ${site.environment} · ${where} · Kubernetes ${kubernetes}`)
  if (run.standIns.length) print(standInLine(run.standIns, run.imitations))
  print('')
  for (const move of moves) for (const line of linesOf(move)) print(line)
  // With --apply they end the run, which prints them.
  if (!how.apply) for (const one of problems) print(`\n${describe(one)}`)
  const count = movesOf(moves).length
  if (count && !problems.length) for (const line of backupLines(backups, fix)) print(line)
  print('')
  if (!count) print(`${paint('green', '✓')} everything runs as pinned`)
  else
    print(
      `${count} of ${moves.length} steps ${count === 1 ? 'moves' : 'move'}${how.apply ? '' : '; nothing was written'}`,
    )
  if (!how.apply) print('Newer than what is pinned? make outdated asks; Renovate proposes it in Git.')
}

const marks = {
  moves: ['yellow', '↑'],
  equal: ['green', '✓'],
  absent: ['dim', '·'],
  off: ['dim', '–'],
  elsewhere: ['dim', '–'],
} as const

function linesOf(move: Move): string[] {
  const { state, from, to, step, title, note } = move
  const [colour, mark] = move.problems.length
    ? (['red', '✗'] as const)
    : move.downgrade
      ? (['yellow', '↓'] as const)
      : marks[state]
  const head = `${paint(colour, mark)} ${`${step.slice(0, 2)} ${title}`.padEnd(margin - 3)} `
  const detail = (word: string, text: string): string[] =>
    wrap(text, 80 - margin).map((line, i) => `  ${(i ? '' : word).padEnd(margin - 2)}${line}`)
  if (state !== 'moves') {
    const known = versionText(from)
    const text = state === 'equal' ? `${known}, as pinned` : ''
    return [`${head}${text || note}`, ...(text && note ? detail('', note) : [])]
  }
  return [
    `${head}${paint('bold', `${versionText(from)} → ${versionText(to)}`)}`,
    ...(note ? detail('again', note) : []),
    ...move.remarks.flatMap(text => detail('read first', text)),
    // Addresses and commands stay whole, so that they can be opened and pasted.
    ...move.notes.map(url => `  ${'notes'.padEnd(margin - 2)}${url}`),
    ...crdLines(move).flatMap((text, i) => detail(i ? '' : 'kinds', text)),
    ...move.rolls.flatMap((roll, i) => detail(i ? '' : 'pods', rollText(roll))),
    ...(move.back?.command ? [`  ${'back'.padEnd(margin - 2)}${move.back.command}`] : []),
    ...(move.back ? detail(move.downgrade ? 'loses' : 'but', move.back.not) : []),
  ]
}

function crdLines({ crds }: Move): string[] {
  const fresh = crds.filter(({ change }) => change === 'new').map(({ name }) => name)
  return [
    ...(fresh.length ? [`+ ${fresh.join(', ')}`] : []),
    ...crds.filter(({ change }) => change === 'changed').map(({ name, lines }) => `~ ${name}: ${lines.join('; ')}`),
    ...crds.filter(({ change }) => change === 'gone').map(({ name, lines }) => `- ${name}: ${lines.join('; ')}`),
  ]
}

function rollText({ workload, change, pods, images }: Roll): string {
  if (change === 'gone') return `- ${workload} goes`
  if (change === 'new') return `+ ${workload}: ${images.join(', ')}`
  const count = pods === undefined ? '' : `${pods} pod${pods === 1 ? '' : 's'}`
  return `~ ${workload} restarts ${count}${images.length ? `: ${images.join(', ')}` : ''}`
}

function backupLines(backups: Backups, fix: (text: string) => string): string[] {
  const { newest, velero, ways } = backups
  const found = newest
    ? `the newest backup is ${newest.name}, ${newest.hours} hour${newest.hours === 1 ? '' : 's'} old`
    : velero
      ? 'Velero is here, and has completed none'
      : 'no Velero here, so nobody has copied the volumes'
  const width = Math.max(...ways.map(({ about }) => about.length))
  return [
    '',
    `${isFresh(backups) ? paint('green', '✓') : paint('yellow', '!')} Make a backup first: ${found}.`,
    ...ways.map(({ about, command }) => `  ${about.padEnd(width)}  ${fix(command)}`),
  ]
}
