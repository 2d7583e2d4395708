// A Service of type LoadBalancer: has it the address that it wants, and if not, what MetalLB says.

import { type K8sObject, listAt, textAt } from '../k8s.ts'
import { formatAddress, isFlaw, parseRange } from '../site/network.ts'
import { type Health, oneLine, progressing, ready, unwell } from './judged.ts'
import type { Snapshot } from './snapshot.ts'

/** The addresses that a Service has been given. */
export function addressesOf(service: K8sObject): string[] {
  return listAt(service.status, 'loadBalancer', 'ingress').flatMap(entry => {
    const address = textAt(entry, 'ip') ?? textAt(entry, 'hostname')
    return address === undefined ? [] : [address]
  })
}

/**
 * The addresses of MetalLB's pools, as few ranges as can say it: `192.168.1.200-192.168.1.220`.
 * @param automatic only of the pools that also serve those who ask for no address in particular
 */
export function poolRanges(snapshot: Snapshot, { automatic = false } = {}): string[] {
  const texts = snapshot
    .of('IPAddressPool')
    .filter(pool => !automatic || (pool.spec as { autoAssign?: boolean } | undefined)?.autoAssign !== false)
    .flatMap(pool => listAt(pool.spec, 'addresses').filter(text => typeof text === 'string'))
  const ranges = texts.map(parseRange).flatMap(range => (isFlaw(range) ? [] : [range]))
  if (ranges.length < texts.length) return texts // IPv6, or something that MetalLB understands and we do not
  const merged: { first: number; last: number }[] = []
  for (const { first, last } of ranges.sort((a, b) => a.first - b.first)) {
    const before = merged.at(-1)
    if (before !== undefined && first <= before.last + 1) before.last = Math.max(before.last, last)
    else merged.push({ first, last })
  }
  return merged.map(({ first, last }) => [...new Set([first, last])].map(formatAddress).join('-'))
}

/** The fixed address that a Service asks for, by annotation or by the older field. */
function wantedAddress(service: K8sObject): string | undefined {
  return service.metadata.annotations?.['metallb.io/loadBalancerIPs'] ?? textAt(service.spec, 'loadBalancerIP')
}

export function judgeService(service: K8sObject, snapshot: Snapshot): Health {
  if (textAt(service.spec, 'type') !== 'LoadBalancer') return ready()
  const { namespace, name } = service.metadata
  const describe = `kubectl -n ${namespace} describe service ${name}`
  const wanted = wantedAddress(service)
  const given = addressesOf(service)
  const event = snapshot.events(service).find(({ reason }) => reason === 'AllocationFailed' || reason === 'IPAllocated')
  const refusal = event?.reason === 'AllocationFailed' ? event.message : undefined

  if (given.length > 0) {
    if (wanted === undefined || wanted.split(',').every(address => given.includes(address.trim()))) return ready()
    return unwell(
      `service ${name} has the address ${given.join(', ')}, but wants ${wanted}${refusal ? ` (${oneLine(refusal)})` : ''}`,
      describe,
    )
  }
  if (snapshot.of('IPAddressPool').length === 0 && snapshot.knows('IPAddressPool'))
    return unwell(`service ${name} gets no address: MetalLB has no address pool`, './bootstrap/02-metallb.ts')
  if (refusal === undefined)
    return progressing(`service ${name} waits for its address${wanted ? ` ${wanted}` : ''}`, describe)

  const pool = (ranges: string[]) => (ranges.length ? `the pool ${ranges.join(', ')}` : undefined)
  if (/is not allowed in config/.test(refusal))
    return unwell(
      `service ${name} wants the address ${wanted ?? '?'}, which lies outside ${pool(poolRanges(snapshot)) ?? 'every address pool'}`,
      'choose an address inside METALLB_POOL in .env, then run the step again',
    )
  const holder = /can't change sharing key for "[^"]+", address also in use by (.+)$/.exec(refusal)?.[1]
  if (holder)
    return unwell(
      `service ${name} wants the address ${wanted ?? '?'}, which ${holder} already has`,
      'kubectl get services -A | grep LoadBalancer',
    )
  if (/no available IPs/.test(refusal))
    return unwell(
      `service ${name} gets no address: every address of ${pool(poolRanges(snapshot, { automatic: true })) ?? 'the pools'} is taken`,
      'make METALLB_POOL in .env larger, then: ./bootstrap/02-metallb.ts',
    )
  return unwell(`service ${name} gets no address: ${oneLine(refusal)}`, describe)
}
