#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make test-alert: a real alert through Alertmanager, and whether each channel took it.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/test-alert.ts [options]',
    about:
      'Sends a test alert through Alertmanager, to every channel of the ALERT_ keys in .env, and says which took it.\n' +
      'It is over by itself a minute later. Exit code 1 if a channel refuses it, 2 if Alertmanager cannot be reached.',
    options: {
      sandbox: { type: 'boolean', help: 'the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => {
    const [{ readOnlySite }, { Cluster }, { sendTestAlert }, { paint, print }] = await Promise.all([
      import('./lib/site/choose.ts'),
      import('./lib/cluster.ts'),
      import('./lib/monitoring/test-alert.ts'),
      import('./lib/output.ts'),
    ])
    const site = await readOnlySite(values)
    const live = process.stderr.isTTY && !values.json
    const waiting = (open: readonly string[]) => {
      if (live) process.stderr.write(`\r\x1b[Ksending: waiting for ${open.join(', ')}`)
    }
    const pod = 'alertmanager-monitoring-alertmanager-0'
    const delivered = await new Cluster(site, 5)
      .forward('monitoring', pod, 9093, port => sendTestAlert(`http://127.0.0.1:${port}`, 60, waiting))
      .finally(() => live && process.stderr.write('\r\x1b[K'))
    if (values.json) print(JSON.stringify({ delivered }))
    else
      for (const { channel, took } of delivered)
        print(
          took
            ? `${paint('green', '✓')} ${channel}  took it: look there now`
            : `${paint('red', '✗')} ${channel}  ${took === false ? 'refused it' : 'was not tried within a minute'}\n  fix  kubectl logs -n monitoring ${pod} | tail -20, correct .env, then: make install STEP=07`,
        )
    return delivered.every(({ took }) => took) ? 0 : 1
  },
)
