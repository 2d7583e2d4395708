#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make promote: one environment gets the versions that another has tried.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/promote.ts --from ENV --to ENV [options]',
    about:
      'Gives an environment the versions of charts and images that another one runs: shows what moves, asks, and makes\n' +
      'one commit. From then on the environment moves only by promotion; --from base lets it follow gitops/applications\n' +
      'again. infrastructure/docs/ENVIRONMENTS.md explains.',
    options: {
      from: { type: 'string', value: 'ENV', help: 'dev, staging or prod; or base' },
      to: { type: 'string', value: 'ENV', help: 'dev, staging or prod' },
      yes: { type: 'boolean', help: 'write and commit without asking' },
      plan: { type: 'boolean', help: 'show what moves, write nothing' },
      ...common,
    },
  },
  async values => {
    const [{ commitFiles, refuseDirty }, { promotion, readEnvironments }, { exit }, { paint, print }] =
      await Promise.all([
        import('./lib/gitops/change.ts'),
        import('./lib/gitops/promote.ts'),
        import('./lib/errors.ts'),
        import('./lib/output.ts'),
      ])
    const { from, to } = readEnvironments(values.from, values.to)
    const { moves, kept, files } = await promotion(from, to)
    if (!values.json) {
      for (const { application, of, from: now, version } of moves)
        print(`${paint('yellow', '~')} ${application}: ${of} ${now ?? 'nothing'} → ${version}`)
      print(`${moves.length} versions move, ${kept} stay${files.size ? '' : `: ${to} has them already`}`)
    }
    if (!values.plan && files.size) await refuseDirty()
    const committed = files.size > 0 && (await commitFiles(files, `${to}: the versions of ${from}`, values))
    const next = `git push && make sync${to === 'prod' ? '' : ` ENV=${to}`}`
    if (values.json)
      print(JSON.stringify({ event: 'summary', from, to, moves, kept, committed, next, code: exit.done }))
    else if (committed) print(`\nCommitted. Next: ${next}`)
    return exit.done
  },
)
