// Sends an alert through Alertmanager, and finds out from its own counters which channel took it.
import { setTimeout as sleep } from 'node:timers/promises'
import { exit, HomelabError } from '../errors.ts'
import { testAlert } from './alertmanager.ts'

export interface Delivered {
  channel: string
  /** Undefined while nothing is known: the channel has not been tried in time. */
  took: boolean | undefined
}

/** What is no channel of the owner's: alerts for nobody, and the watch outside the house. */
const apart = ['nobody', 'deadman']

/**
 * Sends the alert and waits for each channel.
 * @param base Alertmanager's address
 * @param patience seconds
 * @throws HomelabError when it does not answer, or has no channel
 */
export async function sendTestAlert(
  base: string,
  patience: number,
  waiting: (channels: readonly string[]) => void = () => {},
): Promise<Delivered[]> {
  const receivers = (await (await ask(base, '/api/v2/receivers')).json()) as { name: string }[]
  const channels = receivers.map(({ name }) => name).filter(name => !apart.includes(name))
  if (!channels.length)
    throw new HomelabError({
      what: 'Alertmanager has no channel: alerts reach nobody',
      why: 'no ALERT_ key was in .env when step 07 ran',
      fix: 'set ALERT_EMAIL, ALERT_NTFY_URL, ALERT_TELEGRAM_TOKEN or ALERT_WEBHOOK_URL in .env, then: make install STEP=07',
    })
  const before = await counters(base)
  const begin = new Date()
  await ask(base, '/api/v2/alerts', [
    {
      labels: { alertname: testAlert, severity: 'warning', sent: begin.toISOString() },
      annotations: {
        summary: 'A test from your lab: this channel works',
        description: `Sent by make test-alert at ${begin.toISOString()}. Nothing is wrong.`,
      },
      startsAt: begin.toISOString(),
      // Over by itself: the channel shows how the end of an alert looks, too.
      endsAt: new Date(begin.getTime() + 60_000).toISOString(),
    },
  ])
  for (;;) {
    const now = await counters(base)
    const delivered = channels.map(channel => ({ channel, took: verdict(before.get(channel), now.get(channel)) }))
    const open = delivered.filter(({ took }) => took === undefined).map(({ channel }) => channel)
    if (!open.length || Date.now() - begin.getTime() > patience * 1000) return delivered
    waiting(open)
    await sleep(500)
  }
}

interface Count {
  tried: number
  failed: number
}

function verdict(before: Count = { tried: 0, failed: 0 }, now: Count = { tried: 0, failed: 0 }): boolean | undefined {
  const [tried, failed] = [now.tried - before.tried, now.failed - before.failed]
  if (tried > failed) return true
  return failed > 0 ? false : undefined
}

/** Requests to each receiver so far, from Alertmanager's metrics (its feature receiver-name-in-metrics gives the name). */
async function counters(base: string): Promise<Map<string, Count>> {
  const text = await (await ask(base, '/metrics')).text()
  const found = new Map<string, Count>()
  for (const [, failed, labels = '', value] of text.matchAll(
    /^alertmanager_notification_requests_(failed_)?total\{(.*)\} (\S+)$/gm,
  )) {
    const name = /receiver_name="([^"]*)"/.exec(labels)?.[1]
    if (name === undefined) continue
    const count = found.get(name) ?? { tried: 0, failed: 0 }
    count[failed ? 'failed' : 'tried'] += Number(value)
    found.set(name, count)
  }
  return found
}

async function ask(base: string, path: string, body?: unknown): Promise<Response> {
  const response = await fetch(base + path, {
    signal: AbortSignal.timeout(10_000),
    ...(body ? { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
  }).catch((cause: Error) => {
    throw unanswered(path, cause.message)
  })
  if (!response.ok) throw unanswered(path, `${response.status}: ${(await response.text()).trim()}`)
  return response
}

const unanswered = (path: string, why: string) =>
  new HomelabError({
    what: `Alertmanager does not answer ${path}`,
    why,
    fix: 'kubectl logs -n monitoring alertmanager-monitoring-alertmanager-0',
    code: exit.usage,
  })
