// AdGuard Home's API, for the one thing in its configuration that is ours: where the lab's own names lead.
import { nameOf } from './cluster.ts'
import { HomelabError } from './errors.ts'
import { mapAt } from './k8s.ts'
import { ourLabels, type Verbs } from './verbs.ts'

export interface Rewrite {
  domain: string
  answer: string
}

export interface Login {
  username?: string | undefined
  password?: string | undefined
}

const instances = ['adguard-0', 'adguard-1']

// What we set last, so that a later run can take it away again: the other rewrites are the owner's.
const record = { namespace: 'adguard', name: 'homelab-rewrites' }

/**
 * Makes both instances answer our names as wanted, and takes away what an earlier run had set.
 * The API is reached through the API server (`kubectl port-forward`), so the password never crosses the house's network.
 * @throws HomelabError when an instance does not answer or refuses the password
 */
export async function adguardRewrites(
  { cluster, plan, doing, did }: Pick<Verbs, 'cluster' | 'plan' | 'doing' | 'did'>,
  login: Login,
  wanted: readonly Rewrite[],
): Promise<void> {
  const kept = await cluster.find(`configmap/${record.namespace}/${record.name}`)
  const before = Object.entries(mapAt(kept, 'data')).map(([domain, answer]) => ({ domain: restore(domain), answer }))
  const outdated = before.filter(one => !wanted.some(other => same(one, other)))
  if (plan) {
    for (const one of wanted)
      if (!before.some(other => same(one, other))) did(`+ rewrite ${one.domain} → ${one.answer}`)
    return
  }
  doing('DNS rewrites')
  await Promise.all(
    instances.map(instance =>
      cluster.forward('adguard', instance, 3000, async port => {
        const api = createApi(instance, port, login)
        const list = await api.list()
        // Of our own names any other answer is wrong, whoever wrote it: the seed of an earlier site, or an earlier run.
        const isStale = (one: Rewrite) =>
          outdated.some(other => same(one, other)) ||
          wanted.some(other => other.domain === one.domain && other.answer !== one.answer)
        const stale = list.filter(isStale)
        const missing = wanted.filter(one => !list.some(other => same(one, other)))
        for (const one of stale) await api.change('delete', one)
        for (const one of missing) await api.change('add', one)
        if (stale.length || missing.length)
          did(`~ ${instance}: ${wanted.map(one => `${one.domain} → ${one.answer}`).join(', ')}`)
      }),
    ),
  )
  const data = Object.fromEntries(wanted.map(({ domain, answer }) => [store(domain), answer]))
  const [applied] = await cluster.apply([
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...record, labels: { ...ourLabels } }, data },
  ])
  if (applied && applied.result !== 'unchanged')
    did(`${applied.result === 'created' ? '+' : '~'} ${nameOf(applied.object)}`)
}

const same = (a: Rewrite, b: Rewrite) => a.domain === b.domain && a.answer === b.answer

// A ConfigMap's keys may not contain `*`.
const store = (domain: string) => domain.replace(/^\*/, '_wildcard')
const restore = (key: string) => key.replace(/^_wildcard/, '*')

/** https://github.com/AdguardTeam/AdGuardHome/tree/master/openapi: /rewrite/list, /rewrite/add, /rewrite/delete */
function createApi(instance: string, port: number, { username = '', password = '' }: Login) {
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
