// The last lines of a step: does it serve, seen from outside? Reads only; what cannot be seen from here is counted aloud.
import { X509Certificate } from 'node:crypto'
import { HomelabError } from './errors.ts'
import { at, mapAt } from './k8s.ts'
import { type Outside, outside, type Seen } from './outside/outside.ts'
import type { Run } from './run.ts'
import type { Step } from './step.ts'
import { record } from './verdict.ts'

export interface Verify {
  /** The server answers `NAME.DOMAIN` with an address, over UDP and over TCP. */
  dns(server: string, name: string, expected: string): Promise<void>
  /** `http://NAME.DOMAIN/` sends the browser to HTTPS. */
  redirect(name: string): Promise<void>
  /** The certificate shown for `NAME.DOMAIN` chains to the lab's issuer, names the host and has not expired. */
  certificate(name: string): Promise<void>
  /** The certificate in a Secret was made by the lab's CA for `NAME.DOMAIN`: what the ingress will show. */
  issued(secret: string, name: string): Promise<void>
  /** A page of `NAME.DOMAIN` answers over HTTPS, with a certificate of ours, and contains a text. */
  https(name: string, path: string, text: string): Promise<void>
}

// Pods that have just become ready take a moment to be routed to. Seconds.
const patience = 30

export function createVerify(run: Run, step: Step): Verify {
  const { site, plan } = run
  const from = outside(site.sandbox ? { sandbox: { routes: site.sandbox.routesFile } } : {})
  const address = site.traefikAddress
  const host = (name: string) => `${name}.${site.domain}`

  /** Looks until it is right or the time is over, and records what the look was worth. */
  const check = async (what: string, look: (from: Outside) => Promise<Seen>): Promise<void> => {
    if (plan) return
    run.reporter.doing(step.id, `checking ${what}`)
    const deadline = Date.now() + patience * 1000
    for (;;) {
      run.checkpoint()
      const seen = await look(from)
      if (seen.ok || seen.notMeasurable) {
        record(run, step, what, seen.ok ? 'proven' : 'not measurable here')
        return
      }
      if (Date.now() > deadline)
        throw new HomelabError({
          what: `${what}: not so`,
          why: `${seen.cause ?? seen.detail}. ${(await speakerSays(run, seen)) ?? "It was looked at from this machine, which must be on the house's network"}`,
          fix: seen.fix ?? `./bootstrap/${step.id}.ts looks again`,
        })
      run.reporter.doing(step.id, `checking ${what}: ${seen.cause ?? 'not yet'}`)
      await new Promise(resolve => setTimeout(resolve, 1000))
    }
  }

  return {
    async dns(server, label, expected) {
      const name = host(label)
      for (const protocol of ['udp', 'tcp'] as const)
        await check(`${server} answers ${name} with ${expected} over ${protocol.toUpperCase()}`, () =>
          from.resolveName(name, { address: server, protocol }, { expect: expected }),
        )
    },
    async redirect(name) {
      const url = `http://${host(name)}/`
      await check(`${url} leads to https`, () =>
        from.httpCheck({ url, address, expectRedirectTo: url.replace('http:', 'https:') }),
      )
    },
    async certificate(name) {
      const servername = host(name)
      const ca = await authority(run)
      await check(`the certificate of ${servername} is the lab's`, () =>
        from.tlsCheck({ address, port: 443, servername, ...ca }),
      )
    },
    async issued(secret, name) {
      if (plan) return
      const servername = host(name)
      const found = mapAt(await run.cluster.find(`secret/${secret}`), 'data')
      const ca = (await authority(run)).ca
      const certificate = new X509Certificate(Buffer.from(found['tls.crt'] ?? '', 'base64'))
      const why = !certificate.checkHost(servername)
        ? `it is for ${certificate.subjectAltName ?? 'nobody'}`
        : ca && !certificate.verify(new X509Certificate(ca).publicKey)
          ? 'another CA signed it'
          : Date.parse(certificate.validTo) < Date.now()
            ? `it expired on ${certificate.validTo}`
            : undefined
      if (why)
        throw new HomelabError({
          what: `the certificate in ${secret} is not right for ${servername}`,
          why,
          fix: `kubectl delete secret -n ${secret.replace('/', ' ')}: cert-manager makes it anew`,
        })
      record(run, step, `${secret} is the lab's certificate for ${servername}`, 'proven')
    },
    async https(name, path, text) {
      const url = `https://${host(name)}${path}`
      const ca = await authority(run)
      await check(`${url} answers`, () => from.httpCheck({ url, address, expectBody: text, ...ca }))
    },
  }
}

/** Nobody answers to an address: MetalLB's speaker should, and its log knows why it does not. */
async function speakerSays(run: Run, { cause = '' }: Seen): Promise<string | undefined> {
  if (!/no machine answers/.test(cause)) return undefined
  const log = ['logs', '-n', 'metallb-system', 'daemonset/metallb-speaker', '--tail=300']
  const { code, stdout } = await run.cluster.kubectl(log, { timeout: 10 })
  const errors = stdout
    .split('\n')
    .flatMap(line => (/"level":"error".*/.test(line) ? [/"error":"((?:[^"\\]|\\.)*)"/.exec(line)?.[1]] : []))
  const last = code === 0 ? errors.filter(Boolean).at(-1) : undefined
  return last && `MetalLB's speaker, which should answer, says: ${last.replaceAll('\\"', '"')}`
}

const authorities = new WeakMap<Run, Promise<{ ca?: string }>>()

/** The lab's own CA, where it is the issuer; Let's Encrypt production is known to every device. Read once a run. */
function authority(run: Run): Promise<{ ca?: string }> {
  const known = authorities.get(run)
  if (known) return known
  const asked = run.site.issuer.name === 'internal-ca' ? readAuthority(run) : Promise.resolve({})
  authorities.set(run, asked)
  return asked
}

async function readAuthority(run: Run): Promise<{ ca?: string }> {
  const ca = at(await run.cluster.find('secret/cert-manager/internal-ca'), 'data', 'tls.crt')
  if (typeof ca === 'string') return { ca: Buffer.from(ca, 'base64').toString() }
  authorities.delete(run) // not made yet: asked again
  return {}
}
