#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/../scripts/lib/launch" "$0" "$@"'
// 03 · AdGuard Home: the house's DNS, twice, so that one pod down is not a house without internet.
import { adguardRewrites } from '../scripts/lib/adguard.ts'
import { fileText } from '../scripts/lib/fill.ts'
import { step } from '../scripts/lib/step.ts'

const about = {
  title: 'AdGuard Home',
  about: 'local DNS on two addresses: *.DOMAIN answers with Traefik, the rest is filtered and forwarded',
  ready: 'statefulset/adguard/adguard',
}
const files = 'infrastructure/platform/adguard'

export default step(import.meta, about, async verbs => {
  const { site, vars, namespace, secret, apply, after, wait, verify } = verbs
  await namespace('adguard', { podSecurity: 'restricted' })
  const { username, password } = await secret('adguard/adguard-admin', {
    username: 'admin',
    password: secret.generated(24),
    passwordHash: secret.bcrypt('password'),
  })
  await apply(`${files}/seed.yaml`, { adguardSeed: fileText(`${files}/AdGuardHome.yaml`, vars) })
  await apply(`${files}/services.yaml`)
  await apply(`${files}/statefulset.yaml`)
  await apply(`${files}/ingress.yaml`)

  await after('01-storage-class', '02-metallb') // its volumes and its addresses
  await wait('workloads/adguard', 'service/adguard/adguard-0', 'service/adguard/adguard-1')
  // The seed counts once; when the domain or the pool moves, our rewrites follow by the app's own API.
  const rewrites = [site.domain, `*.${site.domain}`].map(domain => ({ domain, answer: site.traefikAddress }))
  await adguardRewrites(verbs, { username, password }, rewrites)

  for (const address of site.adguardAddresses) await verify.dns(address, 'argocd', site.traefikAddress)
})
