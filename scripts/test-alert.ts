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
    const [{ readOnlySite }, { withCluster }, { sendTestAlert }, { paint, print }, { showProgress }] =
      await Promise.all([
        import('./lib/site/choose.ts'),
        import('./lib/site/right-cluster.ts'),
        import('./lib/monitoring/test-alert.ts'),
        import('./lib/output.ts'),
        import('./lib/progress.ts'),
      ])
    const site = await readOnlySite(values)
    const { say, end } = showProgress(values.json === true, 'sending')
    const pod = 'alertmanager-monitoring-alertmanager-0'
    const delivered = await withCluster(site, cluster =>
      cluster.forward('monitoring', pod, 9093, port =>
        sendTestAlert(`http://127.0.0.1:${port}`, 60, open => say(`sent, waiting for ${open.join(', ')}`)),
      ),
    ).finally(end)
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
