// AdGuard Home's API, for the one thing in its configuration that is ours: where the lab's own names lead.
import { nameOf } from './cluster.ts'
import { HomelabError } from './errors.ts'
import { mapAt } from './k8s.ts'
import { ourLabels, type Verbs } from './verbs.ts'

interface Rewrite {
  domain: string
  answer: string
}

const instances = ['adguard-0', 'adguard-1']

// What we set last, so that a later run can take it away again: the other rewrites are the owner's.
const record = { namespace: 'adguard', name: 'homelab-rewrite' }

/**
 * Makes both instances answer `wanted.domain` with `wanted.answer`, and takes away what an earlier run had set.
 * The API is reached through the API server (`kubectl port-forward`), so the password never crosses the house's network.
 * @throws HomelabError when an instance does not answer or refuses the password
 */
export async function adguardRewrites(
  { cluster, plan, doing, did }: Pick<Verbs, 'cluster' | 'plan' | 'doing' | 'did'>,
  login: { username?: string | undefined; password?: string | undefined },
  wanted: Rewrite,
): Promise<void> {
  const before = await cluster.find(`configmap/${record.namespace}/${record.name}`)
  const { domain = '', answer = '' } = mapAt(before, 'data')
  const moved = before !== undefined && (domain !== wanted.domain || answer !== wanted.answer)
  if (plan) {
    if (!before || moved) did(`${before ? '~' : '+'} rewrite ${wanted.domain} → ${wanted.answer}`)
    return
  }
  doing('DNS rewrites')
  await Promise.all(
    instances.map(instance =>
      cluster.forward('adguard', instance, 3000, async port => {
        const api = createApi(instance, port, login)
        const list = await api.list()
        const has = (rewrite: Rewrite) =>
          list.some(one => one.domain === rewrite.domain && one.answer === rewrite.answer)
        const stale = [
          ...list.filter(one => one.domain === wanted.domain && one.answer !== wanted.answer),
          ...(moved && has({ domain, answer }) ? [{ domain, answer }] : []),
        ]
        for (const rewrite of stale) await api.change('delete', rewrite)
        if (!has(wanted)) await api.change('add', wanted)
        if (stale.length || !has(wanted)) did(`~ ${instance}: ${wanted.domain} → ${wanted.answer}`)
      }),
    ),
  )
  const [kept] = await cluster.apply([
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...record, labels: { ...ourLabels } }, data: { ...wanted } },
  ])
  if (kept && kept.result !== 'unchanged') did(`${kept.result === 'created' ? '+' : '~'} ${nameOf(kept.object)}`)
}

/** https://github.com/AdguardTeam/AdGuardHome/tree/master/openapi: /rewrite/list, /rewrite/add, /rewrite/delete */
function createApi(
  instance: string,
  port: number,
  { username = '', password = '' }: { username?: string | undefined; password?: string | undefined },
) {
  const headers = {
    authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
    'content-type': 'application/json',
  }
  const call = async (path: string, body?: Rewrite): Promise<Response> => {
    const response = await fetch(`http://127.0.0.1:${port}/control/rewrite/${path}`, {
      headers,
      signal: AbortSignal.timeout(10_000),
      ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
    }).catch((cause: unknown) => {
      throw new HomelabError({
        what: `${instance}: AdGuard Home's API does not answer`,
        why: String(cause),
        fix: `kubectl logs -n adguard ${instance}`,
      })
    })
    if (response.status === 401 || response.status === 403)
      throw new HomelabError({
        what: `${instance}: AdGuard Home refuses the password of the Secret adguard/adguard-admin`,
        why: 'it was changed in the app, or the Secret was made anew',
        fix: "put the app's password into the Secret (keys username, password) and run ./bootstrap/03-adguard.ts",
      })
    if (!response.ok)
      throw new HomelabError({
        what: `${instance}: rewrite/${path} answered ${response.status}`,
        why: await response.text(),
      })
    return response
  }
  return {
    list: async () => (await (await call('list')).json()) as Rewrite[],
    change: async (verb: 'add' | 'delete', rewrite: Rewrite) => void (await call(verb, rewrite)),
  }
}
