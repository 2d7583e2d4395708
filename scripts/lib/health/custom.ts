// cert-manager's own resources: what their conditions mean for an owner.

import { condition, type K8sObject, numberAt, textAt, timeAt } from '../k8s.ts'
import { duration, type Health, oneLine, progressing, ready, unwell } from './judged.ts'
import type { Snapshot } from './snapshot.ts'

// How long cert-manager may take to react before its silence is a finding.
const silence = 60_000

export function judgeIssuer(issuer: K8sObject, snapshot: Snapshot): Health {
  const { name } = issuer.metadata
  const status = condition(issuer, 'Ready')
  if (status?.status === 'True') return ready()
  if (status === undefined) return unseen(issuer, snapshot)
  const secret = /secrets? "([^"]+)" not found/.exec(status.message)?.[1]
  if (secret)
    return unwell(
      `issuer ${name} waits for the Secret ${secret}, which does not exist`,
      './bootstrap/05-cert-manager.ts',
    )
  return unwell(
    `issuer ${name} cannot issue: ${explainAcme(status.message || status.reason)}`,
    `kubectl describe ${issuer.kind.toLowerCase()} ${name}`,
  )
}

export function judgeCertificate(certificate: K8sObject, snapshot: Snapshot): Health {
  const { namespace, name } = certificate.metadata
  const describe = `kubectl -n ${namespace} describe certificate ${name}`
  const notAfter = timeAt(certificate.status, 'notAfter')
  const isReady = condition(certificate, 'Ready')
  const issuing = condition(certificate, 'Issuing')
  const attempts = numberAt(certificate.status, 'failedIssuanceAttempts')

  if (notAfter !== undefined && notAfter <= snapshot.now) {
    const why = whyNotIssued(certificate, snapshot)
    return unwell(
      `certificate ${name} expired ${duration(snapshot.now - notAfter)} ago${why ? `: ${why}` : ''}`,
      describe,
    )
  }
  if (isReady?.status === 'True' && attempts === 0) {
    const renewal = timeAt(certificate.status, 'renewalTime')
    if (
      renewal !== undefined &&
      notAfter !== undefined &&
      snapshot.now - renewal > Math.max(silence, (notAfter - renewal) / 4)
    )
      return unwell(
        `certificate ${name} should have been renewed ${duration(snapshot.now - renewal)} ago and ends in ${duration(notAfter - snapshot.now)}`,
        'kubectl -n cert-manager logs deployment/cert-manager --tail=50',
      )
    return ready()
  }
  if (isReady === undefined && issuing === undefined) return unseen(certificate, snapshot)

  const why = whyNotIssued(certificate, snapshot)
  const said = why ?? oneLine(issuing?.message || isReady?.message || '')
  if (attempts > 0 || why !== undefined) {
    const last = timeAt(certificate.status, 'lastFailureTime')
    const when =
      attempts > 0 && last !== undefined ? ` (${attempts} failed, the last ${duration(snapshot.now - last)} ago)` : ''
    return unwell(`certificate ${name} is not issued: ${said}${when}`, describe)
  }
  return progressing(`certificate ${name} is being issued${said ? `: ${said}` : ''}`, describe)
}

/** The cause along cert-manager's chain: the newest request, then its order, then that order's challenges. */
function whyNotIssued(certificate: K8sObject, snapshot: Snapshot): string | undefined {
  const issuer = textAt(certificate.spec, 'issuerRef', 'name') ?? ''
  const kind = textAt(certificate.spec, 'issuerRef', 'kind') ?? 'Issuer'
  const issuerNamespace = kind === 'Issuer' ? certificate.metadata.namespace : undefined
  const found = snapshot.find(kind, issuerNamespace, issuer)
  if (found === undefined && snapshot.knows(kind)) return `its ${kind} ${issuer} does not exist`

  const ownedBy = (owner: K8sObject, what: string) =>
    snapshot
      .of(what)
      .filter(one =>
        one.metadata.ownerReferences?.some(ref => ref.uid === owner.metadata.uid && ref.kind === owner.kind),
      )
      .sort(
        (a, b) => (timeAt(b, 'metadata', 'creationTimestamp') ?? 0) - (timeAt(a, 'metadata', 'creationTimestamp') ?? 0),
      )
  const [request] = ownedBy(certificate, 'CertificateRequest')
  const [order] = request ? ownedBy(request, 'Order') : []
  for (const challenge of order ? ownedBy(order, 'Challenge') : []) {
    const reason = textAt(challenge.status, 'reason')
    if (reason) return explainAcme(reason)
  }
  const orderState = order && textAt(order.status, 'state')
  if (orderState && ['errored', 'invalid', 'expired'].includes(orderState))
    return explainAcme(textAt(order.status, 'reason') ?? `the order is ${orderState}`)

  const status = request && condition(request, 'Ready')
  if (request && condition(request, 'Denied')?.status === 'True') return 'the request was denied by an approver'
  if (status?.status === 'False' && (status.reason === 'Failed' || /not found|not ready/i.test(status.message)))
    return explainAcme(status.message)
  const failed = condition(certificate, 'Issuing')
  if (failed?.status === 'False' && failed.reason === 'Failed') return explainAcme(failed.message)
  if (found && judgeIssuer(found, snapshot).state === 'unwell') return judgeIssuer(found, snapshot).cause
  return undefined
}

/** The ACME and DNS answers that owners meet, in their own terms; anything else stays the tool's words. */
function explainAcme(message: string): string {
  const known: [RegExp, string][] = [
    [
      /rateLimited|too many (certificates|failed|new orders|registrations)/i,
      "Let's Encrypt has had too many requests for these names: use its staging issuer until the limit ends",
    ],
    [/invalidContact|forbidden domain/i, "Let's Encrypt refuses the e-mail address"],
    [
      /6003|6103|9109|Invalid access token|Invalid request headers/,
      'Cloudflare refuses the token: it must be an API token (not the global key) with Zone.DNS:Edit, without quotes',
    ],
    [
      /propagation check failed|Waiting for DNS-01 challenge propagation|not yet propagated/i,
      'the DNS record for the challenge is not visible yet',
    ],
    [/SERVFAIL|NXDOMAIN/, 'the zone of these names cannot be found in the public DNS'],
    [/no such host|i\/o timeout|connection refused|network is unreachable/i, 'cert-manager cannot reach the server'],
    [/clusterissuer\S* "[^"]+" not found|issuer\S* "[^"]+" not found/i, 'its issuer does not exist'],
  ]
  const plain = known.find(([pattern]) => pattern.test(message))?.[1]
  return plain === undefined ? oneLine(message) : `${plain} (${oneLine(message, 120)})`
}

function unseen(object: K8sObject, snapshot: Snapshot): Health {
  const what = `${object.kind.toLowerCase()} ${object.metadata.name}`
  const age = snapshot.now - (timeAt(object, 'metadata', 'creationTimestamp') ?? snapshot.now)
  return age < silence
    ? progressing(`cert-manager has not looked at ${what} yet`)
    : unwell(`cert-manager has not looked at ${what} for ${duration(age)}`, 'kubectl -n cert-manager get pods')
}
