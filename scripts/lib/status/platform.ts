// The seven components of the platform, as status, preflight and the names of applications know them. Data.

/** A component of the platform layer: where it lives, what must be there, and who installs it. */
export interface Component {
  /** The numbered script. */
  step: string
  name: string
  namespace: string
  /** The workloads without which it is not installed, as `Kind/name`. */
  needs: readonly string[]
  /** Its web page, before the domain. */
  host?: string
}

export const platform: readonly Component[] = [
  {
    step: '01-storage-class',
    name: 'Storage class',
    namespace: 'local-path-storage',
    needs: ['Deployment/local-path-provisioner'],
  },
  {
    step: '02-metallb',
    name: 'MetalLB',
    namespace: 'metallb-system',
    needs: ['Deployment/metallb-controller', 'DaemonSet/metallb-speaker'],
  },
  { step: '03-adguard', name: 'AdGuard Home', namespace: 'adguard', needs: ['StatefulSet/adguard'], host: 'adguard' },
  { step: '04-traefik', name: 'Traefik', namespace: 'traefik', needs: ['Deployment/traefik'], host: 'traefik' },
  {
    step: '05-cert-manager',
    name: 'cert-manager',
    namespace: 'cert-manager',
    needs: ['Deployment/cert-manager', 'Deployment/cert-manager-webhook', 'Deployment/cert-manager-cainjector'],
  },
  { step: '06-rancher', name: 'Rancher', namespace: 'cattle-system', needs: ['Deployment/rancher'], host: 'rancher' },
  {
    step: '07-argocd',
    name: 'Argo CD',
    namespace: 'argocd',
    needs: ['Deployment/argocd-server', 'Deployment/argocd-repo-server', 'StatefulSet/argocd-application-controller'],
    host: 'argocd',
  },
]
