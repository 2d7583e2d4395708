// Names that nothing rendered holds: made by steps, by controllers at run time, or by the cluster itself.

/** Secrets and ConfigMaps: `Kind namespace/name` → its keys. */
export const generated: Readonly<Record<string, readonly string[]>> = {
  // by the steps
  'Secret adguard/adguard-admin': ['username', 'password', 'passwordHash'],
  'Secret traefik/dashboard-auth': ['username', 'password'],
  'Secret cert-manager/dns01-cloudflare': ['api-token'],
  'Secret cert-manager/dns01-digitalocean': ['access-token'],
  'Secret cert-manager/dns01-rfc2136': ['tsig-secret'],
  'Secret cattle-system/bootstrap-secret': ['bootstrapPassword'],
  'Secret cattle-system/tls-ca': ['cacerts.pem'],
  'Secret velero/velero-s3': ['cloud'],
  'Secret velero/velero-repo-credentials': ['repository-password'],
  'Secret influxdb/influxdb-admin': ['admin-password', 'admin-token'],
  // by the Job influxdb-setup
  'Secret influxdb/telegraf-token': ['token'],
  'Secret monitoring/alertmanager-config': ['alertmanager.yaml'],
  'Secret monitoring/grafana-admin': ['admin-user', 'admin-password'],
  'Secret monitoring/scrape-targets': ['proxmox.json', 'rancher.json', 'rancher-token'],
  'Secret monitoring/adguard-exporter': ['ADGUARD_USERNAMES', 'ADGUARD_PASSWORDS'],
  // by MetalLB's controller
  'Secret metallb-system/metallb-memberlist': ['secretkey'],
  // by cert-manager's webhook
  'Secret cert-manager/cert-manager-webhook-ca': ['ca.crt', 'tls.crt', 'tls.key'],
  // by Argo CD's hook Job
  'Secret argocd/argocd-redis': ['auth'],
}

/** What cert-manager writes into the Secret of each Certificate. */
export const certificateKeys = ['ca.crt', 'tls.crt', 'tls.key'] as const
