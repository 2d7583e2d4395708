// Whether anything survives the cluster: where backups go, as far as .env and the nodes tell.
import { listAt, textAt } from '../k8s.ts'
import { type Check, warning, well } from './check.ts'

export const backups: readonly Check[] = [
  {
    id: 'storage.backups',
    title: 'Backups',
    reads: ['Node'],
    look({ site: { s3 }, objects, steps }) {
      if (!steps.includes('07-argocd')) return well('not needed here')
      if (!s3)
        return warning({
          what: 'no S3 server is set: nothing is backed up',
          why: 'what lies on the nodes’ disks is lost with them',
          fix: 'S3_ENDPOINT, S3_ACCESS_KEY and S3_SECRET_KEY in .env (make configure)',
          link: 'infrastructure/docs/BACKUP.md',
        })
      const host = new URL(s3.endpoint).hostname
      const node = objects
        .of('Node')
        .find(one => listAt(one.status, 'addresses').some(entry => textAt(entry, 'address') === host))
      return node
        ? warning({
            what: `the S3 server ${host} is the node ${node.metadata.name}`,
            why: 'its disk is lost with it, and the only copy of the backups too',
            fix: 'S3_ENDPOINT with a server off the cluster, such as the NAS',
          })
        : well(`${s3.bucket} at ${s3.endpoint}`)
    },
  },
]
