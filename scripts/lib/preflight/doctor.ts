// make doctor: every check with what it found, and aloud what could not be checked.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from '../cache.ts'
import { type Chart, chartsMirror, findChart, pins } from '../charts.ts'
import { Cluster } from '../cluster.ts'
import { exit, HomelabError } from '../errors.ts'
import { Helm } from '../helm.ts'
import { refuseOther } from '../site/choose.ts'
import type { Site } from '../site/site.ts'
import { type Examined, examine } from './check.ts'
import { checks } from './checks.ts'
import { readFacts } from './facts.ts'
import { components } from './ours.ts'

/**
 * Examines a cluster as a run of all steps would, and writes nothing.
 * @throws HomelabError (exit 2) when it cannot be read, (exit 3) when it is another cluster than the one in .env
 */
export async function examineCluster(site: Site): Promise<Examined[]> {
  const cluster = new Cluster(site, 2) // little patience: who asks wants to hear now that nobody answers
  try {
    const facts = await readFacts({
      site,
      cluster,
      steps: components.map(({ step }) => step),
      helm: () => new Helm(cluster).version(),
      chart: name => chartAtHand(name, site),
    })
    if ('value' in facts.uid) refuseOther(site, facts.uid.value)
    return examine(checks, facts)
  } catch (error) {
    if (!(error instanceof HomelabError) || error.code !== exit.failed) throw error
    throw new HomelabError({ ...error, what: 'the cluster cannot be read', code: exit.usage })
  } finally {
    await cluster.close()
  }
}

/** A chart that is on this machine already: to look is no reason to pull. */
async function chartAtHand(name: string, site: Site): Promise<Chart> {
  const { sandbox } = site
  const version = pins()[name]?.version ?? ''
  const folders = [cacheFolder('charts'), chartsMirror(site).mirror ?? '']
  const path = folders.map(folder => join(folder, `${name}-${version}.tgz`)).find(file => existsSync(file))
  if (path !== undefined) return { name, version, path, digest: '', standIn: false, imitated: false }
  if (sandbox)
    return findChart(name, { helm: sandbox.programs.helm, source: 'stand-in', packaged: async () => sandbox.charts })
  throw new Error(`which Kubernetes ${name} ${version} runs on: its chart is not on this machine yet`)
}
