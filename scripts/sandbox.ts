// make sandbox, make sandbox-down: a throw-away Kubernetes control plane to play with.
import { parseArgs } from 'node:util'
import { exit, HomelabError } from './lib/errors.ts'
import { redact } from './lib/redact.ts'
import {
  findSandbox,
  runningSandbox,
  sandboxDown,
  sandboxNames,
  sandboxSwitch,
  sandboxUp,
} from './lib/sandbox/cluster.ts'
import { defaultNodes, parseNodes } from './lib/sandbox/nodes.ts'
import { readOff } from './lib/sandbox/record.ts'
import { createReport } from './lib/sandbox/report.ts'

const help = `usage: npx tsx scripts/sandbox.ts up | down | status | off NAME… | on NAME…

  up      start a real API server, etcd, controllers and scheduler with fake nodes; the first time, build them
  down    end it and remove everything it made
  status  which sandboxes there are
  off     switch off stages or local programs, to see what waits for them     on   switch them on again

  --name NAME          which one (default: default, or SANDBOX)
  --nodes "4x8Gi …"    cores x memory of each node (default: ${defaultNodes}; "100*4x8Gi" is a hundred)
  --ready-after MS     how long a pod takes until it is Ready (default: 1000)
  --without A,B        start with these switched off
  --json               the result as JSON on standard output
  --help`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    name: { type: 'string', default: process.env.SANDBOX || 'default' },
    nodes: { type: 'string', default: process.env.NODES || defaultNodes },
    'ready-after': { type: 'string', default: '1000' },
    without: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

async function main(): Promise<void> {
  const [command, ...names] = positionals
  if (values.help || command === undefined) return console.log(help)
  const { name } = values
  if (command === 'up') {
    const readyAfter = Number(values['ready-after'])
    if (!Number.isInteger(readyAfter) || readyAfter < 0)
      throw usage(`--ready-after takes milliseconds, not ${values['ready-after']}`)
    const without = values.without?.split(',').filter(Boolean) ?? []
    const sandbox = await sandboxUp({
      name,
      nodes: parseNodes(values.nodes),
      readyAfter,
      without,
      report: createReport(values.json),
    })
    if (values.json) return console.log(JSON.stringify(sandbox, null, 2))
    console.log(
      `export KUBECONFIG=${sandbox.kubeconfig}\nexport KUBECACHEDIR=${sandbox.env.KUBECACHEDIR}\nexport PATH=${sandbox.programs.kubectl.replace(/\/kubectl$/, '')}:$PATH`,
    )
  } else if (command === 'down') {
    const there = await sandboxDown(name)
    console.error(there ? `sandbox ${name}: gone` : `sandbox ${name}: there was none`)
  } else if (command === 'status') {
    const all = await Promise.all(
      (await sandboxNames()).map(async one => ({ name: one, sandbox: await runningSandbox(one) })),
    )
    if (values.json) return console.log(JSON.stringify(all, null, 2))
    for (const { name: one, sandbox } of all) {
      const off = sandbox ? await readOff(sandbox.dir) : []
      console.log(
        `${one}  ${sandbox ? 'up' : 'half-made or crashed: up or down clears it'}${off.length > 0 ? `, off: ${off.join(', ')}` : ''}  ${sandbox?.kubeconfig ?? ''}`,
      )
    }
    if (all.length === 0) console.log('no sandbox; start one: make sandbox')
  } else if (command === 'off' || command === 'on') {
    const sandbox = await findSandbox(name)
    const before = await readOff(sandbox.dir)
    await sandboxSwitch(
      sandbox,
      command === 'off' ? [...new Set([...before, ...names])] : before.filter(one => !names.includes(one)),
    )
    console.error(`off: ${(await readOff(sandbox.dir)).join(', ') || 'nothing'}`)
  } else throw usage(`there is no command ${command}`)
}

function usage(what: string): HomelabError {
  return new HomelabError({ what, fix: 'npx tsx scripts/sandbox.ts --help', code: exit.usage })
}

main().catch((error: unknown) => {
  if (!(error instanceof HomelabError)) throw error
  console.error(
    redact(`✗ ${error.what}${error.why ? `\n  why  ${error.why}` : ''}${error.fix ? `\n  fix  ${error.fix}` : ''}`),
  )
  process.exitCode = error.code
})
