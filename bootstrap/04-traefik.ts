#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/../scripts/lib/launch" "$0" "$@"'
// 04 · Traefik: the one door for HTTP and HTTPS, on its fixed address.
import { step } from '../scripts/lib/step.ts'

const about = {
  title: 'Traefik',
  about: 'ingress on its fixed address: HTTP goes to HTTPS, the wildcard certificate is the default',
  ready: 'deployment/traefik/traefik',
}

export default step(import.meta, about, async ({ namespace, secret, chart, apply, after, installed, wait, verify }) => {
  await namespace('traefik', { podSecurity: 'restricted' })
  const login = { username: 'admin', password: secret.generated(24) }
  await secret('traefik/dashboard-auth', login, { type: 'kubernetes.io/basic-auth' })
  await chart('traefik/traefik', 'infrastructure/platform/traefik/values.yaml')
  await apply('infrastructure/platform/traefik/dashboard.yaml')
  await installed() // the rest is waiting: the steps that need Traefik's kinds go ahead

  await after('02-metallb') // for the address
  await wait('workloads/traefik', 'service/traefik/traefik')
  await verify.redirect('traefik')
})
