// The images of platform and applications as Git has them: the platform by its steps, the applications as Argo CD renders them.
import { findChart, readChartSource } from '../charts.ts'
import { imagesOf, neededImages } from '../mirror/images.ts'
import { root } from '../root.ts'
import { ensurePrograms } from '../sandbox/programs.ts'
import type { Report } from '../sandbox/report.ts'
import { loadSite } from '../site/site.ts'
import { buildEnvironments } from './pull-request.ts'
import { renderAll } from './render.ts'
import { headOf } from './sides.ts'

/** Each once, in full, sorted. */
export async function imagesInGit(report: Report): Promise<string[]> {
  const overrides = { kubeconfig: '/dev/null', context: 'none' }
  const { site } = await loadSite({ file: 'infrastructure/sandbox/site.env', overrides, processEnv: {} })
  const { paths, kubernetesVersion, charts } = await ensurePrograms(report)
  const source = readChartSource(process.env.CHARTS, 'auto')
  const finding = { helm: paths.helm, source, packaged: async () => charts }
  const head = await headOf(root)
  const options = { top: root, report }
  const built = (await buildEnvironments([head], options, ['prod'])).get(`${head.commit} prod`)
  const wanted = (built?.applications ?? []).map(application => ({
    side: head,
    application,
    own: built?.own ?? new Set<string>(),
  }))
  const { rendered } = await renderAll(wanted, options)
  const objects = rendered.flatMap(one => ('objects' in one ? one.objects : []))
  const platform = await neededImages(site, name => findChart(name, finding), kubernetesVersion)
  return [...new Set([...platform, ...imagesOf(objects)])].sort()
}
