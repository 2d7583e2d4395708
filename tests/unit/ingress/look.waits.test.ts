// What test-ingress says of a house, against real servers on loopback: every fault with its exact words.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { describe, test as it } from 'node:test'
import { Snapshot } from '../../../scripts/lib/health/snapshot.ts'
import { findings } from '../../../scripts/lib/ingress/findings.ts'
import { count } from '../../../scripts/lib/ingress/report.ts'
import { listen, local, secure } from '../servers.ts'
import {
  app,
  certificate,
  certificates,
  domain,
  healthy,
  ingress,
  known,
  object,
  platform,
  resolvers,
  service,
  site,
  slice,
  test,
  traefik,
} from './house.ts'

const argocd = `argocd.${domain}`
const objects = () => [...platform(), ...app('argocd')]
const status = (code: number, body = '', headers: Record<string, string> = {}): { page: RequestListener } => ({
  page: (_, response) => response.writeHead(code, headers).end(body),
})

/** The day of a certificate's end, as it is printed. */
const day = (time: number) => new Date(time).toISOString().slice(0, 10)

describe('a house that is well', secure, () => {
  it('ten hosts are right, and take less than three seconds', async () => {
    const names = Array.from({ length: 10 }, (_, i) => `app-${i}`)
    const { look, said } = await test({}, [...platform(), ...names.flatMap(app)])
    assert.deepEqual(said, [])
    assert.deepEqual(count(look), { hosts: 10, right: 10 * 8 + 4, wrong: 0, notMeasurable: 0 })
    assert.equal(look.hosts[0]?.page?.status, 200)
    assert.ok(look.ms < 3000, `it took ${look.ms} ms`)
  })
  for (const [what, answer] of [
    ["the 401 of Traefik's dashboard", status(401)],
    ['a refusal', status(403)],
    ['a page of a program that has none at /', status(404, '{"error":"not found"}')],
    ['a redirect to a login elsewhere', status(302, '', { location: 'https://login.example.net/?next=lab' })],
  ] as const)
    it(`counts as an answer: ${what}`, async () => {
      assert.deepEqual((await test(answer, objects())).said, [])
    })
  it('a redirect to a login page is followed to it', async () => {
    const { look, said } = await test(
      {
        page: (request, response) =>
          request.url === '/login' ? response.end('who?') : response.writeHead(302, { location: '/login#now' }).end(),
      },
      objects(),
    )
    assert.deepEqual(said, [])
    assert.deepEqual(look.hosts[0]?.page?.hops, [`https://${argocd}/`, `https://${argocd}/login`])
    assert.equal(look.hosts[0]?.page?.status, 200)
  })
  it('the shortest published path is the one that is opened', async () => {
    const asked: (string | undefined)[] = []
    const page: RequestListener = (request, response) => {
      asked.push(request.url)
      response.end()
    }
    await test({ page }, [
      ...platform(),
      ingress('argocd', {}, ['/api/v1', '/api']),
      service('argocd'),
      slice('argocd'),
    ])
    assert.deepEqual(asked, ['/api'])
  })
})

describe('names', secure, () => {
  const missing = `its rewrite of *.${domain} is missing or changed`
  const own = 'it has an entry of its own for this name'
  const rewrites = `https://adguard.${domain}, Filters > DNS rewrites`
  const [first, second] = resolvers
  const cases: [string, Parameters<typeof test>[0], unknown[][]][] = [
    [
      'one name leads elsewhere, at one of the two',
      { names: (name, at) => (name === argocd && at === first ? '192.168.77.9' : healthy(name)) },
      [['wrong', `${argocd}: AdGuard at ${first} leads it to 192.168.77.9 instead of ${traefik}`, own, rewrites]],
    ],
    [
      'one name does not exist, at both',
      { names: name => (name === argocd ? 3 : healthy(name)) },
      [
        [
          'wrong',
          `${argocd}: AdGuard at ${first} and ${second} has no right answer for it: the server says that the name does not exist (NXDOMAIN)`,
          own,
          rewrites,
        ],
      ],
    ],
    [
      'one name is blocked',
      { names: name => (name === argocd ? '0.0.0.0' : healthy(name)) },
      [
        [
          'wrong',
          `${argocd}: AdGuard at ${first} and ${second} blocks it (0.0.0.0)`,
          'a filter list or a rule has this name',
          `https://adguard.${domain}, Filters > Custom filtering rules: @@||${argocd}^`,
        ],
      ],
    ],
    [
      'the rewrite is not there: said once, not of each host',
      { names: (name, at) => (at === second && name.endsWith(domain) ? 3 : healthy(name)) },
      [
        [
          'wrong',
          `AdGuard at ${second} has no right answer for names below ${domain}: the server says that the name does not exist (NXDOMAIN)`,
          missing,
          './bootstrap/03-adguard.ts',
        ],
      ],
    ],
    [
      'the rewrite is an old one',
      { names: name => (name.endsWith(domain) ? '192.168.77.9' : healthy(name)) },
      [
        [
          'wrong',
          `AdGuard at ${first} and ${second} leads names below ${domain} to 192.168.77.9 instead of ${traefik}`,
          missing,
          './bootstrap/03-adguard.ts',
        ],
      ],
    ],
    [
      'TCP is refused',
      { tcp: false },
      [
        [
          'wrong',
          `AdGuard at ${first} does not answer over TCP: nothing listens there (connection refused)`,
          'its Service has the address and a ready pod, and only TCP fails: something between is in the way',
          'kubectl -n adguard describe service adguard-0',
        ],
      ],
    ],
    [
      'everything leads to Traefik',
      { names: () => traefik },
      [
        [
          'wrong',
          `AdGuard at ${first} and ${second} leads names of the internet to Traefik`,
          `a rewrite there is for more than ${domain}`,
          `https://adguard.${domain}, Filters > DNS rewrites: only ${domain} and *.${domain} are ours`,
        ],
      ],
    ],
    [
      'without internet: a warning, not a failure',
      { names: name => (name.endsWith(domain) ? healthy(name) : 2) },
      [
        [
          'warning',
          `AdGuard at ${first} and ${second} gets no answer for names of the internet`,
          "its upstreams (9.9.9.9, 1.1.1.1) do not answer: no internet, or a firewall. The house's names work",
          'dig @9.9.9.9 example.com',
        ],
      ],
    ],
    [
      'upstreams that know nothing',
      { names: name => (name.endsWith(domain) ? healthy(name) : 3) },
      [
        [
          'warning',
          `AdGuard at ${first} and ${second} says that example.com, which always exists, has no address`,
          'a filter has it, or its upstreams have no internet behind them',
          'dig @9.9.9.9 example.com',
        ],
      ],
    ],
    [
      'upstreams that know everything',
      { names: name => (name.endsWith('.invalid') ? '198.51.100.7' : healthy(name)) },
      [
        [
          'warning',
          `AdGuard at ${first} and ${second} gives an address to a name that cannot exist`,
          'its upstreams answer for every name, as some providers do: misspelt names lead to their pages',
          'dig @9.9.9.9 example.com',
        ],
      ],
    ],
  ]
  for (const [fault, house, expected] of cases)
    it(`names it: ${fault}`, async () => {
      assert.deepEqual((await test(house, objects())).said, expected)
    })
  it('names it: a pod of AdGuard is down, and what the cluster says of it', async () => {
    const without = objects().filter(one => one.kind !== 'EndpointSlice' || one.metadata.name !== 'adguard-0-1')
    const workload = object('StatefulSet', 'adguard', 'adguard', {
      status: { observedGeneration: 1 },
      spec: { replicas: 0, template: { metadata: { labels: { app: 'adguard-0' } } } },
    })
    const { said } = await test({ tcp: false }, [...without, workload])
    assert.deepEqual(said, [
      [
        'wrong',
        `AdGuard at ${first} does not answer over TCP: nothing listens there (connection refused)`,
        'the Service adguard/adguard-0 has no ready pod: adguard is scaled to 0: nothing of it runs',
        'kubectl -n adguard get pods',
      ],
    ])
  })
  it('a host outside the domain is looked at, and where it leads is said, not judged', async () => {
    const names = (name: string) => (name === 'blog.example.net' ? '198.51.100.7' : healthy(name))
    const shown = (_: string, all: { other: { key: string; cert: string } }) => all.other
    const { look, said } = await test({ names, shown }, [
      ...[...platform(), ingress('blog', {}, ['/'], 'blog.example.net'), service('blog'), slice('blog')],
    ])
    assert.equal(look.hosts[0]?.page?.status, 200)
    assert.deepEqual(said[1], [
      'warning',
      `blog.example.net: it lies outside ${domain} and leads to 198.51.100.7, not to Traefik`,
      `only names below ${domain} are ours; who gives this one its address is the owner of its domain`,
      `https://adguard.${domain}, Filters > DNS rewrites, if the house should find it at ${traefik}`,
    ])
    assert.deepEqual(said[0]?.slice(0, 2), [
      'wrong',
      'blog.example.net: the certificate is for nas.example.org, not for blog.example.net',
    ])
  })
})

describe('certificates', secure, () => {
  const describeIt = 'kubectl -n traefik describe certificate wildcard'
  const showing = (name: 'expired' | 'foreign' | 'other' | 'traefik' | 'good') => ({
    shown: (_: string, all: ReturnType<typeof certificates>) => all[name],
  })
  const yesterday = () => day(Date.now() - 86_400_000)
  it('names it: expired, and the page is seen all the same', async () => {
    const { look, said } = await test(showing('expired'), objects())
    assert.deepEqual(said, [
      ['wrong', `${argocd}: the certificate expired on ${yesterday()}`, 'it was not renewed in time', describeIt],
    ])
    assert.deepEqual([look.hosts[0]?.page?.ok, look.hosts[0]?.page?.status], [true, 200])
  })
  it('names it: expired, and why cert-manager did not renew it', async () => {
    const failing = {
      failedIssuanceAttempts: 3,
      conditions: [
        { type: 'Ready', status: 'False' },
        { type: 'Issuing', status: 'False', reason: 'Failed', message: 'rateLimited: too many' },
      ],
    }
    const cluster = objects().map(one => (one.kind === 'Certificate' ? certificate({ status: failing }) : one))
    const { said } = await test(showing('expired'), [
      ...cluster,
      object('ClusterIssuer', 'internal-ca', undefined, {
        status: { conditions: [{ type: 'Ready', status: 'True' }] },
      }),
    ])
    assert.equal(said.length, 1)
    assert.match(String(said[0]?.[2]), /^certificate wildcard is not issued: Let's Encrypt has had too many requests/)
    assert.equal(said[0]?.[3], describeIt)
  })
  it('names it: from a foreign authority, once for all hosts', async () => {
    const { said } = await test(showing('foreign'), [...objects(), ...app('rancher')])
    assert.deepEqual(said, [
      [
        'wrong',
        `${argocd}, rancher.${domain}: the certificate comes from another authority (somebody else)`,
        'the CA of today did not sign what is in traefik/wildcard; cert-manager makes it anew when that Secret is deleted',
        'kubectl -n traefik delete secret wildcard',
      ],
    ])
  })
  it('names it: for another name', async () => {
    assert.deepEqual((await test(showing('other'), objects())).said, [
      [
        'wrong',
        `${argocd}: the certificate is for nas.example.org, not for ${argocd}`,
        'it is the one in the Secret traefik/wildcard, which was made for other names',
        describeIt,
      ],
    ])
  })
  it('names it: a name two labels below the domain', async () => {
    const deep = ingress('argocd', {}, ['/'], `a.b.${domain}`)
    assert.deepEqual((await test({}, [...platform(), deep, service('argocd'), slice('argocd')])).said, [
      [
        'wrong',
        `a.b.${domain}: the certificate is for *.${domain}, not for a.b.${domain}`,
        `a wildcard covers one label: *.${domain} is not for a.b.${domain}`,
        'give its Ingress a tls section and the annotation cert-manager.io/cluster-issuer, or a shorter name',
      ],
    ])
  })
  it("names it: Traefik's own, because nothing fills the Secret", async () => {
    const { said } = await test(
      showing('traefik'),
      objects().filter(({ kind }) => kind !== 'Certificate'),
    )
    assert.deepEqual(said, [
      [
        'wrong',
        `${argocd}: Traefik shows its built-in certificate: it has none for this name yet, or cannot read the one it should use`,
        'no Certificate fills the Secret traefik/wildcard, so nobody renews it',
        './bootstrap/05-cert-manager.ts',
      ],
    ])
  })
  it('warns when few days are left and the renewal is late, and says nothing while it is ahead', async () => {
    const late = new Date(Date.now() - 60_000).toISOString()
    const { good } = certificates()
    const ends = Date.now() + 10 * 86_400_000
    assert.ok(good.cert, 'its certificate is one of ten days')
    const overdue = [
      ...objects().filter(({ kind }) => kind !== 'Certificate'),
      certificate({ status: { renewalTime: late } }),
    ]
    assert.deepEqual((await test(showing('good'), overdue)).said, [
      [
        'warning',
        `${argocd}: its certificate has 9 days left (until ${day(ends)})`,
        `cert-manager should have renewed it on ${late.slice(0, 10)}`,
        describeIt,
      ],
    ])
    assert.deepEqual((await test(showing('good'), objects())).said, [])
  })
  it('names it: Traefik shows an older one than cert-manager has', async () => {
    const notAfter = new Date(Date.now() + 90 * 86_400_000).toISOString()
    const renewed = [...objects().filter(({ kind }) => kind !== 'Certificate'), certificate({ status: { notAfter } })]
    const { said } = await test(showing('good'), renewed)
    assert.deepEqual(said[0]?.slice(2), [
      `cert-manager has another one in traefik/wildcard, until ${notAfter.slice(0, 10)}, which Traefik does not show`,
      'kubectl -n traefik logs deployment/traefik --tail=50',
    ])
  })
  it("with a public authority the lab's own is named", async () => {
    const issuer = {
      name: 'letsencrypt',
      email: 'a@b.net',
      dns01: { provider: 'rfc2136', credentials: {}, vars: {} },
    } as const
    const from = { target: { ca: undefined }, site: { ...site, issuer } } as unknown as Parameters<typeof test>[2]
    assert.deepEqual((await test({}, objects(), from)).said, [
      [
        'wrong',
        `${argocd}: the certificate comes from an authority that is not trusted here (homelab internal CA)`,
        'TLS_ISSUER=letsencrypt, but traefik/wildcard comes from elsewhere',
        describeIt,
      ],
    ])
  })
  it('without an authority no certificate is judged, and that is said once', async () => {
    const noAuthority = { what: 'the lab has no authority yet', fix: './bootstrap/05-cert-manager.ts' }
    const { said } = await test({}, [...objects(), ...app('rancher')], { noAuthority })
    assert.deepEqual(said, [
      [
        'wrong',
        'no certificate can be judged: the lab has no authority yet',
        undefined,
        './bootstrap/05-cert-manager.ts',
      ],
    ])
  })
})

// Side by side: three of these wait for seconds.
describe('connections', { ...secure, concurrency: true }, () => {
  it('names it: refused, once for all hosts, and nothing of what follows from it', async () => {
    const { look, said } = await test(
      { routes: { [`${traefik}:443/tcp`]: `${local}:1`, [`${traefik}:80/tcp`]: `${local}:1` } },
      [...objects(), ...app('rancher')],
    )
    assert.deepEqual(said, [
      [
        'wrong',
        `Traefik at ${traefik} does not answer on port 443: nothing listens there (connection refused)`,
        'its Service has the address and ready pods: something between here and the nodes is in the way',
        'kubectl -n traefik get pods,services -o wide',
      ],
    ])
    assert.equal(look.hosts[0]?.page, undefined)
  })
  it('names it: refused, because its Service has no address', async () => {
    const cluster = objects().map(one =>
      one.kind === 'Service' && one.metadata.name === 'traefik' ? { ...one, status: {} } : one,
    )
    const { said } = await test({ routes: { [`${traefik}:443/tcp`]: `${local}:1` } }, cluster)
    assert.deepEqual(said[0]?.slice(2), [
      'service traefik waits for its address',
      'kubectl -n traefik describe service traefik',
    ])
  })
  it('a server that takes the connection and is silent is named within the time, and holds nobody up', async () => {
    const silent = await listen(createTcpServer(socket => void socket.on('error', () => {}).unref()))
    const started = Date.now()
    const { look, said } = await test({ routes: { [`${traefik}:443/tcp`]: `${local}:${silent}` } }, objects())
    assert.deepEqual(said, [
      [
        'wrong',
        `${argocd}: Traefik shows no certificate: no answer within 3000 ms`,
        'it takes the connection, and does not speak TLS there',
        'kubectl -n traefik logs deployment/traefik --tail=50',
      ],
    ])
    assert.ok(Date.now() - started < 6000, `it took ${Date.now() - started} ms`)
    assert.equal(look.hosts[0]?.redirect.ok, true)
  })
  it('a slow page among ten does not hold up the others', async () => {
    const names = Array.from({ length: 9 }, (_, i) => `app-${i}`)
    const order: string[] = []
    let givenUp: Promise<unknown> = Promise.resolve()
    const page: RequestListener = ({ headers, socket }, response) => {
      const { host = '' } = headers
      if (host === argocd) givenUp = once(socket, 'close').then(() => order.push(host))
      else response.end(() => order.push(host))
    }
    const { look, said } = await test({ page }, [...objects(), ...names.flatMap(app)])
    assert.deepEqual(said, [
      [
        'wrong',
        `${argocd}: no page within 3.5 s`,
        'the ingress takes the question, and the program behind it is slow or hangs',
        'kubectl -n argocd get pods -o wide',
      ],
    ])
    assert.ok(look.ms < 6000, `it took ${look.ms} ms`)
    await givenUp
    assert.deepEqual([order.length, order.at(-1)], [10, argocd], 'it is given up when all others are done')
  })
  it('where nobody answers at all there is one message instead of thirty', async () => {
    const silence = await listen(createTcpServer(socket => void socket.on('error', () => {}).unref()))
    const names = () => undefined
    const routes = Object.fromEntries(
      [`${resolvers[0]}:53/tcp`, `${resolvers[1]}:53/tcp`].map(key => [key, `${local}:${silence}`]),
    )
    // A port whose queue of connections is never taken is silent, and cannot be had on loopback; 443 is left out instead.
    const away = { [`${traefik}:443/tcp`]: undefined, [`${traefik}:80/tcp`]: `${local}:${silence}` }
    const cluster = [...objects(), ...app('rancher')]
    const what = `nothing at all answers at ${[traefik, ...resolvers].join(', ')}`
    const elsewhere = await test({ names, routes: { ...routes, ...away } }, cluster, { networks: ['10.0.0.5/24'] })
    assert.deepEqual(elsewhere.said, [
      [
        'wrong',
        what,
        'this machine is in another network (10.0.0.5/24), and MetalLB announces the addresses in their own',
        "make test-ingress on a machine in the house's network",
      ],
    ])
    const world = { site, snapshot: new Snapshot(cluster, { known }), networks: ['10.0.0.5/24', '192.168.77.9/24'] }
    const [here] = findings(elsewhere.look, world)
    assert.deepEqual(
      [here?.what, here?.why, here?.fix],
      [
        what,
        'this machine is in the network of these addresses, and MetalLB runs, but nobody answers for them',
        'kubectl -n metallb-system logs daemonset/metallb-speaker --tail=50',
      ],
    )
  })
})

describe('pages', secure, () => {
  const nothing = 'the ingress answers, but nothing behind it does (503)'
  const withoutPods = () => objects().filter(one => one.kind !== 'EndpointSlice' || one.metadata.namespace !== 'argocd')
  it('names it: no redirect to HTTPS', async () => {
    const { said } = await test({ plain: (_, response) => response.end('plain') }, [...objects(), ...app('rancher')])
    assert.deepEqual(said, [
      [
        'wrong',
        `${argocd}, rancher.${domain}: HTTP does not lead to HTTPS: it answers 200 itself`,
        'the redirect belongs to the entry point web (infrastructure/platform/traefik/values.yaml)',
        './bootstrap/04-traefik.ts',
      ],
    ])
  })
  it('names it: 503, and the pod that is not ready', async () => {
    const pod = object('Pod', 'argocd-7f', 'argocd', {
      metadata: { name: 'argocd-7f', namespace: 'argocd', labels: { app: 'argocd' } },
      status: {
        phase: 'Pending',
        containerStatuses: [
          {
            name: 'main',
            image: 'example.org/none:1',
            state: { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } },
          },
        ],
      },
      spec: { nodeName: 'n1', containers: [{ name: 'main', image: 'example.org/none:1' }] },
    })
    const { said } = await test(status(503), [...withoutPods(), pod])
    assert.deepEqual(said[0]?.slice(0, 3), [
      'wrong',
      `${argocd}: ${nothing}`,
      'the Service argocd/argocd has no ready pod: the image example.org/none:1 of pod argocd-7f cannot be pulled: no such image',
    ])
    assert.equal(said.length, 1)
  })
  it('names it: 503, and nothing has the labels', async () => {
    assert.deepEqual((await test(status(503), withoutPods())).said, [
      [
        'wrong',
        `${argocd}: ${nothing}`,
        'the Service argocd/argocd has no ready pod: none has its labels',
        'kubectl -n argocd get pods',
      ],
    ])
  })
  it('names it: 502 although all is ready', async () => {
    assert.deepEqual((await test(status(502), objects())).said, [
      [
        'wrong',
        `${argocd}: the ingress answers, but nothing behind it does (502)`,
        'pods of argocd/argocd are ready, but Traefik does not reach them',
        'kubectl -n argocd get pods -o wide',
      ],
    ])
  })
  const lost = status(404, '404 page not found\n')
  const unknown = `${argocd}: nobody there knows this host or path (404)`
  const edit = 'kubectl -n argocd edit ingress argocd'
  const causes: [string, ReturnType<typeof ingress>[], string, string][] = [
    [
      'nothing that the cluster knows',
      [ingress('argocd'), service('argocd'), slice('argocd')],
      'Traefik has not taken the route, or a program behind it says so in the same words',
      'kubectl -n traefik logs deployment/traefik --tail=50',
    ],
    [
      'its Service does not exist',
      [ingress('argocd')],
      'Ingress argocd/argocd leads to the Service argocd/argocd, which does not exist',
      'kubectl -n argocd describe ingress argocd',
    ],
    [
      'its Service has another port',
      [ingress('argocd'), service('argocd', { ports: [{ name: 'web', port: 8080 }] })],
      'Ingress argocd/argocd leads to port http of the Service argocd/argocd, which has web 8080',
      'kubectl -n argocd describe ingress argocd',
    ],
    [
      'no pod has the port',
      [ingress('argocd'), service('argocd'), slice('argocd', true, 'web')],
      'no pod of the Service argocd/argocd has the port that its port http leads to',
      'kubectl -n argocd describe service argocd',
    ],
    [
      'a class that does not exist',
      [ingress('argocd', { ingressClassName: 'nginx' }), service('argocd'), slice('argocd')],
      'Ingress argocd/argocd is of the class nginx, which does not exist',
      edit,
    ],
    [
      "another controller's class",
      [
        ...[ingress('argocd', { ingressClassName: 'nginx' }), service('argocd'), slice('argocd')],
        object('IngressClass', 'nginx', undefined, { spec: { controller: 'k8s.io/ingress-nginx' } }),
      ],
      'Ingress argocd/argocd is of the class nginx, which belongs to k8s.io/ingress-nginx',
      edit,
    ],
    [
      'no class',
      [ingress('argocd', { ingressClassName: undefined }), service('argocd'), slice('argocd')],
      "Ingress argocd/argocd names no ingressClassName; Traefik's is traefik",
      edit,
    ],
    [
      'a middleware that does not exist',
      [
        object('IngressRoute', 'argocd', 'argocd', {
          spec: {
            routes: [
              {
                match: `Host(\`${argocd}\`)`,
                middlewares: [{ name: 'login' }],
                services: [{ name: 'argocd', port: 80 }],
              },
            ],
          },
        }),
        ...[service('argocd'), slice('argocd')],
      ],
      'IngressRoute argocd/argocd needs the Middleware argocd-login (NAMESPACE-NAME), which does not exist',
      'kubectl get middlewares.traefik.io -A',
    ],
    [
      'the wrong entry point',
      [
        object('IngressRoute', 'argocd', 'argocd', {
          spec: { entryPoints: ['web'], routes: [{ match: `Host(\`${argocd}\`)`, services: [] }] },
        }),
      ],
      'IngressRoute argocd/argocd is for the entry point web only, HTTPS is websecure',
      'kubectl -n argocd edit ingressroute argocd',
    ],
    [
      'two that claim it',
      [
        ...[ingress('argocd'), service('argocd'), slice('argocd')],
        ...[ingress('second', {}, ['/'], argocd), service('second'), slice('second')],
      ],
      `Ingress argocd/argocd and Ingress second/second both claim ${argocd}/: which one is served is chance`,
      'kubectl -n second edit ingress second',
    ],
  ]
  for (const [fault, own, why, fix] of causes)
    it(`names the cause of a 404: ${fault}`, async () => {
      assert.deepEqual((await test(lost, [...platform(), ...own])).said, [['wrong', unknown, why, fix]])
    })
  it('what answers, although a part of it cannot, is a warning', async () => {
    const { said } = await test({}, [...objects(), ingress('second', {}, ['/other'], argocd)])
    assert.deepEqual(said, [
      [
        'warning',
        `${argocd}: Ingress second/second leads to the Service second/second, which does not exist`,
        undefined,
        'kubectl -n second describe ingress second',
      ],
    ])
  })
  it('names it: redirects in a circle', async () => {
    const page: RequestListener = ({ url }, response) =>
      response.writeHead(307, { location: url === '/' ? '/a' : '/' }).end()
    assert.deepEqual((await test({ page }, objects())).said, [
      [
        'wrong',
        `${argocd}: the redirects go in a circle: https://${argocd}/ → https://${argocd}/a → https://${argocd}/`,
        'the program behind wants HTTPS, and does not know that it ends at Traefik',
        'tell argocd that TLS ends before it (Argo CD: server.insecure: true)',
      ],
    ])
  })
  it('names it: redirects without an end', async () => {
    let hop = 0
    const page: RequestListener = (_, response) => response.writeHead(302, { location: `/${++hop}` }).end()
    const { said } = await test({ page }, objects())
    assert.equal(said[0]?.[1], `${argocd}: the redirects do not end: after 6 comes https://${argocd}/6`)
  })
  it('names it: HTTPS behind the ingress', async () => {
    const { said } = await test(status(400, 'Client sent an HTTP request to an HTTPS server.\n'), objects())
    assert.deepEqual(said, [
      [
        'wrong',
        `${argocd}: what is behind the ingress speaks HTTPS, and the ingress speaks HTTP to it (400)`,
        'Traefik speaks HTTP to a Service unless its port is named https or 443',
        'kubectl -n argocd edit service argocd',
      ],
    ])
  })
  it('any other status is no answer', async () => {
    assert.equal((await test(status(500), objects())).said[0]?.[1], `${argocd}: it answers 500`)
  })
})

describe('in a rehearsal', secure, () => {
  it('what cannot be measured is no pass, and what the cluster knows is said all the same', async () => {
    const away = { [`${traefik}:443/tcp`]: undefined, [`${traefik}:80/tcp`]: undefined }
    const { look, said } = await test({ routes: away }, [...objects(), ingress('lonely')])
    assert.deepEqual(count(look), { hosts: 2, right: 2 * 4 + 4, wrong: 0, notMeasurable: 2 * 4 })
    assert.deepEqual(said, [
      [
        'wrong',
        `lonely.${domain}: Ingress lonely/lonely leads to the Service lonely/lonely, which does not exist`,
        undefined,
        'kubectl -n lonely describe ingress lonely',
      ],
    ])
  })
})
