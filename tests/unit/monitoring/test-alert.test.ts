// make test-alert against a server that counts as Alertmanager does.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { sendTestAlert } from '../../../scripts/lib/monitoring/test-alert.ts'

/** @param refuses the channels that take nothing @param silent those that are never tried */
async function alertmanager(
  receivers: string[],
  refuses: string[],
  silent: string[],
  use: (base: string) => Promise<void>,
) {
  let sent = 0
  const server = createServer((request, response) => {
    if (request.url === '/api/v2/receivers') response.end(JSON.stringify(receivers.map(name => ({ name }))))
    else if (request.url === '/api/v2/alerts') {
      sent++
      response.end()
    } else {
      const lines = receivers.flatMap(name => {
        const labels = `{integration="webhook",receiver_name="${name}"}`
        const tried = 3 + (silent.includes(name) ? 0 : sent)
        return [
          `alertmanager_notification_requests_total${labels} ${tried}`,
          `alertmanager_notification_requests_failed_total${labels} ${refuses.includes(name) ? sent : 0}`,
        ]
      })
      response.end(`${lines.join('\n')}\n`)
    }
  }).listen(0, '127.0.0.1')
  await new Promise(done => server.once('listening', done))
  await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`).finally(() => server.close())
}

test('each channel took it, refused it, or was not tried; what is no channel is left out', () =>
  alertmanager(['nobody', 'deadman', 'email', 'ntfy', 'webhook'], ['ntfy'], ['webhook'], async base => {
    assert.deepEqual(await sendTestAlert(base, 1), [
      { channel: 'email', took: true },
      { channel: 'ntfy', took: false },
      { channel: 'webhook', took: undefined },
    ])
  }))

test('without a channel it says which keys make one', () =>
  alertmanager(['nobody', 'deadman'], [], [], async base => {
    await assert.rejects(sendTestAlert(base, 1), { what: /reach nobody/, fix: /ALERT_EMAIL/ })
  }))

test('an Alertmanager that does not answer is named', () =>
  assert.rejects(sendTestAlert('http://127.0.0.1:9', 1), { what: /does not answer/ }))
