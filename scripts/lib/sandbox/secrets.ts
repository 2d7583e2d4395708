// Sealed Secrets in the place of its fake pod: the real controller, which decrypts as its pod's ServiceAccount.
import { extraProgram } from './place.ts'
import type { LocalProgram } from './pod.ts'
import { freePort } from './ports.ts'

export const sealedSecrets: LocalProgram = {
  name: 'sealed-secrets-controller',
  extra: 'secrets',
  image: /(^|\/)sealed-secrets-controller$/,
  async launch(place) {
    const { pod, container, kubeconfig } = place
    const [http, metrics] = [await freePort(), await freePort()]
    // A flag and its value are two arguments there; of a flag given twice the last one counts.
    const listening = ['--listen-addr', `127.0.0.1:${http}`, '--listen-metrics-addr', `127.0.0.1:${metrics}`]
    return {
      path: await extraProgram(place, 'secrets', 'sealed-secrets-controller'),
      args: [...(container.args ?? []), ...listening],
      env: { KUBECONFIG: kubeconfig, POD_NAMESPACE: pod.metadata.namespace },
      ports: { '8080/tcp': http, '8081/tcp': metrics },
    }
  },
}
