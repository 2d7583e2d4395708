// Figures that tests measure, for whoever makes a table of them: a line in the report, and with FIGURES=FILE a line of JSON there.
import { appendFileSync } from 'node:fs'

/** @param name of the figure: `bad-input` */
export function report(
  test: { diagnostic(message: string): void },
  name: string,
  figures: Readonly<Record<string, number | string>>,
): void {
  const line = JSON.stringify({ figure: name, ...figures })
  test.diagnostic(line)
  if (process.env.FIGURES) appendFileSync(process.env.FIGURES, `${line}\n`)
}
