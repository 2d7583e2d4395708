// Which hosts a cluster publishes: Ingresses and IngressRoutes, each name once, and what is left out is said.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { published, readMatch } from '../../../scripts/lib/ingress/hosts.ts'
import { domain, ingress, object } from './house.ts'

const route = (match: string, more: Record<string, unknown> = {}) =>
  object('IngressRoute', 'web', 'apps', {
    spec: { routes: [{ match, services: [{ name: 'web', port: 80 }], ...more }] },
  })
const names = (...objects: Parameters<typeof published>[0]) => published(objects, domain).hosts.map(({ name }) => name)

describe('an IngressRoute', () => {
  for (const [match, hosts, path] of [
    ['Host(`a.lab.home.arpa`)', ['a.lab.home.arpa'], '/'],
    ['Host("a.lab.home.arpa")', ['a.lab.home.arpa'], '/'],
    ['Host(`A.Lab.Home.Arpa`)', ['a.lab.home.arpa'], '/'],
    ['Host(`a.x`) || Host(`b.x`)', ['a.x', 'b.x'], '/'],
    ['Host(`a.x`, `b.x`)', ['a.x', 'b.x'], '/'],
    ['Host(`a.x`) && PathPrefix(`/api`)', ['a.x'], '/api'],
    ['(Host(`a.x`) || Host(`b.x`)) && Path(`/one`)', ['a.x', 'b.x'], '/one'],
    ['Host(`a.x`) && !Host(`b.x`)', ['a.x'], '/'],
    ['Host(`a.x`) && Headers(`X-A`, `b`)', ['a.x'], 'Headers(`X-A`, `b`)'],
    ['PathPrefix(`/Host(x)`)', [], '/Host(x)'],
    ['', [], '/'],
  ] as const)
    test(`publishes of ${match || 'an empty rule'}: ${hosts.join(', ') || 'no host'}`, () => {
      assert.deepEqual(readMatch(match), { hosts, path })
    })
  test('a pattern and a rule for any host are left out, and said', () => {
    const { hosts, ignored } = published(
      [route('HostRegexp(`^home\\.`)'), route('PathPrefix(`/x`)'), route('Host(`a b.x`)')],
      domain,
    )
    assert.deepEqual(hosts, [])
    assert.deepEqual(ignored, [
      { object: 'IngressRoute apps/web', why: 'HostRegexp(`^home\\.`) is no single name' },
      { object: 'IngressRoute apps/web', why: 'PathPrefix(`/x`): any host' },
      { object: 'IngressRoute apps/web', why: 'a b.x is no DNS name' },
    ])
  })
  test("leads to Services, also of other namespaces; Traefik's own are not looked for", () => {
    const services = [
      { name: 'api@internal', kind: 'TraefikService' },
      { name: 'far', namespace: 'other', port: 'http' },
    ]
    const [host] = published([route('Host(`a.x`)', { services })], domain).hosts
    assert.deepEqual(host?.routes[0]?.backends, [{ namespace: 'other', service: 'far', port: 'http' }])
  })
})

describe('an Ingress', () => {
  test('publishes each host of its rules, with its paths, class, entry points and Secret', () => {
    const one = ingress('argocd', { tls: [{ hosts: [`argocd.${domain}`], secretName: 'own' }] }, ['/', '/api'])
    one.metadata.annotations = { 'traefik.ingress.kubernetes.io/router.entrypoints': 'websecure, web' }
    const [host, ...others] = published([one], domain).hosts
    assert.equal(others.length, 0)
    assert.deepEqual(
      [host?.name, host?.ours, host?.path, host?.routes.map(({ path }) => path)],
      [`argocd.${domain}`, true, '/', ['/', '/api']],
    )
    assert.deepEqual(
      [host?.routes[0]?.className, host?.routes[0]?.entryPoints, host?.routes[0]?.secret],
      ['traefik', ['websecure', 'web'], 'argocd/own'],
    )
    assert.deepEqual(host?.routes[0]?.backends, [{ namespace: 'argocd', service: 'argocd', port: 'http' }])
  })
  test('a wildcard, a rule for any host and a default backend are left out, and said', () => {
    const backend = { service: { name: 'x', port: { number: 80 } } }
    const { hosts, ignored } = published(
      [
        ingress('a', {}, ['/'], `*.${domain}`),
        ingress('b', { rules: [{ http: { paths: [{ path: '/', backend }] } }] }),
        ingress('c', { rules: [], defaultBackend: backend }),
      ],
      domain,
    )
    assert.deepEqual(hosts, [])
    assert.deepEqual(
      ignored.map(({ object, why }) => `${object}: ${why}`),
      [
        `Ingress a/a: *.${domain} is no single name`,
        'Ingress b/b: a rule of it is for any host',
        'Ingress c/c: it has a default backend only, and no host',
      ],
    )
  })
})

test('each host once, in order, with everything that publishes it', () => {
  const objects = [ingress('b'), ingress('a'), route(`Host(\`b.${domain}\`) && PathPrefix(\`/x\`)`)]
  assert.deepEqual(names(...objects), [`a.${domain}`, `b.${domain}`])
  assert.deepEqual(
    published(objects, domain).hosts[1]?.routes.map(({ kind, path }) => `${kind} ${path}`),
    ['Ingress /', 'IngressRoute /x'],
  )
})

test('a host outside the domain is not ours', () => {
  const ours = (host: string) => published([ingress('a', {}, ['/'], host)], domain).hosts[0]?.ours
  assert.deepEqual([domain, `a.b.${domain}`, 'example.net', `not${domain}`].map(ours), [true, true, false, false])
})
