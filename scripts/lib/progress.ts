// One line on standard error about how far something is, for who waits longer than a second.
import { print } from './output.ts'

export interface Progress {
  say: (state: string) => void
  /** Takes the line away. */
  end: () => void
}

/** @param quiet nobody reads it (`--json`) */
export function showProgress(quiet: boolean, first: string): Progress {
  const { stderr } = process
  let state = first
  let shown = ''
  const show = () => {
    if (state === shown) return
    shown = state
    if (stderr.isTTY) stderr.write(`\r\u001b[K… ${state}`)
    else print(`… ${state}`, stderr)
  }
  // In a terminal the line moves, elsewhere a few are enough.
  const begin = quiet ? undefined : setTimeout(show, 1000)
  const again = quiet ? undefined : setInterval(() => shown && show(), stderr.isTTY ? 100 : 10_000)
  return {
    say: next => {
      state = next
    },
    end: () => {
      clearTimeout(begin)
      clearInterval(again)
      if (shown && stderr.isTTY) stderr.write('\r\u001b[K')
    },
  }
}
