// How far the look at the hosts is.
import { showProgress as show } from '../progress.ts'

/** @returns `progress` to be told, `end` to take the line away */
export function showProgress(quiet: boolean): { progress: (done: number, of: number) => void; end: () => void } {
  const { say, end } = show(quiet, 'reading the cluster')
  return { progress: (done, of) => say(`looking at the hosts: ${done} of ${of}`), end }
}
