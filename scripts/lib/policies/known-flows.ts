// Flows that nothing rendered tells of, each with its reason. A row counts where its pods are. Pure.
import { apiServer, type Flow, outside } from './flow.ts'
import type { Outside, Pod, Protocol, World } from './world.ts'

interface Row {
  /** `namespace/name`, the name being the label by which a pod is known; `namespace/*` is each pod of it. */
  from: string | Outside
  to: string | Outside
  /** None: any. */
  ports?: readonly number[]
  /** TCP unless said; `any` is pings and all else too. */
  protocol?: readonly Protocol[] | 'any'
  why: string
}

const rows: readonly Row[] = [
  { from: 'argocd/argocd-repo-server', to: outside, why: 'a Git server listens where its owner has put it' },
  { from: 'velero/*', to: outside, why: 'the S3 server of S3_ENDPOINT, whatever its port' },
  {
    from: 'monitoring/alertmanager',
    to: outside,
    why: 'mail servers, ntfy and webhooks of the ALERT_ keys, whatever their port',
  },
  { from: 'monitoring/prometheus-blackbox-exporter', to: outside, why: 'whatever its owner lets it probe' },
  {
    ...{ from: 'influxdb/telegraf', to: outside, protocol: 'any' },
    why: 'pings, DNS, pages, and the devices that its owner adds',
  },
  {
    ...{ from: 'adguard/adguard', to: outside, ports: [443, 853], protocol: ['TCP', 'UDP'] },
    why: 'encrypted upstreams (DNS over HTTPS, TLS, QUIC), which its owner sets in its pages',
  },
  { from: 'monitoring/prometheus', to: outside, ports: [10250], why: 'the kubelet of each node' },
  {
    from: 'monitoring/prometheus',
    to: 'cattle-system/rancher',
    ports: [80],
    why: 'the job rancher, with RANCHER_METRICS_TOKEN',
  },
  {
    from: 'monitoring/grafana',
    to: 'monitoring/alertmanager',
    ports: [9093],
    why: "the chart's data source of alerts",
  },
  {
    from: 'falco/falcosidekick',
    to: 'monitoring/alertmanager',
    ports: [9093],
    why: 'what Falco hears becomes a message; the address stands in a Secret',
  },
  { from: 'alloy/alloy', to: 'alloy/alloy', ports: [12345], why: 'they agree on who reads the events of the cluster' },
  // Rancher makes more at run time than its chart shows; its other namespaces are its own, and no policy of ours is there.
  { from: 'cattle-system/*', to: 'cattle-system/*', protocol: 'any', why: 'what Rancher starts talks to Rancher' },
  { from: 'cattle-system/*', to: outside, ports: [443], why: 'its catalogues, and hosts published by the lab' },
  { from: apiServer, to: 'cattle-system/rancher', ports: [6666], why: 'its part of the API (ext.cattle.io)' },
  { from: apiServer, to: 'cattle-system/rancher-webhook', ports: [9443], why: 'the webhook that it starts' },
  { from: 'cattle-fleet-system/*', to: 'cattle-system/rancher', ports: [443, 444], why: 'Fleet, which Rancher brings' },
  {
    from: 'cattle-fleet-local-system/*',
    to: 'cattle-system/rancher',
    ports: [443, 444],
    why: 'its agent in this cluster',
  },
]

export function knownFlows(world: World): Flow[] {
  return rows.flatMap(({ from, to, ports = [undefined], protocol = ['TCP'], why }) =>
    ends(world, from).flatMap(a =>
      ends(world, to).flatMap(b =>
        ports.flatMap(port =>
          (protocol === 'any' ? [undefined] : protocol).map(one => ({
            ...{ from: a, to: b, why },
            ...(port === undefined ? {} : { port }),
            ...(one === undefined ? {} : { protocol: one }),
          })),
        ),
      ),
    ),
  )
}

function ends(world: World, end: string | Outside): (Pod | Outside)[] {
  if (typeof end !== 'string') return [end]
  const [namespace, name] = end.split('/')
  return world.pods.filter(
    ({ labels, ...pod }) =>
      pod.namespace === namespace && (name === '*' || (labels['app.kubernetes.io/name'] ?? labels.app) === name),
  )
}
