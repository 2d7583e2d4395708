// What Prometheus asks, and what the prober asks for it: monitors, jobs and probes name it. Pure.
import { parseAllDocuments } from 'yaml'
import { at, type K8sObject, listAt, mapAt, selects, textAt } from '../k8s.ts'
import { spokenOf } from './addresses.ts'
import { type Flow, outside } from './flow.ts'
import { podsNamed, reach, title, to, traefik } from './services.ts'
import { type Pod, portNumber, type World } from './world.ts'

/** From Prometheus to what monitors, jobs and probes name. */
export function scrapes(world: World): Flow[] {
  return podsNamed(world, 'prometheus').flatMap(from => {
    const found = (pod: Pod, port: number | undefined, why: string): Flow[] =>
      port === undefined ? [] : [{ from, to: reach(world, pod), port, protocol: 'TCP', why }]
    const all = [...world.pods, ...world.onNode]
    return world.objects.flatMap((object): Flow[] => {
      const { kind, spec, metadata } = object
      const named = listAt(spec, 'namespaceSelector', 'matchNames')
      const there = (namespace: string | undefined) =>
        at(spec, 'namespaceSelector', 'any') === true ||
        (named.length ? named : [metadata.namespace]).includes(namespace)
      if (kind === 'ServiceMonitor')
        return world.services
          .filter(one => there(one.metadata.namespace) && selects(at(spec, 'selector'), one.metadata.labels ?? {}))
          .flatMap(one =>
            listAt(spec, 'endpoints').flatMap(endpoint => to(world, from, one, at(endpoint, 'port'), title(object))),
          )
      if (kind === 'PodMonitor')
        return all
          .filter(pod => there(pod.namespace) && selects(at(spec, 'selector'), pod.labels))
          .flatMap(pod =>
            listAt(spec, 'podMetricsEndpoints').flatMap(one =>
              found(pod, portNumber(pod, at(one, 'port')), title(object)),
            ),
          )
      if (kind === 'Probe') return spokenOf(world, textAt(spec, 'prober', 'url') ?? '', from, title(object))
      if (metadata.name !== 'additional-scrape-configs') return []
      return scrapeJobs(object).flatMap(job => [
        ...all.flatMap(pod => askedBy(job, pod).flatMap(port => found(pod, port, `job ${job.job_name}`))),
        ...portsOutside(job).map(
          (port): Flow => ({ from, to: outside, port, protocol: 'TCP', why: `job ${job.job_name}` }),
        ),
      ])
    })
  })
}

interface Job {
  job_name: string
  kubernetes_sd_configs?: { namespaces?: { names: string[] } }[]
  relabel_configs?: {
    action?: string
    source_labels?: string[]
    regex?: string
    target_label?: string
    replacement?: string
  }[]
}

function scrapeJobs(secret: K8sObject): Job[] {
  const [encoded = ''] = Object.values(mapAt(secret, 'data'))
  return (parseAllDocuments(Buffer.from(encoded, 'base64').toString())[0]?.toJS() ?? []) as Job[]
}

/** The ports of a pod that a job keeps, by what Prometheus knows of a pod. */
function askedBy({ kubernetes_sd_configs: [found] = [], relabel_configs: rules = [] }: Job, pod: Pod): number[] {
  if (!found?.namespaces?.names.includes(pod.namespace)) return []
  const keeps = rules.filter(({ action }) => action === 'keep')
  return pod.ports
    .filter(port => {
      const meta: Record<string, string> = { __meta_kubernetes_pod_container_port_name: port.name }
      meta.__meta_kubernetes_pod_container_port_number = String(port.number)
      for (const [key, value] of Object.entries(pod.labels))
        meta[`__meta_kubernetes_pod_label_${key.replace(/[^\w]/g, '_')}`] = value
      return keeps.every(({ source_labels = [], regex = '' }) =>
        new RegExp(`^(?:${regex})$`).test(source_labels.map(label => meta[label] ?? '').join(';')),
      )
    })
    .map(({ number }) => number)
}

/** Of addresses in a file of the owner's, the port that a rule adds to each. */
const portsOutside = ({ relabel_configs: rules = [] }: Job): number[] =>
  rules.flatMap(({ target_label, replacement = '' }) => {
    const port = target_label === '__address__' ? /:(\d+)$/.exec(replacement)?.[1] : undefined
    return port ? [Number(port)] : []
  })

/** What the blackbox exporter asks, as a device in the house: names of AdGuard, pages of Traefik, addresses outside. */
export function probes(world: World): Flow[] {
  const prober = podsNamed(world, 'prometheus-blackbox-exporter')
  const doors = world.services.filter(({ spec }) => textAt(spec, 'type') === 'LoadBalancer')
  const address = (service: K8sObject) => service.metadata.annotations?.['metallb.io/loadBalancerIPs']
  const asked = (from: Pod, target: string, why: string): Flow[] => {
    const [, host = '', port] = /^(?:\w+:\/\/)?([^:/]+)(?::(\d+))?/.exec(target) ?? []
    const own = doors.find(one => address(one) === host)
    // Kubernetes brings a pod that asks for such an address to the pod behind it, without leaving the cluster.
    if (own) return to(world, from, own, undefined, why)
    if (/^[\d.]+$/.test(host)) return [{ from, to: outside, port: Number(port ?? 443), protocol: 'TCP', why }]
    return traefik(world).flatMap(pod =>
      ['web', 'websecure'].map(name => ({
        from,
        to: pod,
        port: portNumber(pod, name) ?? 0,
        protocol: 'TCP' as const,
        why,
      })),
    )
  }
  return prober.flatMap(from => [
    ...listAt(from.spec, 'dnsConfig', 'nameservers').flatMap(server => asked(from, String(server), 'its DNS servers')),
    ...world.objects.flatMap(object => {
      if (object.kind === 'Probe') return asked(from, 'every.host', title(object))
      if (object.kind !== 'ServiceMonitor') return []
      const targets = listAt(object.spec, 'endpoints').flatMap(one => listAt(one, 'params', 'target'))
      return targets.flatMap(target => asked(from, String(target), title(object)))
    }),
  ])
}
