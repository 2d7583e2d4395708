#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/../scripts/lib/launch" "$0" "$@"'
// 06 · Rancher: the cluster's management UI, one replica, TLS from the lab's own issuer.
import { step } from '../scripts/lib/step.ts'

const about = {
  title: 'Rancher',
  about: 'the cluster in a browser; left out by RANCHER=false',
  ready: 'deployment/cattle-system/rancher',
}
const files = 'infrastructure/platform/rancher'

export default step(import.meta, about, async verbs => {
  const { site, namespace, secret, chart, apply, after, wait, verify, skip, read, plan, onUninstall } = verbs
  if (!site.rancher) skip('RANCHER=false')
  const privateCA = site.issuer.name === 'internal-ca'
  await namespace('cattle-system', { podSecurity: 'privileged' }) // it starts pods of its own with wide rights
  // The chart finds this Secret and takes it over; Rancher reads the password at its first start only.
  const first = 'cattle-system/bootstrap-secret'
  const { bootstrapPassword } = await secret(first, { bootstrapPassword: secret.generated(24) }, { handedOver: true })
  await chart('cattle-system/rancher', `${files}/values.yaml`, { vars: { privateCA } }) // its pod waits for the two below
  // To take it over helm deletes it and makes it anew: an outage in between leaves none.
  if (!plan) await secret(first, { bootstrapPassword: bootstrapPassword ?? '' }, { handedOver: true })
  await after('05-cert-manager') // its webhook must answer before a Certificate applies
  await apply(`${files}/certificate.yaml`)
  if (privateCA)
    await secret('cattle-system/tls-ca', { 'cacerts.pem': await read('cert-manager/internal-ca', 'tls.crt') })

  onUninstall({ finalizers: ['controller.cattle.io/'] }) // it puts one on every namespace of the cluster
  await wait('certificate/cattle-system/tls-rancher-ingress', 'workloads/cattle-system')
  await verify.https('rancher', '/ping', 'pong')
})
