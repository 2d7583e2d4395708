// What a sync did, for people (80 columns) or programs (JSON).
import { paint, print, seconds, whyAndFix, wrap } from '../output.ts'
import { root } from '../root.ts'
import { pasteable } from '../site/choose.ts'
import { git } from '../site/git.ts'
import { askRepository } from '../site/remote.ts'
import type { Site } from '../site/site.ts'
import { parent } from './read.ts'
import type { Synced } from './sync.ts'

/** What the branch that Argo CD follows is at, and what of this checkout is not there yet. */
export interface Tip {
  commit?: string
  notices: string[]
}

/** Asks the Git server as this machine may; where it may not, Argo CD's word has to do. */
export async function branchTip(site: Site, top = root): Promise<Tip> {
  const { environment } = site
  const [asked, local, changed] = await Promise.all([
    askRepository(site, 'owner', 5),
    git(top, 'rev-parse', 'HEAD'),
    git(top, 'status', '--porcelain', '--', 'gitops', 'infrastructure'),
  ])
  const commit = 'commit' in asked ? asked.commit : undefined
  const ahead =
    commit && local && commit !== local
      ? await git(top, 'log', '--oneline', `${commit}..${local}`, '--', 'gitops', 'infrastructure')
      : undefined
  const notices = [
    ...(ahead ? [`${ahead.split('\n').length} commits of this checkout are not pushed: git push`] : []),
    ...(changed ? [`changes in gitops/ or infrastructure/ are not committed, so ${environment} has none of them`] : []),
  ]
  return { notices, ...(commit === undefined ? {} : { commit }) }
}

export function printSynced(synced: readonly Synced[], site: Site, tip: Tip, took: number, json: boolean): void {
  const well = synced.every(one => one.synced)
  if (json) {
    const applications = synced.map(one => (one.fix ? { ...one, fix: pasteable(one.fix, site) } : one))
    const milliseconds = Math.round(took)
    print(JSON.stringify({ event: 'summary', synced: well, milliseconds, ...tip, applications, code: well ? 0 : 1 }))
    return
  }
  const width = Math.max(...synced.map(({ name }) => name.length))
  for (const one of synced) {
    const mark = one.synced ? paint('green', '✓') : paint('red', '✗')
    print(`${mark} ${one.name.padEnd(width)}  ${one.synced ? moved(one) : 'not synced'}  ${paint('dim', one.health)}`)
    if (one.touched.length && one.name !== parent)
      for (const line of wrap(`changed: ${one.touched.join(', ')}`, 74)) print(`    ${line}`)
    for (const gone of one.left) print(`    ${gone} left Git and still runs: make remove-app NAME=${gone}`)
    if (one.synced) continue
    for (const line of whyAndFix(one.cause, one.fix && pasteable(one.fix, site))) print(line)
  }
  for (const notice of tip.notices) print(`! ${notice}`)
  const at = tip.commit ? ` at ${tip.commit.slice(0, 7)}` : ''
  print(`\n${well ? `the cluster is as Git says${at}` : 'not everything is synced'}, in ${seconds(took)}`)
  print(`next: ${well ? 'make test-applications' : 'the fix above, then make sync again'}`)
}

/** `1a2b3c4 → 5d6e7f8`, `18.11.0 → 18.12.0`, or that nothing moved. */
function moved({ from, to }: Synced): string {
  const short = (text: string) => (/^[0-9a-f]{40}$/.test(text) ? text.slice(0, 7) : text)
  if (from.length === 0) return `new, at ${to.map(short).join(', ')}`
  const changes = to.flatMap((one, i) => (one === from[i] ? [] : [`${short(from[i] ?? 'nothing')} → ${short(one)}`]))
  return changes.join(', ') || `at ${to.map(short).join(', ')}, as before`
}
