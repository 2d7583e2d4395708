#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make sandbox, make sandbox-down: a throw-away Kubernetes control plane to play with.
import { command, common } from './lib/command.ts'
import { exit, HomelabError } from './lib/errors.ts'
import { print } from './lib/output.ts'
import { extraNames } from './lib/sandbox/extras.ts'

await command(
  {
    line: 'scripts/sandbox.ts up | down | status | off NAME… | on NAME… | programs [options]',
    about:
      'A real API server, etcd, controllers and scheduler with fake nodes, as ordinary processes on this machine.\n\n' +
      '  up        start it; the first time, build its programs\n' +
      '  down      end it and remove everything it made\n' +
      '  status    which sandboxes there are\n' +
      '  off, on   switch stages or local programs off, to see what waits for them, and on again\n' +
      '  programs  only build them, and say where they lie',
    options: {
      name: { type: 'string', value: 'NAME', help: 'which sandbox (SANDBOX, else "default")' },
      nodes: {
        type: 'string',
        value: '"4x8Gi 2x4Gi"',
        help: 'cores x memory of each node (three of 4x8Gi); 100*4x8Gi is a hundred',
      },
      'ready-after': { type: 'string', value: 'MS', help: 'how long a pod takes until it is Ready (1000)' },
      with: {
        type: 'string',
        value: 'A,B',
        help: `optional real programs too, built the first time (minutes): ${extraNames.join(', ')}`,
      },
      all: { type: 'boolean', help: 'with up, programs: all of the optional ones' },
      without: { type: 'string', value: 'A,B', help: 'start with these switched off' },
      ...common,
    },
  },
  async (values, [what, ...names]) => {
    const sandboxes = await import('./lib/sandbox/cluster.ts')
    const { createReport } = await import('./lib/sandbox/report.ts')
    const text = (key: string) => (typeof values[key] === 'string' ? values[key] : undefined)
    const name = text('name') ?? (process.env.SANDBOX || 'default')
    const report = createReport(values.json === true)
    const show = (value: unknown, words: string) => print(values.json ? JSON.stringify(value, null, 2) : words)

    const asked = text('with')?.split(',').filter(Boolean) ?? []
    const unknown = asked.find(one => !extraNames.includes(one as (typeof extraNames)[number]))
    if (unknown) throw wrong(`there is no optional program ${unknown}: ${extraNames.join(', ')}`)
    const wanted = extraNames.filter(one => values.all || asked.includes(one))

    if (what === 'up') {
      const { parseNodes } = await import('./lib/sandbox/nodes.ts')
      const readyAfter = Number(text('ready-after') ?? 1000)
      if (!Number.isInteger(readyAfter) || readyAfter < 0)
        throw wrong(`--ready-after takes milliseconds, not ${text('ready-after')}`)
      const without = text('without')?.split(',').filter(Boolean) ?? []
      const sandbox = await sandboxes.sandboxUp({
        name,
        nodes: parseNodes(text('nodes')),
        readyAfter,
        without,
        report,
        extras: wanted,
      })
      const path = sandbox.programs.kubectl.replace(/\/kubectl$/, '')
      const { KUBECACHEDIR } = sandbox.env
      show(
        sandbox,
        `export KUBECONFIG=${sandbox.kubeconfig}\nexport KUBECACHEDIR=${KUBECACHEDIR}\nexport PATH=${path}:$PATH`,
      )
    } else if (what === 'down') {
      const gone = await sandboxes.sandboxDown(name)
      show({ name, gone }, gone ? `sandbox ${name}: gone` : `sandbox ${name}: there was none`)
    } else if (what === 'status') {
      const rows = await Promise.all(
        (await sandboxes.sandboxNames()).map(async one => ({
          name: one,
          sandbox: await sandboxes.runningSandbox(one),
          off: await sandboxes.switchedOff(one),
          programs: await sandboxes.programsRunning(one),
        })),
      )
      const lines = rows.flatMap(row => [
        `${row.name}  ${row.sandbox ? `up  ${row.sandbox.kubeconfig}` : 'crashed or half-made: up or down clears it'}`,
        ...(row.programs.length ? [`  real  ${row.programs.join(', ')}`] : []),
        ...(row.off.length ? [`  off   ${row.off.join(', ')}`] : []),
      ])
      show(rows, lines.join('\n') || 'no sandbox; start one: make sandbox')
    } else if ((what === 'off' || what === 'on') && names.length > 0) {
      const before = await sandboxes.switchedOff(name)
      const off = what === 'off' ? [...new Set([...before, ...names])] : before.filter(one => !names.includes(one))
      await sandboxes.sandboxSwitch(await sandboxes.findSandbox(name), off)
      show(off, `off: ${off.join(', ') || 'nothing'}`)
    } else if (what === 'programs') {
      const programs = await (await import('./lib/sandbox/programs.ts')).ensurePrograms(report)
      const { ensureExtra } = await import('./lib/sandbox/extra-build.ts')
      const extras: Record<string, Awaited<ReturnType<typeof ensureExtra>>> = {}
      for (const one of wanted) extras[one] = await ensureExtra(one, report)
      show({ ...programs, extras }, [programs, ...Object.values(extras)].map(({ dir }) => dir).join('\n'))
    } else
      throw wrong(
        what === undefined
          ? 'say what to do: up, down, status, off, on or programs'
          : `not a command: ${[what, ...names].join(' ')}`,
      )
    return exit.done
  },
)

function wrong(what: string): HomelabError {
  return new HomelabError({ what, fix: 'see --help', code: exit.usage })
}
