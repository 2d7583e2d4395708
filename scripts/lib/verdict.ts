// What a check is worth: shown for real, filled in by the sandbox or an imitation, or not to be seen from here.
import { parseRef } from './cluster.ts'
import type { Run } from './run.ts'
import type { Step } from './step.ts'

export type Worth = 'proven' | 'assumed' | 'not measurable here'

export interface Verdict {
  step: string
  /** What was checked, for people: `https://argocd.lab.home.arpa redirects from http`. */
  check: string
  worth: Worth
}

// What a real controller did is proven wherever it happens. What only kubelets can do, the sandbox fills in.
const filledIn = /^(workloads|deployment|statefulset|daemonset|pod|job)$/

/** Records that `ref` was seen healthy. */
export function addVerdict(run: Run, step: Step, ref: string): void {
  const assumed = run.site.sandbox !== undefined && filledIn.test(parseRef(ref).kind)
  record(run, step, `${ref} is ready`, assumed ? 'assumed' : 'proven')
}

/** Records a check. Where the program of the step is imitated nothing is proven of it, whatever was seen. */
export function record(run: Run, step: Step, check: string, worth: Worth): void {
  const imitated = worth === 'proven' && run.imitated.has(step.id)
  run.verdicts.push({ step: step.id, check, worth: imitated ? 'assumed' : worth })
}

/** `12 proven, 5 assumed, 3 not measurable here` */
export function countVerdicts(verdicts: readonly Verdict[]): string {
  return (['proven', 'assumed', 'not measurable here'] as const)
    .map(worth => `${verdicts.filter(verdict => verdict.worth === worth).length} ${worth}`)
    .join(', ')
}
