// What each step brings, as far as another owner or a leftover could be in its way. Names only; the steps have the rest.
import type { K8sObject } from '../k8s.ts'
import { platform } from '../status/platform.ts'

export interface Component {
  step: string
  name: string
  namespace: string
  /** `Kind/name` of its workloads, in its namespace. */
  needs: readonly string[]
  /** The pinned chart; its release has the component's name in the component's namespace. */
  chart?: string
  release?: string
  /** The names of its CRDs. */
  kinds?: RegExp
  /** Helm makes the CRDs, and takes over none that somebody else made (helm/helm: "invalid ownership metadata"). */
  kindsByHelm?: true
  /** Cluster-wide objects, as `Kind/name`. */
  wide: readonly string[]
  /** Its pods need what only the level `privileged` allows. */
  privileged?: true
  /** Where its README is. */
  link: string
}

const more: Record<string, Partial<Component>> = {
  '01-storage-class': { wide: ['StorageClass/local-path'], privileged: true, link: 'local-path' },
  '02-metallb': {
    chart: 'metallb',
    release: 'metallb',
    kinds: /^\w+\.metallb\.io$/,
    kindsByHelm: true,
    wide: ['ValidatingWebhookConfiguration/metallb-webhook-configuration'],
    privileged: true,
    link: 'metallb',
  },
  '03-adguard': { link: 'adguard' },
  '04-traefik': {
    chart: 'traefik',
    release: 'traefik',
    kinds: /^\w+\.traefik\.io$/,
    wide: ['IngressClass/traefik'],
    link: 'traefik',
  },
  '05-cert-manager': {
    chart: 'cert-manager',
    release: 'cert-manager',
    kinds: /^\w+\.(acme\.)?cert-manager\.io$/,
    kindsByHelm: true,
    wide: ['ValidatingWebhookConfiguration/cert-manager-webhook', 'MutatingWebhookConfiguration/cert-manager-webhook'],
    link: 'cert-manager',
  },
  '06-rancher': { chart: 'rancher', release: 'rancher', privileged: true, link: 'rancher' },
  // Workflows, Rollouts and Events are of the same group and none of ours.
  '07-argocd': {
    chart: 'argo-cd',
    release: 'argocd',
    kinds: /^(applications|applicationsets|appprojects)\.argoproj\.io$/,
    kindsByHelm: true,
    link: 'argocd',
  },
}

/** The components in the order of their steps. */
export const components: readonly Component[] = platform.map(one => {
  const { link = '', ...rest } = more[one.step] ?? {}
  return { ...one, wide: [], ...rest, link: `infrastructure/platform/${link}/README.md` }
})

/** The components that this run is to install. */
export function chosen(facts: { steps: readonly string[]; site: { rancher: boolean } }): readonly Component[] {
  return components.filter(({ step }) => facts.steps.includes(step) && (step !== '06-rancher' || facts.site.rancher))
}

/** Whether an object is one that this component brings. */
export function isOf(component: Component, { kind, metadata: { name, namespace } }: K8sObject): boolean {
  if (kind === 'CustomResourceDefinition') return component.kinds?.test(name) ?? false
  if (kind === 'Namespace') return name === component.namespace
  if (namespace === undefined) return component.wide.includes(`${kind}/${name}`)
  return namespace === component.namespace && component.needs.includes(`${kind}/${name}`)
}
