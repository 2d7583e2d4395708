// The one place through which everything printed passes: known secrets never reach a terminal or a log.

const hidden = new Set<string>()

/** Hide a text, and the forms in which tools repeat it, from everything printed later. */
export function hide(secret: string): void {
  if (secret.length < 6) return // shorter ones would blank out ordinary words, and protect nothing
  for (const form of [
    secret,
    Buffer.from(secret).toString('base64'),
    Buffer.from(secret).toString('base64url'),
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
  ])
    hidden.add(form)
}

/** The text with every hidden secret replaced. */
export function redact(text: string): string {
  let out = text
  // Longest first: a secret can contain another.
  for (const secret of [...hidden].sort((a, b) => b.length - a.length)) out = out.replaceAll(secret, '‹secret›')
  return out
}
