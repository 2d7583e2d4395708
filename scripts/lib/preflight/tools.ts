// The programs of this machine.
import { type Check, problem, unknown, warning, well } from './check.ts'
import { minorOf } from './kube-version.ts'

export const tools: readonly Check[] = [
  {
    id: 'tools.node',
    title: 'Node',
    look: () => well(process.versions.node), // an old one does not come this far
  },
  {
    id: 'tools.kubectl',
    title: 'kubectl',
    look({ kubectl, kubernetes }) {
      if ('unknown' in kubectl) return unknown(`its version: ${kubectl.unknown}`)
      const [own, server] = [minorOf(kubectl.value), minorOf(kubernetes)]
      if (own === undefined || server === undefined) return well(kubectl.value)
      if (Math.abs(own - server) <= 1) return well(kubectl.value)
      return warning({
        what: `kubectl is ${kubectl.value}, the cluster ${kubernetes}`,
        why: 'they work together when they are at most one minor version apart',
        fix: `install kubectl 1.${server}: https://kubernetes.io/docs/tasks/tools/`,
        link: 'https://kubernetes.io/releases/version-skew-policy/#kubectl',
      })
    },
  },
  {
    id: 'tools.helm',
    title: 'Helm',
    look({ helm }) {
      // Helm 3 has other flags, keeps other records, and would only fail later.
      if ('value' in helm && helm.value.startsWith('v4')) return well(helm.value)
      const missing = 'unknown' in helm
      return problem({
        what: missing ? 'helm does not run' : `helm on PATH is ${helm.value || 'of no known version'}`,
        why: missing ? helm.unknown : 'the scripts need Helm 4',
        fix: 'https://helm.sh/docs/intro/install/',
      })
    },
  },
]
