#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/../scripts/lib/launch" "$0" "$@"'
// 02 · MetalLB: addresses of the house's own network for Services, announced by ARP.
import { step } from '../scripts/lib/step.ts'

const about = {
  title: 'MetalLB',
  about: 'addresses from METALLB_POOL for Services of type LoadBalancer',
  ready: 'ipaddresspool.metallb.io/metallb-system/homelab',
}

export default step(import.meta, about, async ({ namespace, chart, apply, wait }) => {
  await namespace('metallb-system', { podSecurity: 'privileged' }) // the speaker answers ARP on the node's network
  await chart('metallb-system/metallb', 'infrastructure/platform/metallb/values.yaml')
  await apply('infrastructure/platform/metallb/pool.yaml') // goes through when MetalLB's webhook serves
  await wait('workloads/metallb-system')
})
