// What can be set elsewhere than in .env, for the reference page: the facts of an environment in Git, and the variables of
// a single command. A test holds both to what is read.

/** Keys of gitops/environments/ENV/site.yaml; an application of your own adds its host. */
export const siteKeys: Readonly<Record<string, string>> = {
  environment: 'its name; `make configure` writes it and the next three',
  domain: '`DOMAIN`; the hosts below it move along when it changes',
  repository: '`GIT_REPOSITORY`',
  revision: '`GIT_REVISION`: another branch here is the way to try a change in one cluster',
  storageClass: 'the class of all volumes',
  s3Endpoint: '`S3_ENDPOINT`; empty: nothing is backed up',
  s3Bucket: '`S3_BUCKET`',
  s3Region: '`S3_REGION`',
  lokiSize: 'the volume of the logs',
  logRetention: 'how long lines are kept, in hours: `168h`',
  influxdbHost: 'the host of its page, and the one that Proxmox VE sends to',
  influxdbSize: 'its volume',
  rawRetention: 'how long each single value is kept: `30d`',
  hourlyRetention: 'how long the means of hours are kept: `5y`',
  grafanaHost: 'the host of its page',
  argocdHost: 'the name that the probes ask the DNS servers for',
  traefikHost: 'the page by which the probes look at Traefik',
  networkPolicies: '`NETWORK_POLICIES`: the folder of the policies, or its `none`',
  adguardAddress1: 'the first of `ADGUARD_IPS`',
  adguardAddress2: 'the second',
  prometheusRetention: 'how long metrics are kept; a month of availability needs 35 days',
  prometheusRetentionSize: 'at most so much of them, below the size of the volume',
  prometheusSize: 'its volume; a volume grows only where its class can do that, which local-path cannot',
}

/** Variables that a command takes from its environment, besides the keys of .env. */
export const variables: Readonly<Record<string, string>> = {
  ENV: 'the environment: `prod` (the default), `staging` or `dev`',
  SANDBOX: 'which sandbox `--sandbox` and `make sandbox` mean: `default`',
  CHARTS: '`real`, `stand-in` or `auto`: [charts without a network](../sandbox/README.md#charts-without-a-network)',
  HOMELAB_PATIENCE: 'seconds that a wait may last: 900, on a sandbox 90',
  HOMELAB_SANDBOX_DIR: 'where sandboxes lie: `~/.cache/homelab/sandboxes`',
  XDG_CACHE_HOME: 'where built programs and charts lie: `~/.cache`',
  GO: 'the Go that builds the programs of the sandbox: `go` on PATH',
  NO_COLOR: 'any value: no colours; `FORCE_COLOR=1` has them in a pipe too',
}
