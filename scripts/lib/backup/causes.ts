// What Velero and its S3 plugin say when something fails, in plain words with the way out. Pure.
import type { Problem } from '../errors.ts'
import type { Location } from './velero.ts'

type Cause = Required<Pick<Problem, 'why' | 'fix'>>

const again = 'then ./bootstrap/07-argocd.ts; Velero looks again within a minute'

function refused([word]: RegExpExecArray): Cause {
  return {
    why: `the S3 server refuses the key (${word})`,
    fix: `correct S3_ACCESS_KEY and S3_SECRET_KEY in .env, or let the key read, write, list and delete in the bucket; ${again}`,
  }
}

/** The words of the S3 SDK, of Go's network and of Velero, most telling first. */
const known: readonly [RegExp, (found: RegExpExecArray) => Cause][] = [
  [
    /[Uu]nable to get credentials|Secret "?velero-s3"? not found|secrets? "velero-s3" not found/,
    () => ({
      why: 'there is no key to the S3 server: the Secret velero/velero-s3 does not exist',
      fix: `S3_ENDPOINT, S3_ACCESS_KEY and S3_SECRET_KEY in .env, ${again}`,
    }),
  ],
  [
    /NoSuchBucket|api error NotFound|bucket does not exist/,
    () => ({
      why: 'the S3 server answers, and has no such bucket',
      fix: 'make the bucket on the server, or correct S3_BUCKET in .env (make configure), commit and push the site file',
    }),
  ],
  [/InvalidAccessKeyId|SignatureDoesNotMatch|InvalidSecurity|AccessDenied|InvalidClientTokenId|Forbidden/, refused],
  [/StatusCode: 40[13]/, refused],
  [
    /no such host|server misbehaving/,
    () => ({
      why: 'the nodes find no address for the name of the S3 server',
      fix: 'correct S3_ENDPOINT, or write its address there; the nodes’ own DNS server is asked, not this computer’s',
    }),
  ],
  [
    /connection refused|i\/o timeout|no route to host|deadline exceeded|Client\.Timeout|connection reset|host is down|Bad Gateway|StatusCode: 50[0234]/,
    ([word]) => ({
      why: `the S3 server cannot be reached from the cluster (${word})`,
      fix: 'is it on, does its port answer from a node: curl -v S3_ENDPOINT; Velero looks again within a minute',
    }),
  ],
  [
    /x509|certificate|HTTP response to HTTPS|malformed HTTP response/,
    ([word]) => ({
      why: `the connection to the S3 server fails in TLS (${word})`,
      fix: 'http:// or https:// as the server has it; for a certificate of your own see infrastructure/backup/velero/README.md',
    }),
  ],
  [
    /NoSuchKey|backup .*not found in|object .*not found/i,
    () => ({
      why: 'the bucket has lost the files of this backup',
      fix: 'take another one: make backups',
    }),
  ],
  [
    /node-?agent|daemonset pod not found|is not running in node/i,
    () => ({
      why: 'the node agent, which reads the volumes, does not run on a pod’s node',
      fix: 'kubectl -n velero get pods -o wide',
    }),
  ],
]

/** The cause behind words of Velero's; its own words where they are none of the known ones. */
export function causeOf(words: string): Cause {
  for (const [pattern, cause] of known) {
    const found = pattern.exec(words)
    if (found) return cause(found)
  }
  const short = words.replace(/\s+/g, ' ').trim()
  return {
    why: short.length > 300 ? `${short.slice(0, 300)}…` : short || 'Velero gives no reason',
    fix: 'kubectl -n velero logs deployment/velero --tail=50',
  }
}

/** Why backups cannot go where they should. */
export function locationCause({ where, message, looked }: Location): Cause {
  if (where === '')
    return {
      why: 'no S3 server is set, so nothing is backed up',
      fix: 'S3_ENDPOINT, S3_ACCESS_KEY and S3_SECRET_KEY in .env; make configure, commit and push the site file; ./bootstrap/07-argocd.ts',
    }
  if (message === '' && looked === 0)
    return { why: 'Velero has not looked at it yet', fix: 'kubectl -n velero get pods; then again in a minute' }
  const { why, fix } = causeOf(message)
  return { why: `${where}: ${why}`, fix }
}
