// How bootstraps at home fail, and what this one does about it. Collected from public issue threads; the ids are those of the
// collection. A test holds every reference to what it names, so that the page made from this cannot drift from the tests.

export interface FailureMode {
  id: string
  /** What the owner sees, and whose doing it is. */
  what: string
  /** What this project does. */
  handled: string
  /** Rows of the matrix (`row K1`), checks of the doctor (`check storage.default`), tests (`e2e/uninstall: part of its name`). */
  shown?: readonly string[]
  /** Why nothing is done or shown here yet. */
  open?: string
}

const machine = 'needs the owner’s machines'

export const failureModes: readonly FailureMode[] = [
  {
    id: 'M01',
    what: 'a killed helm leaves its release pending, and Helm refuses every further change',
    handled:
      'the next run takes the dead one’s lock over and removes the newest pending revisions of that run, in one line',
    shown: ['row K1', 'row K2', 'row H1', 'row H2', 'row A5-record'],
  },
  {
    id: 'M02',
    what: 'an interrupted or failed release is continued with the values of the failed one',
    handled: 'signals reach helm, which gets 30 s to write its state; values are always complete (--reset-values)',
    shown: ['row K3', 'row H7', 'e2e/interrupt: an interrupted run ends with 130'],
  },
  {
    id: 'M03',
    what: 'a field is owned by somebody else, and the apply conflicts',
    handled: 'what the steps own they take back, by server-side apply; what Argo CD owns is refused with its name',
    shown: ['row H3', 'row H4', 'check owners.platform'],
  },
  {
    id: 'M04',
    what: 'helm waits for ever for an optional object, or returns too early',
    handled: 'helm waits for its hooks only; all other waiting is ours, per component, and says what for',
    shown: ['e2e/blocks: 02 blocks at its pool'],
  },
  {
    id: 'M05',
    what: 'objects exist that belong to kubectl, another release or Argo CD',
    handled: 'refused before the first write, with the owner’s name and the way to hand over; make adopt for Argo CD',
    shown: ['row H3', 'e2e/adopt: a bootstrap refuses what Argo CD owns'],
  },
  {
    id: 'M06',
    what: 'large CRDs do not fit into an annotation, large releases not into a Secret',
    handled: 'server-side apply everywhere; CRDs are applied on their own, before the chart',
    shown: ['e2e/bootstrap: one command builds the platform'],
  },
  {
    id: 'M07',
    what: 'a custom resource is applied before its kind is served',
    handled:
      'waits until the kind is served, within a budget; a kind that clashes with another is named, with the other',
    shown: ['row W4', 'row A5-kind', 'e2e/blocks: 02 blocks at its pool'],
  },
  {
    id: 'M08',
    what: 'Helm never upgrades the CRDs of a chart, so new fields are unknown',
    handled: 'CRDs come from the pinned chart in a step of their own, and make upgrade shows what changes in them',
    shown: ['e2e/upgrade: exactly what moves is shown'],
  },
  {
    id: 'M09',
    what: 'uninstalling takes the kinds and all objects of them along',
    handled: 'kinds in use stay, and their objects are counted; --delete-crds says otherwise',
    shown: ['e2e/uninstall: a plan says what goes and what stays'],
  },
  {
    id: 'M10',
    what: '--set reads commas, dots and backslashes in its own way',
    handled: 'values go to helm by standard input as YAML; --set is used nowhere',
    shown: ['e2e/canaries: a run with every secret'],
  },
  {
    id: 'M11',
    what: 'a chart that nobody pinned changes under an unchanged repository',
    handled: 'versions are pinned, the digest of each chart is recorded at its first pull',
    shown: ['row X1', 'e2e/charts: the same version with another content is refused'],
  },
  {
    id: 'M12',
    what: 'a chart does not run on this Kubernetes',
    handled: 'every chart’s own constraint is compared before the first write',
    shown: ['check versions.charts', 'e2e/upgrade: a chart that does not run on this Kubernetes'],
  },
  {
    id: 'M13',
    what: 'MetalLB’s webhook does not answer yet, or never will',
    handled: 'waits with its name, then ends with the state of the pods behind it; no webhook is ever deleted',
    shown: ['row W1', 'row W3', 'e2e/blocks: 02 blocks at its pool'],
  },
  {
    id: 'M14',
    what: 'cert-manager’s webhook has no certificate although its pods are ready',
    handled: 'ready means that a dry run of a real object passes',
    shown: ['e2e/blocks: 05 blocks while its webhook has no certificate'],
  },
  {
    id: 'M15',
    what: 'the admission job of kube-prometheus-stack is stale',
    handled: 'the operator’s webhooks are off, so there is no such job',
    shown: ['manifests/application-values: every key of our values exists'],
  },
  {
    id: 'M16',
    what: 'Gatekeeper locks the cluster after all nodes restart',
    handled:
      'both of its webhooks fail open and leave the platform alone; it is the last application, and there is a way out',
    shown: ['e2e/policies: when Gatekeeper is away, things go in', 'manifests/policies: Gatekeeper fails open'],
  },
  {
    id: 'M17',
    what: 'a dead conversion webhook stops everything that reads its kind',
    handled: 'the doctor names kinds whose webhook has nobody behind it',
    shown: ['check leftovers.conversion', 'check leftovers.webhooks'],
  },
  {
    id: 'M18',
    what: 'the API server or etcd is away, busy, or changes its leader in the middle of a run',
    handled: 'one table of error classes; what passes by itself is retried with jitter within a budget, and told',
    shown: ['row A1', 'row A3', 'row A4', 'row A5', 'row A5-record', 'row A5-any', 'row A5-kind'],
  },
  {
    id: 'M19',
    what: 'a namespace never ends because an aggregated API is dead',
    handled: 'the API is named; finalizers of namespaces are never stripped',
    shown: ['row W6', 'check leftovers.apis', 'check leftovers.namespaces'],
  },
  {
    id: 'M20',
    what: 'what is left of Rancher blocks every write to a namespace',
    handled: 'an uninstall takes its webhooks first, then its finalizers by name, its kinds last',
    shown: ['e2e/uninstall: killed in the middle and run again'],
  },
  {
    id: 'M21',
    what: 'Crossplane’s resources outlive their provider',
    handled: '',
    open: 'no Crossplane here: decision 12',
  },
  {
    id: 'M22',
    what: 'a Deployment makes no pod and says nothing: a quota or a limit range forbids it',
    handled:
      'the cause is printed while the wait lasts; every workload has requests and limits; a quota that counts what never came is made to count again',
    shown: ['row S2', 'manifests/workloads: every workload has requests, limits'],
  },
  {
    id: 'M23',
    what: 'Pod Security forbids MetalLB’s speakers',
    handled: 'each namespace gets the level that its pods need, before them',
    shown: ['row S2-security'],
  },
  {
    id: 'M24',
    what: 'a Service stays without an address: no pool, pool used up, address outside of it',
    handled: 'fixed addresses must lie in the pool; a pool that is used up is named with who has what',
    shown: ['row N1', 'check network.pool-used', 'e2e/blocks: 04 blocks while its address is not given'],
  },
  {
    id: 'M25',
    what: 'the load balancer of k3s and MetalLB write the same status',
    handled: 'refused, with the lines for k3s’s configuration',
    shown: ['row N2-servicelb', 'check network.bundled-load-balancer'],
  },
  {
    id: 'M26',
    what: 'the Traefik of k3s or the ingress controller of RKE2 has the ports',
    handled: 'refused, with the lines for the distribution’s configuration',
    shown: ['row N2-traefik', 'row N2-rke2', 'check network.bundled-ingress'],
  },
  {
    id: 'M27',
    what: 'the pool contains a node, the gateway or what DHCP gives out',
    handled:
      'compared with nodes, gateway, this machine and the cluster’s own networks; DHCP cannot be seen, and that is said',
    shown: ['row N1', 'check network.pool-nodes', 'check network.pool-lan'],
  },
  {
    id: 'M28',
    what: 'nobody answers for an address because nodes are excluded from load balancers',
    handled: 'MetalLB ignores the label on the only nodes (speaker.ignoreExcludeLB)',
    shown: ['manifests/values: every key of our values exists'],
  },
  {
    id: 'M29',
    what: 'port 53 is taken on the node',
    handled: 'AdGuard has addresses of its own and no host port',
    shown: ['cluster: names resolve while one of the two AdGuards is drained'],
  },
  {
    id: 'M30',
    what: 'AdGuard cannot write its configuration, or loses it',
    handled: 'seeded once into its volume; afterwards only our own entries are reconciled, through its API',
    shown: ['e2e/bootstrap: our rewrite follows when Traefik moves', 'cluster: all pods restarted'],
  },
  {
    id: 'M31',
    what: 'nodes ask the AdGuard in the cluster, and after a power cut can pull no image',
    handled: 'the upstreams are addresses; what the nodes ask cannot be seen from outside, PREPARE.md says it',
    open: machine,
  },
  { id: 'M32', what: 'CoreDNS forwards to itself', handled: 'PREPARE.md says it', open: machine },
  {
    id: 'M33',
    what: 'a search domain with a wildcard answers for the whole internet',
    handled: 'DOMAIN is checked; the nodes’ search domains cannot be seen from outside, PREPARE.md says it',
    open: machine,
  },
  {
    id: 'M34',
    what: 'default-deny policies cut webhooks and DNS',
    handled: '',
    open: 'comes with the network policies',
  },
  {
    id: 'M35',
    what: 'Let’s Encrypt refuses the placeholder e-mail',
    handled: 'refused before anything is written',
    shown: ['unit/corpus: acme email example com'],
  },
  {
    id: 'M36',
    what: 'too many certificates for the same names',
    handled: 'the own CA is the default, Let’s Encrypt’s staging the next step; certificates survive a second run',
    shown: ['e2e/bootstrap: a second run writes nothing'],
  },
  {
    id: 'M37',
    what: 'the DNS-01 check never sees its record, behind a split horizon',
    handled: 'cert-manager asks public name servers only',
    shown: ['manifests/values: every key of our values exists'],
  },
  {
    id: 'M38',
    what: 'a Cloudflare key of the wrong kind, or with a stray quote',
    handled: 'its shape is checked before anything is written',
    shown: ['unit/corpus: cloudflare'],
  },
  {
    id: 'M39',
    what: 'the kubeconfig’s certificate has ended, or its token is unknown',
    handled: 'named within seconds, with the day on which it ended; a month before it is announced',
    shown: ['row C2', 'check cluster.credentials'],
  },
  {
    id: 'M40',
    what: 'clocks differ, and certificates are not valid yet',
    handled: 'this machine’s clock is compared with the API server’s',
    shown: ['check cluster.clock'],
  },
  {
    id: 'M41',
    what: 'the bootstrap lands on another cluster',
    handled: 'the context stands in .env, the cluster’s UID is confirmed once; another is refused with both UIDs',
    shown: ['row C1', 'check cluster.identity'],
  },
  {
    id: 'M42',
    what: 'Rancher’s first password counts only once',
    handled: 'generated, never changed by a run; make credentials says that it is the first one',
    shown: ['e2e/bootstrap: generated passwords survive every run'],
  },
  {
    id: 'M43',
    what: 'Grafana’s and InfluxDB’s password is another after each sync',
    handled: 'both are made once by step 07, and the charts refer to the Secrets',
    shown: ['e2e/bootstrap: generated passwords survive every run'],
  },
  {
    id: 'M44',
    what: 'sealed secrets cannot be opened after a rebuild',
    handled: 'our own key pair, in one encrypted file with which every sealed file in Git is opened before it counts',
    shown: ['e2e/sealed-secrets: the cluster is lost'],
  },
  {
    id: 'M45',
    what: 'two default StorageClasses, and claims silently take the newest',
    handled: 'exactly one after the first step; two are refused by name, with the line for k3s',
    shown: ['row S1', 'check storage.default'],
  },
  { id: 'M46', what: 'a volume stays behind on a node that is gone', handled: '', open: machine },
  { id: 'M47', what: 'a pod of a lost node is Terminating for ever', handled: '', open: machine },
  { id: 'M48', what: 'a node that comes back is refused its name', handled: '', open: machine },
  {
    id: 'M49',
    what: 'cloned machines share an address or a machine id',
    handled: 'the doctor compares what the nodes say of themselves',
    shown: ['check nodes.distinct'],
  },
  {
    id: 'M50',
    what: 'a snapshot without its server token',
    handled: 'the bundle of make backup-keys takes the token beside the keys, and says each time when it has none',
    shown: ['e2e/sealed-secrets: the bundle holds all of it'],
  },
  {
    id: 'M51',
    what: 'Velero’s place for backups is not available, or lies in the same cluster',
    handled: 'an S3 server inside the cluster or the lab is refused; one that does not answer is named with its cause',
    shown: ['unit/corpus: s3 is a service', 'check storage.backups', 'e2e/backup: a bucket that is not there'],
  },
  {
    id: 'M52',
    what: 'a backup without the volumes’ content',
    handled:
      'the storage class makes volumes of the kind that Velero can read; objects come back one by one as they were',
    shown: ['e2e/backup: a namespace deleted as a whole'],
  },
  {
    id: 'M53',
    what: 'an image that a chart names has been withdrawn',
    handled: 'Velero’s CRDs come by Argo CD and not by a job with an image of its own; make mirror lists every image',
    shown: ['e2e/mirror: the images are those of charts'],
  },
  {
    id: 'M54',
    what: 'Docker Hub’s limit while everything is rebuilt',
    handled: 'make mirror lists every image, those of Docker Hub too',
    shown: ['e2e/mirror: the images are those of charts'],
  },
  {
    id: 'M55',
    what: 'Loki’s schema is missing, its disk full',
    handled: 'a dated schema, retention by the compactor, and no more writes from 90 % on',
    shown: ['manifests/logs-programs: retention is the compactor'],
  },
  {
    id: 'M56',
    what: 'sync waves do not wait, or trust an old verdict',
    handled: 'Argo CD gets a verdict on Applications that looks at what was compared',
    shown: ['e2e/gitops: an application that never gets healthy'],
  },
  {
    id: 'M57',
    what: 'a wrong or empty path prunes everything',
    handled: 'the parent prunes nothing and refuses an empty path; the repository is asked before anything is written',
    shown: ['manifests/gitops: the parent neither prunes', 'check tools.repository'],
  },
  {
    id: 'M58',
    what: 'deleting the parent, or Argo CD’s namespace, deletes the lab',
    handled: 'no Application has the finalizer that cascades; an uninstall deletes none of their objects',
    shown: ['manifests/gitops: the parent neither prunes'],
  },
  {
    id: 'M59',
    what: 'Helm and Argo CD change the same object for ever',
    handled: 'one owner a thing: the platform is never Argo CD’s; make adopt hands over',
    shown: ['row H3-argo', 'e2e/adopt: Argo CD leaves it alone'],
  },
  {
    id: 'M60',
    what: 'Falco finds no driver for Proxmox’s kernel',
    handled:
      'its driver is built in (modern eBPF), nothing is fetched; make policies names a node whose kernel is too old',
    shown: ['unit/gatekeeper/read: a kernel that is too old for Falco'],
  },
]
