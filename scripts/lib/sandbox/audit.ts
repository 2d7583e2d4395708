// What our user wrote through an API server, from its audit log.
import { readFileSync } from 'node:fs'
import { textAt } from '../k8s.ts'

/** In a sandbox the scripts go by this name. */
const isOwner = (event: unknown) => textAt(event, 'impersonatedUser', 'username') === 'homelab-owner'
const mutating = new Set(['create', 'update', 'patch', 'delete', 'deletecollection'])

// Questions in the form of a write: they change nothing.
const questions = new Set([
  'selfsubjectaccessreviews',
  'selfsubjectrulesreviews',
  'selfsubjectreviews',
  'subjectaccessreviews',
  'tokenreviews',
])

export interface AuditedWrite {
  verb: string
  /** `configmaps adguard/homelab-rewrite` */
  object: string
}

/**
 * The writes of the scripts (of all that ran as our user), dry runs and access reviews aside.
 * @param from a position in the log (bytes), from `auditPosition`
 * @param isOurs whether an event is of our user
 */
export function ownWrites(auditLog: string, from = 0, isOurs = isOwner): AuditedWrite[] {
  const log = readFileSync(auditLog)
  // Whole lines only: the position, and the end now, may lie in the middle of one that was just being written.
  const start = from === 0 ? 0 : log.indexOf('\n', from - 1) + 1
  const text = from > 0 && start === 0 ? '' : log.subarray(start, log.lastIndexOf('\n') + 1).toString()
  return text
    .split('\n')
    .filter(line => line !== '')
    .flatMap(line => {
      const event: unknown = JSON.parse(line)
      const verb = textAt(event, 'verb') ?? ''
      const resource = textAt(event, 'objectRef', 'resource') ?? ''
      if (
        !isOurs(event) ||
        !mutating.has(verb) ||
        questions.has(resource) ||
        /[?&]dryRun=/.test(textAt(event, 'requestURI') ?? '')
      )
        return []
      // A port-forward is a "create" of a connection.
      if (textAt(event, 'objectRef', 'subresource') === 'portforward') return []
      // Of a namespace the log says its own name twice.
      const namespace = resource === 'namespaces' ? undefined : textAt(event, 'objectRef', 'namespace')
      return [
        { verb, object: `${resource} ${namespace ? `${namespace}/` : ''}${textAt(event, 'objectRef', 'name') ?? ''}` },
      ]
    })
}

/** Where the log ends now, in bytes. */
export function auditPosition(auditLog: string): number {
  return readFileSync(auditLog).byteLength
}
