// The report of make policies, for people.
import { paint, print, wrap } from '../output.ts'
import type { Policies, Policy } from './read.ts'

const words = { deny: 'refuses', warn: 'warns', dryrun: 'counts' } as const

export function printPolicies({ audited, policies, exceptions, off, watched, deaf }: Policies): void {
  print(audited ? `Gatekeeper's last audit: ${audited}\n` : 'Gatekeeper has not ended its first audit yet\n')
  for (const one of policies.filter(({ check }) => !check)) show(one)
  title('CIS Kubernetes Benchmark 1.12, section 5: a report, nothing is refused')
  for (const one of policies.filter(({ check }) => check)) show(one)
  title('May use the node, for a reason')
  for (const { namespace, pods, may, reason, since } of exceptions)
    print(`  ${namespace}/${pods}* ${may.join(', ')}: ${reason} (${since})`)
  title('Falco listens for, beside its own rules')
  if (!watched) print('  not installed in this cluster')
  for (const { rule, priority, tags } of watched ?? []) print(`  ${priority.padEnd(8)} ${rule}: ${standards(tags)}`)
  for (const { node, kernel } of deaf)
    print(
      `${paint('yellow', '!')} it hears nothing on ${node}: Linux ${kernel}, and it needs 5.8; upgrade the node's system`,
    )
  if (off.length) print(`\n${paint('yellow', '!')} without policies: ${off.join(', ')} (homelab/policies=off)`)
  print('\nwhat each asks, and the way out: infrastructure/docs/POLICIES.md')
}

/** Of the tags of a rule those that name a standard. */
const standards = (tags: readonly string[]): string =>
  tags.filter(tag => /^(T\d|TA\d|PCI_|NIST_|CIS_)/.test(tag)).join(' ') || 'no standard'

function title(text: string): void {
  print(`\n${paint('bold', text)}`)
}

function show({ name, says, action, check, violations, found }: Policy): void {
  const bad = action === 'deny' ? 'red' : 'yellow'
  const count = (violations === undefined ? '…' : violations === 0 ? '✓' : String(violations)).padStart(3)
  const head = check ? `${check.padEnd(7)} ${says}` : `${name}, ${words[action]}: ${says}`
  print(`${violations === undefined ? count : paint(violations ? bad : 'green', count)} ${head}`)
  if (check) return
  for (const { object, message } of found.slice(0, 5))
    for (const [i, line] of wrap(`${object}: ${message}`, 72).entries()) print(`      ${i ? '  ' : ''}${line}`)
  if ((violations ?? 0) > 5) print(`      … and ${(violations ?? 0) - 5} more: --json`)
}
