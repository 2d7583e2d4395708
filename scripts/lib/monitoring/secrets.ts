// The Secrets that the monitoring applications expect in their namespace: made by step 07 before Argo CD installs them.
import { comesFrom, mayBeSealed } from '../sealing/keys.ts'
import type { Verbs } from '../verbs.ts'
import { alertmanagerConfig, pagesOf } from './alertmanager.ts'

/** What must be there before Prometheus, Alertmanager, Grafana and the blackbox exporter start. */
export async function monitoringSecrets({ site, secret, read, apply, after }: Verbs): Promise<void> {
  const config = alertmanagerConfig(site.alerts, pagesOf(site.git))
  await secret('monitoring/alertmanager-config', { 'alertmanager.yaml': config }, comesFrom('.env'))
  await secret(
    'monitoring/grafana-admin',
    { 'admin-user': 'admin', 'admin-password': secret.generated(24) },
    mayBeSealed,
  )
  const { proxmoxHosts, rancherToken } = site.watched
  await secret(
    'monitoring/scrape-targets',
    {
      'proxmox.json': targets(proxmoxHosts),
      'rancher.json': targets(rancherToken ? ['rancher.cattle-system.svc:80'] : []),
      'rancher-token': rancherToken ?? '',
    },
    comesFrom('.env'),
  )
  if (site.issuer.name !== 'internal-ca') return
  await after('05-cert-manager')
  const ca = await read('cert-manager/internal-ca', 'tls.crt')
  await apply('infrastructure/monitoring/blackbox/lab-ca.yaml', { ca })
}

/** The login of AdGuard Home for its exporter, whose pod waits for it. */
export async function adguardLogin({ secret, read, after }: Verbs): Promise<void> {
  await after('03-adguard')
  // One a server, and there are two.
  const twice = async (key: string) => {
    const text = await read('adguard/adguard-admin', key)
    return `${text},${text}`
  }
  const login = { ADGUARD_USERNAMES: await twice('username'), ADGUARD_PASSWORDS: await twice('password') }
  await secret('monitoring/adguard-exporter', login, comesFrom('the Secret adguard/adguard-admin'))
}

/** Prometheus' own format of a list of targets: https://prometheus.io/docs/guides/file-sd/ */
const targets = (addresses: readonly string[]) => JSON.stringify(addresses.length ? [{ targets: addresses }] : [])
