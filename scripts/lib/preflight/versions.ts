// Kubernetes against what the charts and the kubelets ask for.
import { type Check, problem, type Result, unknown, well } from './check.ts'
import type { Facts } from './facts.ts'
import { meets } from './kube-version.ts'
import { kubelets } from './nodes.ts'

export const versions: readonly Check[] = [
  {
    id: 'versions.charts',
    title: 'Charts',
    look: ({ charts, kubernetes }) => judgeCharts(charts, kubernetes),
  },
  kubelets,
]

/** Whether each chart runs on this Kubernetes: what does not, then one line for those that fit. */
export function judgeCharts(charts: Facts['charts'], kubernetes: string): Result[] {
  const fit: string[] = []
  const found = charts.flatMap((chart): Result[] => {
    if ('unknown' in chart) return [unknown(chart.unknown)]
    const { name, version, constraint, step } = chart.value
    const verdict = constraint === undefined ? true : meets(kubernetes, constraint)
    if (verdict === undefined)
      return [unknown(`whether ${name} ${version} runs on ${kubernetes}: its chart asks for "${constraint}"`)]
    if (verdict) {
      fit.push(name)
      return []
    }
    const rancher = step === '06-rancher'
    return [
      problem({
        what: `${name} ${version} does not run on Kubernetes ${kubernetes}: its chart asks for ${constraint}`,
        fix: rancher
          ? 'RANCHER=false in .env, or a newer Rancher in infrastructure/charts.yaml; the cluster cannot go back'
          : 'upgrade the cluster, or pin a chart that fits in infrastructure/charts.yaml',
        link: rancher
          ? 'infrastructure/platform/rancher/README.md'
          : 'https://kubernetes.io/releases/version-skew-policy/',
      }),
    ]
  })
  // One line for those that fit, beside what does not.
  return [
    ...found,
    ...(fit.length || found.length === 0
      ? [well(fit.length ? `${kubernetes} suits ${fit.join(', ')}` : 'no chosen step has a chart')]
      : []),
  ]
}
