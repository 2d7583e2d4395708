// Before anything moves: is there a fresh backup, and how is one made? Looks and tells; makes none.
import type { Cluster } from '../cluster.ts'
import { textAt, timeAt } from '../k8s.ts'

export interface Backups {
  /** Of the newest that Velero has completed: its name, and its age in hours. */
  newest?: { name: string; hours: number }
  /** Velero is there. */
  velero: boolean
  /** Commands to look or to make one, each with what it is about. */
  ways: { about: string; command: string }[]
}

const fresh = 24

export const isFresh = ({ newest }: Backups): boolean => newest !== undefined && newest.hours <= fresh

export async function readBackups(cluster: Cluster, now = Date.now()): Promise<Backups> {
  const [backups, nodes, crd] = await Promise.all([
    cluster.list('backups.velero.io'),
    cluster.list('nodes'),
    cluster.find('customresourcedefinition/backups.velero.io'),
  ])
  const [newest] = backups
    .filter(one => textAt(one.status, 'phase') === 'Completed')
    .map(one => ({ name: one.metadata.name, ended: timeAt(one.status, 'completionTimestamp') ?? 0 }))
    .sort((a, b) => b.ended - a.ended)
  const versions = nodes.map(node => textAt(node.status, 'nodeInfo', 'kubeletVersion') ?? '').join()
  const velero = crd !== undefined
  return {
    velero,
    ...(newest ? { newest: { name: newest.name, hours: Math.round((now - newest.ended) / 3_600_000) } } : {}),
    ways: [
      ...(velero
        ? [
            {
              about: 'volumes and objects',
              command: 'kubectl get backups.velero.io -A --sort-by=.status.completionTimestamp',
            },
          ]
        : []),
      ...snapshots(versions),
    ],
  }
}

/** https://docs.k3s.io/cli/etcd-snapshot, https://docs.rke2.io/backup_restore: on a server node. k3s without etcd keeps SQLite. */
function snapshots(versions: string): Backups['ways'] {
  if (versions.includes('+rke2'))
    return [
      { about: 'objects, on a server node', command: 'sudo rke2 etcd-snapshot save --name before-upgrade' },
      { about: 'are there any?', command: 'sudo rke2 etcd-snapshot ls' },
    ]
  if (versions.includes('+k3s'))
    return [
      { about: 'objects, on a server node', command: 'sudo k3s etcd-snapshot save --name before-upgrade' },
      {
        about: 'k3s on SQLite, when stopped',
        command: 'sudo cp -a /var/lib/rancher/k3s/server/db ~/k3s-db-before-upgrade',
      },
    ]
  return [{ about: 'objects, on a control plane', command: 'sudo etcdctl snapshot save before-upgrade.db' }]
}
