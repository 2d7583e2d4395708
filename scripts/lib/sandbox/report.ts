// How the sandbox tells what it is doing: plain lines. Who shows them, and how, is the caller's business.

/** Takes one line. Progress of one phase repeats the same words before its first ` · `, so that it can be overwritten. */
export type Report = (message: string) => void

/** Shows a sandbox's progress on standard error. @param json the caller prints JSON: no live line beside it */
export function createReport(json = false): Report {
  return reportTo(process.stderr, process.stderr.isTTY && !json)
}

/**
 * A report for a terminal (one live line a phase) or for a log (the first line of a phase, then one every ten seconds).
 */
export function reportTo(stream: NodeJS.WritableStream & { columns?: number }, live: boolean): Report {
  let phase = ''
  let last = 0
  return message => {
    const next = message.split(' · ')[0] ?? message
    const same = next === phase
    phase = next
    if (live) {
      const line = message.slice(0, Math.max(20, (stream.columns || 80) - 1))
      stream.write(same ? `\x1b[1A\x1b[2K${line}\n` : `${line}\n`)
      return
    }
    if (same && Date.now() - last < 10_000) return
    last = Date.now()
    stream.write(`${message}\n`)
  }
}

/** `1:05` for 65,000 ms. */
export function elapsed(since: number): string {
  const seconds = Math.round((Date.now() - since) / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
