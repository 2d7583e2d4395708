#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make diff: what a branch changes in the cluster, rendered by Argo CD itself, as Markdown for the pull request.
import { command, common, type Values } from './lib/command.ts'
import type { Report } from './lib/diff/markdown.ts'

await command(
  {
    line: 'scripts/diff.ts [--base REVISION] [options]',
    about:
      "Renders what differs between HEAD and the commit where it left BASE, in every environment, with the code of Argo CD's\n" +
      'repo server, and writes Markdown: counts first, one fold an application, secrets masked, cut to fit a comment. No\n' +
      'cluster is needed. With --live it compares the commit with the cluster in .env instead, and only reads there.\n' +
      'Exit code 1 if something cannot be rendered, 2 for changes that are not committed or an unknown revision.',
    options: {
      base: { type: 'string', value: 'REVISION', help: 'what to compare with (default: main)' },
      full: { type: 'string', value: 'FILE', help: 'also write the whole of it, uncut, to this file' },
      live: { type: 'boolean', help: 'Git against the cluster: what a sync would change now' },
      sandbox: { type: 'boolean', help: 'with --live: the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => {
    const [{ commentLimit, markdown }, { showProgress }, { print }, { exit }, { writeFileSync }] = await Promise.all([
      import('./lib/diff/markdown.ts'),
      import('./lib/progress.ts'),
      import('./lib/output.ts'),
      import('./lib/errors.ts'),
      import('node:fs'),
    ])
    const { say: report, end } = showProgress(values.json === true, 'reading Git')
    const found = await (values.live ? againstCluster(values, report) : againstBase(values, report)).finally(end)
    // In a workflow the whole of it is with the run.
    const { DIFF_WHOLE: whole = found.whole } = process.env
    if (typeof values.full === 'string') writeFileSync(values.full, markdown({ ...found, whole }))
    if (values.json) print(JSON.stringify(summary(found)))
    else print(markdown({ ...found, whole }, commentLimit))
    return found.applications.some(one => one.failed) ? exit.failed : exit.done
  },
)

async function againstBase({ base = 'main' }: Values, report: (line: string) => void): Promise<Report> {
  const { pullRequest } = await import('./lib/diff/pull-request.ts')
  const mirror = process.env.CHARTS_MIRROR
  return pullRequest(String(base), { report, ...(mirror ? { mirror } : {}) })
}

async function againstCluster(values: Values, report: (line: string) => void): Promise<Report> {
  const [{ readOnlySite }, { withCluster }, { liveDiff }, { chartsMirror }] = await Promise.all([
    import('./lib/site/choose.ts'),
    import('./lib/site/right-cluster.ts'),
    import('./lib/diff/live.ts'),
    import('./lib/charts.ts'),
  ])
  const site = await readOnlySite(values)
  return withCluster(site, cluster => liveDiff(cluster, site, { report, ...chartsMirror(site) }))
}

/** Counts for programs; the texts of objects are in the Markdown only. */
function summary({ applications, ...report }: Report) {
  const titles = applications.map(({ objects, ...one }) => ({
    ...one,
    objects: objects.map(({ title, result }) => ({ title, result })),
  }))
  return { event: 'summary', ...report, applications: titles }
}
