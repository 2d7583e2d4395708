// Questions to the programs of the applications, asked through the API server: does it answer, and does data flow?
// One record a question; an application without one is judged by its pods and its published hosts.
import { at, listAt } from '../k8s.ts'

export interface Probe {
  /** The Application. */
  application: string
  about: 'endpoint' | 'data'
  title: string
  /** The Service, by the end of its name, and its port. */
  service: RegExp
  port: number
  path: string
  /** @returns what is wrong with an answer; undefined when nothing is */
  wrong(body: string): string | undefined
  /** The command that leads to the cause. */
  fix: string
}

const says = (expected: RegExp) => (body: string) =>
  expected.test(body) ? undefined : `it answers ${JSON.stringify(body.trim().slice(0, 60))}`

/** Of an answer of Prometheus, or of Loki, the number of what a query counts. */
function counted(what: string): (body: string) => string | undefined {
  return body => {
    const [first] = listAt(parsed(body), 'data', 'result')
    return Number(listAt(first, 'value')[1] ?? 0) > 0 ? undefined : what
  }
}

export const probes: readonly Probe[] = [
  {
    ...{ application: 'monitoring', about: 'endpoint', title: 'Prometheus', service: /prometheus$/, port: 9090 },
    ...{ path: '-/ready', wrong: says(/ready/i), fix: 'make logs APP=monitoring' },
  },
  {
    ...{ application: 'monitoring', about: 'endpoint', title: 'Alertmanager', service: /alertmanager$/, port: 9093 },
    ...{ path: '-/ready', wrong: says(/ok|ready/i), fix: 'make logs APP=monitoring' },
  },
  {
    ...{ application: 'monitoring', about: 'endpoint', title: 'Grafana', service: /grafana$/, port: 80 },
    ...{ path: 'api/health', wrong: says(/"database":\s*"ok"/), fix: 'make logs APP=monitoring' },
  },
  {
    ...{ application: 'monitoring', about: 'data', title: 'targets are scraped', service: /prometheus$/, port: 9090 },
    ...{ path: 'api/v1/query?query=count(up%3D%3D1)', wrong: counted('no target is up') },
    fix: 'kubectl -n monitoring get servicemonitors,podmonitors',
  },
  {
    ...{ application: 'blackbox', about: 'endpoint', title: 'the prober', service: /blackbox/, port: 9115 },
    ...{ path: '-/healthy', wrong: says(/healthy/i), fix: 'make logs APP=blackbox' },
  },
  {
    ...{ application: 'loki', about: 'endpoint', title: 'Loki', service: /^loki$/, port: 3100 },
    ...{ path: 'ready', wrong: says(/^ready/), fix: 'make logs APP=loki' },
  },
  {
    ...{ application: 'loki', about: 'data', title: 'logs arrive', service: /^loki$/, port: 3100 },
    path: 'loki/api/v1/query?query=sum(count_over_time(%7Bnamespace%3D~%22.%2B%22%7D%5B15m%5D))',
    ...{ wrong: counted('no line of a log in 15 minutes'), fix: 'make logs APP=alloy' },
  },
  {
    ...{ application: 'alloy', about: 'endpoint', title: 'Alloy', service: /^alloy$/, port: 12345 },
    ...{ path: '-/ready', wrong: says(/ready/i), fix: 'make logs APP=alloy' },
  },
  {
    ...{ application: 'influxdb', about: 'endpoint', title: 'InfluxDB', service: /^influxdb$/, port: 8086 },
    ...{ path: 'health', wrong: says(/"status":\s*"pass"/), fix: 'make logs APP=influxdb' },
  },
  {
    application: 'sealed-secrets',
    ...{ about: 'endpoint', title: 'the certificate', service: /sealed-secrets-controller$/, port: 8080 },
    ...{ path: 'v1/cert.pem', wrong: says(/BEGIN CERTIFICATE/), fix: 'make logs APP=sealed-secrets' },
  },
]

function parsed(body: string): unknown {
  try {
    return at(JSON.parse(body))
  } catch {
    return undefined
  }
}
