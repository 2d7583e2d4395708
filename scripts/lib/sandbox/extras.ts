// Optional programs of the sandbox, each group in a Go module of its own: the table. Most rehearsals do without some.
// A new one: a folder infrastructure/sandbox/NAME with go.mod and go.sum, and a row here; `make programs` builds it, and
// what is to run in the place of a pod names it in `local-programs.ts`.
import type { Patch } from './modules.ts'

export interface Extra {
  /** What it is called in messages. */
  title: string
  /** The folder of its module, when that is another's. */
  module?: string
  /** Package → our name for the program. */
  packages: Readonly<Record<string, string>>
  /** The module whose version is that of the whole. */
  versionOf: string
  /** Lines that no flag reaches, changed in a copy of the module. */
  patches?: readonly Patch[]
  /** Further flags for Go, e.g. `-tags=…`. */
  flags?: readonly string[]
  /** Go variables that are set to that version, without its `v`. */
  stamps?: readonly string[]
  /** For Go itself. `GOTOOLCHAIN: 'auto'` fetches the newer Go that a module asks for, verified as modules are. */
  env?: Readonly<Record<string, string>>
  /** Scripts that are laid beside the programs: name → text. */
  scripts?: Readonly<Record<string, string>>
  /** Ports on 127.0.0.1 by which its programs find each other in a sandbox, by name. */
  ports?: readonly string[]
}

const sealed = 'github.com/bitnami-labs/sealed-secrets'
const argo = 'github.com/argoproj/argo-cd/v3'
const velero = 'github.com/vmware-tanzu/velero'
const loki = 'github.com/grafana/loki/v3'

const argoPatches: readonly Patch[] = [
  {
    // Metrics on every interface.
    module: argo,
    file: 'controller/appcontroller.go',
    from: /^(\tmetricsAddr := fmt\.Sprintf\()"0\.0\.0\.0:%d"(, metricsPort\))$/gm,
    to: '$1"127.0.0.1:%d"$2',
  },
]

// Argo CD looks for it on its PATH; its images bring one. It asks about every commit, and an unsigned one is no failure.
const argoScripts = { 'git-verify-wrapper.sh': '#!/bin/sh\ngit verify-commit "$1" 2>&1\nexit 0\n' }
const gatekeeper = 'github.com/open-policy-agent/gatekeeper/v3'

export const extras = {
  argocd: {
    title: 'Argo CD',
    packages: {
      [`${argo}/cmd`]: 'argocd', // all of its programs; the name under which it is started says which
      'sigs.k8s.io/kustomize/kustomize/v5': 'kustomize',
      './redis': 'argocd-redis',
    },
    versionOf: argo,
    patches: argoPatches,
    stamps: [`${argo}/common.version`],
    env: { GOTOOLCHAIN: 'auto' },
    scripts: argoScripts,
    ports: ['redis', 'repo-server'],
  },
  backup: {
    title: 'Velero',
    packages: {
      [`${velero}/cmd/velero`]: 'velero',
      [`${velero}-plugin-for-aws/velero-plugin-for-aws`]: 'velero-plugin-for-aws',
      'github.com/versity/versitygw/cmd/versitygw': 's3-server',
    },
    versionOf: velero,
    patches: [
      {
        // Its libraries' metrics on port 8080 of every interface: a second sandbox found it taken, and had no backups.
        module: velero,
        file: 'pkg/cmd/server/server.go',
        from: /^\t\tmgr, err = ctrl\.NewManager\(clientConfig, ctrl\.Options\{$/gm,
        to: '$&\n\t\t\tMetrics: metricsserver.Options{BindAddress: "0"},',
      },
      {
        module: velero,
        file: 'pkg/cmd/server/server.go',
        from: /^\tctrl "sigs\.k8s\.io\/controller-runtime"$/gm,
        to: '$&\n\tmetricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"',
      },
    ],
    stamps: [`${velero}/pkg/buildinfo.Version`],
    ports: ['s3'],
  },
  network: {
    title: 'Cyclonus',
    packages: { './connect': 'connect' },
    versionOf: 'github.com/mattfenwick/cyclonus',
  },
  loki: {
    title: 'Loki',
    packages: { [`${loki}/cmd/loki`]: 'loki' },
    versionOf: loki,
    stamps: [`${loki}/pkg/util/build.Version`],
  },
  operator: {
    title: "Prometheus' operator",
    packages: { 'github.com/prometheus-operator/prometheus-operator/cmd/operator': 'prometheus-operator' },
    versionOf: 'github.com/prometheus-operator/prometheus-operator',
  },
  policies: {
    title: 'Gatekeeper',
    packages: { [gatekeeper]: 'gatekeeper', [`${gatekeeper}/cmd/gator`]: 'gator' },
    versionOf: gatekeeper,
    patches: [
      {
        // Metrics on every interface.
        module: gatekeeper,
        file: 'pkg/metrics/exporters/prometheus/prometheus_exporter.go',
        from: /^(\t+Addr: +fmt\.Sprintf\(")(:%v", port\),)$/gm,
        to: '$1127.0.0.1$2',
      },
    ],
  },
  secrets: {
    title: 'Sealed Secrets',
    packages: { [`${sealed}/cmd/controller`]: 'sealed-secrets-controller', [`${sealed}/cmd/kubeseal`]: 'kubeseal' },
    versionOf: sealed,
    // It looks for its ServiceAccount where only a kubelet puts it.
    patches: [
      {
        module: sealed,
        file: 'pkg/controller/main.go',
        from: /rest\.InClusterConfig\(\)/g,
        to: 'clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))',
      },
      {
        module: sealed,
        file: 'pkg/controller/main.go',
        from: /^\t"k8s\.io\/client-go\/rest"$/gm,
        to: '\t"k8s.io/client-go/tools/clientcmd"',
      },
    ],
    stamps: ['main.VERSION'],
  },
  checks: {
    title: 'kubeconform, actionlint and gitleaks',
    packages: {
      'github.com/yannh/kubeconform/cmd/kubeconform': 'kubeconform',
      'github.com/rhysd/actionlint/cmd/actionlint': 'actionlint',
      'github.com/zricethezav/gitleaks/v8': 'gitleaks',
    },
    versionOf: 'github.com/yannh/kubeconform',
  },
  trivy: {
    title: 'Trivy',
    packages: { 'github.com/aquasecurity/trivy/cmd/trivy': 'trivy' },
    versionOf: 'github.com/aquasecurity/trivy',
    stamps: ['github.com/aquasecurity/trivy/pkg/version/app.ver'],
    env: { GOTOOLCHAIN: 'auto', GOEXPERIMENT: 'jsonv2' }, // it is written for it
  },
  render: {
    title: "Argo CD's renderer",
    module: 'argocd',
    packages: { './render': 'argocd-render', 'sigs.k8s.io/kustomize/kustomize/v5': 'kustomize' },
    versionOf: argo,
    patches: argoPatches, // not needed; what was compiled for the one is then there for the other
    env: { GOTOOLCHAIN: 'auto' },
    scripts: argoScripts,
  },
  exporters: {
    title: 'node_exporter, blackbox_exporter, kube-state-metrics and CoreDNS',
    packages: {
      'github.com/prometheus/node_exporter': 'node_exporter',
      'github.com/prometheus/blackbox_exporter': 'blackbox_exporter',
      'k8s.io/kube-state-metrics/v2': 'kube-state-metrics',
      'github.com/coredns/coredns': 'coredns',
    },
    versionOf: 'github.com/prometheus/node_exporter',
  },
  telegraf: {
    title: 'Telegraf',
    packages: { 'github.com/influxdata/telegraf/cmd/telegraf': 'telegraf' },
    versionOf: 'github.com/influxdata/telegraf',
    // The plugins that infrastructure/influxdb/telegraf/values.yaml names, and the two that its chart adds: all of them
    // are eleven minutes of building. Telegraf says `undefined but requested` of one that is missing here.
    flags: [
      '-tags=custom,inputs.dns_query,inputs.http_response,inputs.internal,inputs.ping,outputs.health,outputs.influxdb_v2,outputs.prometheus_client',
    ],
  },
  prometheus: {
    title: 'Prometheus, promtool and amtool',
    packages: {
      'github.com/prometheus/prometheus/cmd/prometheus': 'prometheus',
      'github.com/prometheus/prometheus/cmd/promtool': 'promtool',
      'github.com/prometheus/alertmanager/cmd/amtool': 'amtool',
    },
    versionOf: 'github.com/prometheus/prometheus',
    env: { GOTOOLCHAIN: 'auto' },
  },
} as const satisfies Record<string, Extra>

export type ExtraName = keyof typeof extras

export const extraNames = Object.keys(extras) as ExtraName[]
