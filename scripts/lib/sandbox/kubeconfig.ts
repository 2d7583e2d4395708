// Kubeconfigs of a sandbox: everybody has its one client certificate, and acts as somebody with it.
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { SandboxRecord } from './record.ts'

/**
 * @param as the user to act as, with which the API server checks rights and writes its audit log; nobody: the
 *   certificate's own. A ServiceAccount (`system:serviceaccount:NS:NAME`) brings its groups along.
 */
export function kubeconfigAs(
  record: Pick<SandboxRecord, 'server' | 'pki'>,
  context: string,
  as: { user?: string; groups?: string[] } = {},
): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': context,
    clusters: [
      {
        name: context,
        cluster: {
          server: record.server,
          'certificate-authority': join(record.pki, 'ca.crt'),
          'disable-compression': true, // on this machine gzip is only work: a fifth of the API server's under Argo CD
        },
      },
    ],
    contexts: [{ name: context, context: { cluster: context, user: context } }],
    users: [
      {
        name: context,
        user: {
          'client-certificate': join(record.pki, 'admin.crt'),
          'client-key': join(record.pki, 'admin.key'),
          ...(as.user ? { as: as.user } : {}),
          ...(as.groups ? { 'as-groups': as.groups } : {}),
        },
      },
    ],
  })
}
