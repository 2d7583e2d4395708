#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/../scripts/lib/launch" "$0" "$@"'
// 07 · Argo CD: from here on, everything else comes from Git.
import { credentialsFile } from '../scripts/lib/backup/credentials.ts'
import { adguardLogin, monitoringSecrets } from '../scripts/lib/monitoring/secrets.ts'
import { comesFrom, mayBeSealed, sealingKey } from '../scripts/lib/sealing/keys.ts'
import { step } from '../scripts/lib/step.ts'

const about = {
  title: 'Argo CD',
  about: 'GitOps for the application layer: gitops/ in your fork',
  ready: 'deployment/argocd/argocd-server',
}
const files = 'infrastructure/platform/argocd'

export default step(import.meta, about, async verbs => {
  const { site, namespace, secret, chart, apply, wait, verify, onUninstall } = verbs
  await namespace('argocd', { podSecurity: 'restricted' })
  const { repository, credentials } = site.git
  if (credentials) {
    const labels = { 'argocd.argoproj.io/secret-type': 'repository' }
    await secret('argocd/repository-homelab', { type: 'git', url: repository, ...credentials }, { labels })
  }
  const prepare = async () => {
    await apply(`${files}/namespaces.yaml`) // of the applications: they may not make any
    await sealingKey(verbs) // before its controller starts
  }
  await Promise.all([chart('argocd/argocd', `${files}/values.yaml`, { chart: 'argo-cd' }), prepare()])
  await apply(`${files}/project.yaml`)
  if (site.s3) await secret('velero/velero-s3', { cloud: credentialsFile(site.s3) }, comesFrom('.env'))
  await secret('velero/velero-repo-credentials', { 'repository-password': secret.generated(32) }, mayBeSealed)
  const influx = { 'admin-password': secret.generated(32), 'admin-token': secret.generated(48) }
  await secret('influxdb/influxdb-admin', influx, mayBeSealed)
  await monitoringSecrets(verbs)
  await apply('gitops/bootstrap/applications.yaml')
  await adguardLogin(verbs)

  onUninstall({
    keep: {
      'secret/velero/velero-repo-credentials': 'without it nobody reads the volumes in the backups',
      'secret/influxdb/influxdb-admin': 'InfluxDB took it into its volume at the first start',
    },
    made: ['appproject/argocd/default', 'secret/velero/velero-s3'],
  })
  await wait('workloads/argocd')
  await verify.https('argocd', '/healthz', 'ok')
})
