// One line on standard error about how far it is, for who waits longer than a second.
import { print } from '../output.ts'

/** @returns `progress` to be told, `end` to take the line away */
export function showProgress(quiet: boolean): { progress: (done: number, of: number) => void; end: () => void } {
  const { stderr } = process
  let state = 'reading the cluster'
  let shown = ''
  const show = () => {
    if (state === shown) return
    shown = state
    if (stderr.isTTY) stderr.write(`\r\u001b[K… ${state}`)
    else print(`… ${state}`, stderr)
  }
  // In a terminal the line moves, elsewhere one is enough.
  const first = quiet ? undefined : setTimeout(show, 1000)
  const again = quiet || !stderr.isTTY ? undefined : setInterval(() => shown && show(), 100)
  return {
    progress: (done, of) => {
      state = `looking at the hosts: ${done} of ${of}`
    },
    end: () => {
      clearTimeout(first)
      clearInterval(again)
      if (shown && stderr.isTTY) stderr.write('\r\u001b[K')
    },
  }
}
