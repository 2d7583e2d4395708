// Shows that certificates renew themselves: an hour's certificate that is due again after seconds, and a real controller.
import type { Cluster } from '../cluster.ts'
import { numberAt } from '../k8s.ts'

const name = 'homelab-renewal'

/**
 * Watches cert-manager renew a certificate. The hour is the shortest life that cert-manager accepts, so the certificate
 * asks to be renewed 59 min 55 s before its end.
 * @returns whether a second revision was seen within 45 s
 */
export async function seesRenewal(cluster: Cluster): Promise<boolean> {
  await cluster.apply(
    [
      {
        apiVersion: 'cert-manager.io/v1',
        kind: 'Certificate',
        metadata: { name, namespace: 'cert-manager' },
        spec: {
          secretName: name,
          dnsNames: ['renewal.home.arpa'],
          duration: '1h',
          renewBefore: '59m55s',
          privateKey: { algorithm: 'ECDSA', rotationPolicy: 'Always' },
          issuerRef: { kind: 'ClusterIssuer', name: 'internal-ca' },
        },
      },
    ],
    { patience: 30 },
  )
  const deadline = Date.now() + 45_000
  let renewed = false
  while (!renewed && Date.now() < deadline) {
    await new Promise(resolve => setTimeout(resolve, 1000))
    renewed =
      numberAt(await cluster.find(`certificate.cert-manager.io/cert-manager/${name}`), 'status', 'revision') >= 2
  }
  await cluster.kubectl(['delete', 'certificate.cert-manager.io', '-n', 'cert-manager', name, '--ignore-not-found'])
  await cluster.kubectl(['delete', 'secret', '-n', 'cert-manager', name, '--ignore-not-found'])
  return renewed
}
