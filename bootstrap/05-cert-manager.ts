#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/../scripts/lib/launch" "$0" "$@"'
// 05 · cert-manager: the lab's certificates, from its own CA or from Let's Encrypt, renewed by themselves.
import { step } from '../scripts/lib/step.ts'

const about = {
  title: 'cert-manager',
  about: 'issuers of the lab and the wildcard certificate that Traefik shows by default',
  ready: 'clusterissuer/internal-ca',
}
const files = 'infrastructure/platform/cert-manager'

export default step(import.meta, about, async verbs => {
  const { site, namespace, secret, chart, apply, after, installed, wait, verify, onUninstall } = verbs
  await namespace('cert-manager', { podSecurity: 'restricted' })
  await chart('cert-manager/cert-manager', `${files}/values.yaml`)
  await apply(`${files}/issuers.yaml`) // the internal CA is always there: its root outlives a change of issuer
  if (site.issuer.name !== 'internal-ca') {
    const { provider, credentials, vars } = site.issuer.dns01
    await secret(`cert-manager/dns01-${provider}`, credentials)
    await apply(`${files}/acme-${provider}.yaml`, vars)
  }
  onUninstall({ keep: { 'secret/cert-manager/internal-ca': 'the CA that your devices trust' } })
  await wait(`clusterissuer/${site.issuer.name}`)
  await after('04-traefik') // the wildcard lives in its namespace
  await apply(`${files}/wildcard.yaml`)
  await installed()

  await wait('certificate/traefik/wildcard', 'workloads/cert-manager')
  await verify.issued('traefik/wildcard', 'argocd')
  await verify.certificate('traefik')
})
