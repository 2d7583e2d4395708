// Which failures of kubectl and helm pass by themselves. One table for every retry.

/** `retry`: try again within the budget; `stop`: no attempt will help. */
export type ErrorClass = 'retry' | 'stop'

interface Rule {
  pattern: RegExp
  class: ErrorClass
  /** What the owner is told while we wait; `$1` is the first group. */
  waiting?: string
}

// The first match counts. Wordings observed on Kubernetes 1.36 and Helm 4.3.
const rules: readonly Rule[] = [
  {
    pattern: /failed calling webhook "([^"]+)".*no endpoints available/s,
    class: 'retry',
    waiting: 'the webhook $1 has no pod yet',
  },
  {
    pattern: /failed calling webhook "([^"]+)".*unknown authority/s,
    class: 'retry',
    waiting: 'the webhook $1 has no certificate yet',
  },
  {
    pattern:
      /failed calling webhook "([^"]+)".*(connection refused|Service ?Unavailable|deadline exceeded|timeout|EOF|connection reset)/s,
    class: 'retry',
    waiting: 'the webhook $1 does not answer yet',
  },
  {
    pattern:
      /is invalid:|admission webhook "[^"]+" denied|[Ff]orbidden|Unauthorized|invalid ownership metadata|chart requires kubeVersion|execution error at|failed parsing|strict decoding error/,
    class: 'stop',
  },
  {
    pattern:
      /connection (?:refused|reset|lost|force closed)|The connection to the server \S+ was refused|broken pipe|closed network connection|i\/o timeout|TLS handshake timeout|\bEOF\b|server sent GOAWAY|no route to host|socket hang up|ECONN(?:REFUSED|RESET)/,
    class: 'retry',
    waiting: 'the API server does not answer',
  },
  // A hook's object that helm lost sight of; of one that took too long it knows the state.
  {
    pattern: /not ready\. status: Unknown(?!.*deadline exceeded)/s,
    class: 'retry',
    waiting: 'the API server does not answer',
  },
  // A chart's hook had its own time; the next attempt would begin that anew.
  { pattern: /failed (pre|post)-(install|upgrade)/, class: 'stop' },
  { pattern: /no matches for kind "([^"]+)"/, class: 'retry', waiting: 'the kind $1 is not served yet' },
  {
    pattern: /could not find the requested resource|unable to recognize/,
    class: 'retry',
    waiting: 'the API server does not serve the kind yet',
  },
  // One that has just come up has not read its ranges of addresses yet.
  {
    pattern: /failed to allocate a serviceIP.*range is full/,
    class: 'retry',
    waiting: 'the API server has no address for a Service',
  },
  {
    pattern:
      /etcdserver: (request timed out|leader changed)|too ?many ?requests|Service ?Unavailable|context deadline exceeded|no answer within/i,
    class: 'retry',
    waiting: 'the API server is busy',
  },
  {
    pattern: /the object has been modified|AlreadyExists.*retry/,
    class: 'retry',
    waiting: 'somebody else writes the same object',
  },
]

/** Classes an error text of kubectl or helm. Unknown ones stop: repeating what nobody understands hides it. */
export function classify(stderr: string): { class: ErrorClass; waiting?: string } {
  for (const rule of rules) {
    const match = rule.pattern.exec(stderr)
    if (match)
      return rule.waiting
        ? { class: rule.class, waiting: rule.waiting.replace('$1', match[1] ?? '') }
        : { class: rule.class }
  }
  return { class: 'stop' }
}

/**
 * Repeats `attempt` while it fails in a way that passes by itself.
 * @param seconds the budget; when it is spent the last failure is returned
 * @param waiting told what is being waited for, each time that it changes, and the failure's own words
 */
export async function retry<T extends { code: number; stderr: string }>(
  attempt: () => Promise<T>,
  seconds: number,
  waiting: (what: string, words: string) => void,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000
  let said = ''
  for (let pause = 200; ; pause = Math.min(pause * 1.3, 600)) {
    const ran = await attempt()
    if (ran.code === 0) return ran
    const verdict = classify(ran.stderr)
    if (verdict.class === 'stop' || Date.now() + pause > deadline) return ran
    if (verdict.waiting && verdict.waiting !== said) {
      said = verdict.waiting
      waiting(said, ran.stderr)
    }
    await new Promise(resolve => setTimeout(resolve, pause * (0.75 + Math.random() / 2))) // jitter: steps run side by side
  }
}
