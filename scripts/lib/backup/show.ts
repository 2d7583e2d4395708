// Backups and restores for people, on 80 columns.
import { describe } from '../command.ts'
import type { Problem } from '../errors.ts'
import { formatQuantity } from '../k8s.ts'
import { paint, print, wrap } from '../output.ts'
import { age } from './late.ts'
import type { Contents } from './make.ts'
import type { Intended, Restored } from './restore.ts'
import { type Backup, isGood, type Location } from './velero.ts'

const bytes = (amount: number): string => formatQuantity('storage', amount)
const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`

/** A label, and a text that goes on below itself. */
function field(label: string, text: string): void {
  for (const [i, line] of wrap(text, 64).entries())
    print(`  ${i ? ' '.repeat(12) : paint('dim', label.padEnd(12))}${line}`)
}

/** A list that is as long as one likes to read. */
function some(title: string, all: readonly string[], colour: 'red' | 'yellow', most = 10): void {
  if (!all.length) return
  print(`  ${paint(colour, `${title} (${all.length})`)}`)
  for (const one of all.slice(0, most))
    for (const [i, line] of wrap(one.replace(/\s+/g, ' '), 74).entries()) print(`    ${i ? '  ' : ''}${line}`)
  if (all.length > most) print(`    … and ${all.length - most} more: --json has all`)
}

const counts = (all: Readonly<Record<string, number>>): string =>
  Object.entries(all)
    .sort(([a, m], [b, n]) => n - m || a.localeCompare(b))
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')

export function showContents(contents: Contents, sandbox: boolean, now: number): void {
  const { backup, byNamespace, byKind, claims, volumes, size, results, unread } = contents
  const good = isGood(backup)
  const mark = good ? paint('green', '✓') : paint('yellow', '!')
  print(
    `${mark} ${backup.name}: ${good ? 'complete' : 'with errors, so not all of it can be restored'}, ${plural(backup.items, 'object')}`,
  )
  if (Object.keys(byNamespace).length) field('namespaces', counts(byNamespace))
  if (Object.keys(byKind).length) field('kinds', counts(byKind))
  if (size !== undefined) field('archive', `${bytes(size)} of objects, compressed`)
  field(
    'volumes',
    sandbox
      ? `not measurable here: a sandbox’s volumes hold no bytes${unread ? '' : `; ${plural(claims, 'claim')}`}`
      : `${plural(volumes.done, 'volume')} read, ${bytes(volumes.bytes)}${unread ? '' : `; ${plural(claims, 'claim')}`}`,
  )
  if (backup.expires)
    field('kept until', `${new Date(backup.expires).toISOString().slice(0, 10)} (${age(backup.expires - now)})`)
  if (unread) field('not read', `the details: ${unread}`)
  some('volumes that could not be read', volumes.failed, 'red')
  some('errors', results.errors, 'red')
  some('warnings', results.warnings, 'yellow')
}

export function showBackups(
  backups: readonly Backup[],
  location: Location,
  problems: readonly Problem[],
  now: number,
): void {
  const state = location.available ? paint('green', 'available') : paint('red', 'unavailable')
  print(`${location.where || 'no S3 server set'}: ${state}\n`)
  for (const one of backups) {
    const mark = isGood(one)
      ? paint('green', '✓')
      : paint(/Failed/.test(one.phase) ? 'red' : 'cyan', /Failed/.test(one.phase) ? '✗' : '…')
    const what = one.namespaces.length ? one.namespaces.join(', ') : 'whole cluster'
    const expires = one.expires ? `until ${new Date(one.expires).toISOString().slice(0, 10)}` : ''
    print(`${mark} ${one.name.padEnd(30)} ${age(now - one.started).padEnd(8)} ${what.padEnd(18)} ${expires}`.trimEnd())
    if (!isGood(one)) print(`  ${one.phase}${one.errors ? `, ${plural(one.errors, 'error')}` : ''}`)
  }
  if (!backups.length) print('no backups yet')
  print('')
  for (const problem of problems) print(describe(problem))
}

export function showIntended({ backup, namespaces, missing, existing }: Intended, update: boolean, now: number): void {
  const what = namespaces.length ? namespaces.join(', ') : 'all but the system’s namespaces'
  print(`from ${paint('bold', backup.name)}, ${age(now - backup.started)} old: ${what}`)
  const list = (title: string, all: readonly string[]) => {
    if (all.length) field(title, `${all.length}: ${counts(tally(all))}`)
  }
  list('comes back', missing)
  list(update ? 'set back' : 'stays as is', existing)
  if (update && existing.length) {
    print(`  ${paint('yellow', 'these are there, and would be changed to what they were:')}`)
    for (const one of existing.slice(0, 20)) print(`    ${one}`)
    if (existing.length > 20) print(`    … and ${existing.length - 20} more`)
  }
}

const tally = (names: readonly string[]): Record<string, number> => {
  const found: Record<string, number> = {}
  for (const name of names) {
    const kind = name.split(' ')[0] ?? name
    found[kind] = (found[kind] ?? 0) + 1
  }
  return found
}

export function showRestored(restored: Restored): void {
  const { name, phase, created, skipped, updated, failed, results, unread } = restored
  const mark = phase === 'Completed' ? paint('green', '✓') : paint('yellow', '!')
  print(`${mark} ${name}: ${phase === 'Completed' ? 'complete' : 'with errors'}`)
  if (created.length) field('came back', `${created.length}: ${counts(tally(created))}`)
  if (updated.length) field('set back', `${updated.length}: ${counts(tally(updated))}`)
  if (skipped.length) field('left alone', `${skipped.length} that were there already: ${counts(tally(skipped))}`)
  if (unread) field('not read', `the details: ${unread}`)
  some('failed', failed, 'red')
  some('errors', results.errors, 'red')
  some('warnings', results.warnings, 'yellow')
}
