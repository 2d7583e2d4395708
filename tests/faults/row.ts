// A row of the fault matrix, and how its trial may end.
import type { Trial } from './trial.ts'

export interface Row {
  /** As in the catalogue, a hyphen before what tells its variants apart: `A1-30s`. */
  id: string
  /** What is injected. */
  fault: string
  /** What must come of it. */
  expect: string
  /** For what ends with a named cause instead of a cluster as a clean run leaves it. */
  ends?: 'refused'
  /** On what it is tried: an empty cluster (unless said), or one on which the platform was built. */
  on?: 'bare' | 'built'
  /** Part of `make test`. */
  quick?: true
  /** Injects the fault and sees how it ends: `trial.fired`, then `trial.converged` or `trial.refused`. */
  run(trial: Trial): Promise<void>
}

export interface Excluded {
  id: string
  fault: string
  /** Why it cannot be tried here, or where it is. */
  why: string
}

export type End = 'converged' | 'refused'

/** A trial's end that is none: `silent` is the worst, a wrong state or a failure that nobody told. */
export class Fails extends Error {
  readonly kind: 'wrong' | 'silent' | 'void'

  constructor(kind: 'wrong' | 'silent' | 'void', message: string) {
    super(message)
    this.kind = kind
  }
}
