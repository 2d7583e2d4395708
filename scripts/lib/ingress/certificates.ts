// What a certificate that was seen means, together with what cert-manager says of it.
import { certificateOf } from './causes.ts'
import type { Note, World } from './findings.ts'
import type { HostLook } from './look.ts'

/** Days. cert-manager renews when a third of a certificate's life is left: a month of three. */
const few = 14

export function certificateNotes({ host, certificate: seen }: HostLook, world: World): Note[] {
  const { site, snapshot, noAuthority } = world
  if (seen === undefined) return []
  const { secret, namespace, name, object, health, ends, renewal } = certificateOf(host, snapshot)
  const about = { host: host.name }
  const fill = secret === 'traefik/wildcard' ? './bootstrap/05-cert-manager.ts' : undefined
  if (seen.notMeasurable)
    return health.state === 'unwell' && health.cause
      ? [{ level: 'wrong', ...about, text: health.cause, ...(health.fix ? { fix: health.fix } : {}) }]
      : []
  if (noAuthority) {
    const { what, why, fix } = noAuthority
    return [
      {
        level: 'wrong',
        text: `no certificate can be judged: ${what}`,
        ...{ ...(why && { why }), ...(fix && { fix }) },
      },
    ]
  }
  const facts = seen.certificate
  const describe = `kubectl -n ${namespace} describe certificate ${object?.metadata.name ?? name}`
  const stale = facts && ends !== undefined && Math.abs(ends - facts.notAfter.getTime()) > 1000
  // What cert-manager says, as far as it explains anything.
  const known =
    object === undefined && snapshot.knows('Certificate')
      ? {
          why: `no Certificate fills the Secret ${secret}, so nobody renews it`,
          fix: fill ?? `kubectl -n ${namespace} get certificates,ingresses`,
        }
      : health.state !== 'ready' && health.cause
        ? { why: health.cause, fix: health.fix ?? describe }
        : stale
          ? {
              why: `cert-manager has another one in ${secret}, until ${day(ends)}, which Traefik does not show`,
              fix: 'kubectl -n traefik logs deployment/traefik --tail=50',
            }
          : undefined

  if (seen.ok) {
    if (facts === undefined || facts.daysLeft > few) return []
    if (!known && renewal !== undefined && renewal > snapshot.now) return [] // short-lived, and all goes its way
    const left = facts.daysLeft === 1 ? '1 day' : `${facts.daysLeft} days`
    const why = renewal
      ? `cert-manager should have renewed it on ${day(renewal)}`
      : 'cert-manager renews when a third of its life is left, and has not'
    const text = `its certificate has ${left} left (until ${day(facts.notAfter.getTime())})`
    return [{ level: 'warning', ...about, text, ...(known ?? { why, fix: describe }) }]
  }
  if (facts === undefined)
    return [
      {
        ...{ level: 'wrong', ...about, text: `Traefik shows no certificate: ${seen.cause}` },
        why: 'it takes the connection, and does not speak TLS there',
        fix: 'kubectl -n traefik logs deployment/traefik --tail=50',
      },
    ]
  const text = seen.cause ?? 'its certificate is not right'
  const wrong = (why: string, fix: string): Note[] => [{ level: 'wrong', ...about, text, ...(known ?? { why, fix }) }]
  const label = host.name.endsWith(`.${site.domain}`) ? host.name.slice(0, -site.domain.length - 1) : ''
  if (/, not for /.test(text))
    return label.includes('.')
      ? wrong(
          `a wildcard covers one label: *.${site.domain} is not for ${host.name}`,
          'give its Ingress a tls section and the annotation cert-manager.io/cluster-issuer, or a shorter name',
        )
      : wrong(`it is the one in the Secret ${secret}, which was made for other names`, describe)
  if (/another authority|self-signed/.test(text))
    return wrong(
      `the CA of today did not sign what is in ${secret}; cert-manager makes it anew when that Secret is deleted`,
      `kubectl -n ${namespace} delete secret ${name}`,
    )
  if (/not trusted here/.test(text))
    return wrong(`TLS_ISSUER=${site.issuer.name}, but ${secret} comes from elsewhere`, describe)
  if (/expired/.test(text)) return wrong('it was not renewed in time', describe)
  if (/built-in certificate/.test(text)) return wrong(`Traefik does not read the Secret ${secret}`, describe)
  return wrong('Traefik itself shows it', 'kubectl -n traefik logs deployment/traefik --tail=50')
}

function day(time: number | undefined): string {
  return new Date(time ?? 0).toISOString().slice(0, 10)
}
