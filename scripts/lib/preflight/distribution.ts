// What k3s and RKE2 bring along and would fight with ours, and the exact lines that turn it off.
import type { K8sObject } from '../k8s.ts'
import { type Check, few, orWell, problem, type Result, well } from './check.ts'
import type { Facts } from './facts.ts'

const link = 'infrastructure/docs/PREPARE.md'

const serverFix = (distribution: 'k3s' | 'rke2', line: string): string =>
  `put "${line}" into /etc/rancher/${distribution}/config.yaml on each server, then: sudo systemctl restart ${distribution === 'k3s' ? 'k3s' : 'rke2-server'}`

/** What a k3s server was started with, options of its config.yaml included: it keeps that in an annotation of its node. */
function serverArguments(node: K8sObject): string[] | undefined {
  try {
    const found: unknown = JSON.parse(node.metadata.annotations?.['k3s.io/node-args'] ?? 'null')
    const words = Array.isArray(found) ? found.map(String) : []
    return words[0] === 'server' ? words : undefined // an agent's say nothing about what the servers bring
  } catch {
    return undefined
  }
}

/** `--disable traefik`, `--disable=traefik,servicelb`, and either with other things between. */
function disabled(words: readonly string[]): string[] {
  return words.flatMap((word, i) => {
    const [flag = '', value = words[i + 1] ?? ''] = word.split(/=(.*)/s)
    return flag === '--disable' ? value.split(',') : []
  })
}

/** The k3s servers that were not told to leave the load balancer out: it shows itself only with the first Service. */
function serversWithLoadBalancer({ objects }: Facts): string[] {
  return objects.of('Node').flatMap(node => {
    const words = serverArguments(node)
    if (words === undefined || disabled(words).includes('servicelb')) return []
    // It is a part of k3s's cloud controller.
    return words.includes('--disable-cloud-controller') ? [] : [node.metadata.name]
  })
}

const named = (facts: Facts, kind: string, pattern: RegExp): string[] =>
  facts.objects
    .of(kind)
    .filter(({ metadata }) => metadata.namespace === 'kube-system' && pattern.test(metadata.name))
    .map(({ metadata }) => metadata.name)

/** Charts that helm-controller is to install, without those that it is to remove. */
const helmCharts = (facts: Facts, pattern: RegExp): string[] =>
  named(facts, 'HelmChart', pattern).filter(
    name => facts.objects.find('HelmChart', 'kube-system', name)?.metadata.deletionTimestamp === undefined,
  )

export const distribution: readonly Check[] = [
  {
    id: 'network.bundled-load-balancer',
    title: 'ServiceLB',
    reads: ['DaemonSet', 'Node'],
    look(facts) {
      if (!facts.steps.includes('02-metallb')) return well('step 02 is not chosen')
      const running = named(facts, 'DaemonSet', /^svclb-/)
      const servers = serversWithLoadBalancer(facts)
      if (running.length + servers.length === 0) return well('no load balancer of the distribution')
      return problem({
        what: `k3s's own load balancer is on (${running.length ? few(running) : `on ${few(servers)}`})`,
        why: 'it and MetalLB would both write the same addresses',
        fix: serverFix('k3s', 'disable: [servicelb, traefik]'),
        link,
      })
    },
  },
  {
    id: 'network.bundled-ingress',
    title: 'Bundled ingress',
    reads: ['DaemonSet', 'Deployment', 'Node'],
    look(facts) {
      if (!facts.steps.includes('04-traefik')) return well('step 04 is not chosen')
      const found: Result[] = []
      const k3s = new Set([
        ...named(facts, 'Deployment', /^traefik$/),
        ...named(facts, 'DaemonSet', /^traefik$/),
        ...helmCharts(facts, /^traefik$/),
      ])
      const why = 'it holds ports 80 and 443, which are for the Traefik of step 04, and its kinds are the same'
      if (k3s.size)
        found.push(
          problem({
            what: "k3s's own Traefik is on (kube-system/traefik)",
            why,
            fix: serverFix('k3s', 'disable: [servicelb, traefik]'),
            link,
          }),
        )
      const pattern = /^(rke2-traefik|rke2-ingress-nginx(-controller)?)$/
      const rke2 = new Set([
        ...named(facts, 'Deployment', pattern),
        ...named(facts, 'DaemonSet', pattern),
        ...helmCharts(facts, pattern),
      ])
      if (rke2.size)
        found.push(
          problem({
            what: `RKE2's own ingress controller is on (${few([...rke2])})`,
            why,
            fix: serverFix(
              'rke2',
              rke2.has('rke2-traefik') ? 'ingress-controller: none' : 'disable: [rke2-ingress-nginx]',
            ),
            link,
          }),
        )
      return orWell(found, 'no ingress controller of the distribution')
    },
  },
]
