// Plays the one thing that Traefik writes into the cluster, while its pod is Ready: the address of its Service becomes that
// of every Ingress of its class. Argo CD waits for it (https://doc.traefik.io/traefik/reference/install-configuration/providers/kubernetes/kubernetes-ingress/).
import type { Api, KubeObject } from './api.ts'
import { isReady, type Pod, splitImage } from './pod.ts'
import type { Service } from './proxy.ts'

export interface Ingress extends KubeObject {
  spec: { ingressClassName?: string }
  status?: { loadBalancer?: { ingress?: { ip?: string }[] } }
}

/** Traefik's own pod, when it is there and Ready. */
export function traefikPod(pods: Iterable<Pod>): Pod | undefined {
  for (const pod of pods)
    if (isReady(pod) && pod.spec.containers.some(({ image }) => /(^|\/)traefik$/.test(splitImage(image).name)))
      return pod
  return undefined
}

/** The Ingresses that do not yet have the address, and the address. */
export function due(
  pod: Pod | undefined,
  services: Iterable<Service>,
  ingresses: Iterable<Ingress>,
): { ip: string; ingresses: Ingress[] } | undefined {
  const namespace = pod?.metadata.namespace
  for (const service of namespace ? services : []) {
    const ip = service.status?.loadBalancer?.ingress?.[0]?.ip
    if (!ip || service.metadata.namespace !== namespace) continue
    const without = [...ingresses].filter(
      ({ spec, status }) => spec.ingressClassName === 'traefik' && status?.loadBalancer?.ingress?.[0]?.ip !== ip,
    )
    return { ip, ingresses: without }
  }
  return undefined
}

/** Writes the address as Traefik's ServiceAccount, which may update a status and not patch one, as its chart has it. */
export async function publish(api: Api, pod: Pod, ip: string, ingress: Ingress): Promise<number> {
  const { namespace, name } = ingress.metadata
  const path = `/apis/networking.k8s.io/v1/namespaces/${namespace}/ingresses/${name}/status`
  const account = `system:serviceaccount:${pod.metadata.namespace}:${pod.spec.serviceAccountName ?? 'default'}`
  const body = { ...ingress, status: { loadBalancer: { ingress: [{ ip }] } } }
  return (await api.request('PUT', path, body, 'application/json', account)).status
}
