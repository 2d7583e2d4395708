#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make scan-images: known vulnerabilities of every image that the lab runs. A report, never a verdict: upstream mends them.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/scan-images.ts [options]',
    about:
      'Renders the platform and the applications of prod, and has Trivy look at each image: how many serious known\n' +
      'vulnerabilities have a fix. Writes Markdown. Needs a network; what cannot be asked is said. Exit code 0 whatever it finds.',
    options: common,
  },
  async values => {
    const [{ imagesInGit }, { ensureExtra }, { run }, { listAt, textAt }, { showProgress }, { print }] =
      await Promise.all([
        import('./lib/diff/images.ts'),
        import('./lib/sandbox/extra-build.ts'),
        import('./lib/shell.ts'),
        import('./lib/k8s.ts'),
        import('./lib/progress.ts'),
        import('./lib/output.ts'),
      ])
    const { say, end } = showProgress(values.json === true, 'rendering')
    const trivy = `${(await ensureExtra('trivy', say)).dir}/trivy`
    const images = await imagesInGit(say)
    const rows: { image: string; critical?: number; high?: number; unknown?: string }[] = []
    for (const image of images) {
      say(`${rows.length} of ${images.length} · ${image}`)
      const only = ['--severity', 'HIGH,CRITICAL', '--ignore-unfixed', '--scanners', 'vuln', '--format', 'json']
      const ran = await run(trivy, ['image', '--quiet', '--skip-version-check', ...only, image], { timeout: 600 })
      if (ran.code !== 0) {
        rows.push({ image, unknown: ran.stderr.trim().split('\n').at(-1)?.slice(0, 200) ?? '' })
        continue
      }
      const found = listAt(JSON.parse(ran.stdout), 'Results').flatMap(one => listAt(one, 'Vulnerabilities'))
      const count = (severity: string) => found.filter(one => textAt(one, 'Severity') === severity).length
      rows.push({ image, critical: count('CRITICAL'), high: count('HIGH') })
    }
    end()
    if (values.json) print(JSON.stringify({ event: 'summary', images: rows, code: 0 }))
    else {
      print(`## Known vulnerabilities of ${images.length} images\n\nSerious ones that have a fix.\n`)
      print('| image | critical | high |\n|---|--:|--:|')
      for (const { image, critical, high, unknown } of rows)
        print(
          `| ${image} | ${unknown === undefined ? `${critical} | ${high}` : `not known: ${unknown.replaceAll('|', '/')} |`} |`,
        )
    }
    return 0
  },
)
