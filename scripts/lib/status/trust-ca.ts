// The certificate of the lab's own authority: read without its key, checked, handed out with instructions.
import { X509Certificate } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { Cluster } from '../cluster.ts'
import { exit, HomelabError } from '../errors.ts'
import { paint, print } from '../output.ts'
import { describe } from '../outside/tls.ts'
import type { Site } from '../site/site.ts'

/**
 * The authority's certificate as PEM. The template runs inside kubectl, so the key beside it never comes to us.
 * @throws HomelabError (exit 1) when it is not there yet, (exit 2) when the cluster cannot be read
 */
export async function readAuthority(site: Site): Promise<{ pem: string; certificate: X509Certificate }> {
  const cluster = new Cluster(site)
  const ran = await cluster.kubectl(
    [
      ...['get', 'secret', 'internal-ca', '-n', 'cert-manager', '--ignore-not-found'],
      ...['-o', 'go-template={{index .data "tls.crt" | base64decode}}'],
    ],
    { timeout: 5 },
  )
  if (ran.code !== 0) {
    const { why, fix } = cluster.failure('reading the authority', ran)
    throw new HomelabError({
      what: 'the authority cannot be read',
      ...(why ? { why } : {}),
      ...(fix ? { fix } : {}),
      code: exit.usage,
    })
  }
  if (ran.stdout.trim() === '')
    throw new HomelabError({
      what: 'the lab has no authority yet',
      why: 'cert-manager/internal-ca does not exist',
      fix: './bootstrap/05-cert-manager.ts',
    })
  const certificate = new X509Certificate(ran.stdout)
  if (!certificate.ca)
    throw new HomelabError({
      what: 'the certificate in cert-manager/internal-ca is not one of an authority',
      why: `it is ${certificate.subject}`,
      fix: 'kubectl -n cert-manager describe certificate internal-ca',
    })
  return { pem: certificate.toString(), certificate }
}

export async function handOut(site: Site, options: { out?: string; json: boolean }): Promise<void> {
  if (site.issuer.name !== 'internal-ca')
    throw new HomelabError({
      what: 'there is no authority to hand out',
      why:
        site.issuer.name === 'letsencrypt'
          ? "the certificates come from Let's Encrypt, which devices trust already"
          : "the certificates come from Let's Encrypt's staging, which is for trials: no device should trust it",
      fix:
        site.issuer.name === 'letsencrypt'
          ? 'nothing to do'
          : 'when the trial works: TLS_ISSUER=letsencrypt in .env, then ./bootstrap/05-cert-manager.ts',
      code: exit.usage,
    })
  const { pem, certificate } = await readAuthority(site)
  const facts = describe(certificate)
  if (options.json) {
    print(JSON.stringify({ subject: facts.subject, notAfter: facts.notAfter, sha256: facts.fingerprint, pem }))
    return
  }
  if (options.out === undefined) process.stdout.write(pem)
  else
    await writeFile(options.out, pem).catch((error: NodeJS.ErrnoException) => {
      throw new HomelabError({
        what: `${options.out} cannot be written`,
        why: error.message,
        fix: '--out with another path',
        code: exit.usage,
      })
    })
  const file = options.out ?? 'homelab-ca.crt'
  const say = (text: string) => print(text, process.stderr)
  say(
    `${options.out === undefined ? '' : `${paint('green', '✓', process.stderr)} written to ${options.out}\n`}${paint('bold', facts.subject, process.stderr)}, until ${facts.notAfter.toISOString().slice(0, 10)}`,
  )
  say(`SHA-256 ${facts.fingerprint}`)
  say(`\nCompare the fingerprint on each device before you trust it. With the file as ${file}:\n`)
  for (const [system, how] of instructions(file)) say(`${paint('bold', system.padEnd(15), process.stderr)} ${how}`)
  say(`\nnext: open https://argocd.${site.domain}`)
}

function instructions(file: string): [string, string][] {
  return [
    [
      'Debian, Ubuntu',
      `sudo cp ${file} /usr/local/share/ca-certificates/homelab-ca.crt && sudo update-ca-certificates`,
    ],
    ['Fedora, RHEL', `sudo cp ${file} /etc/pki/ca-trust/source/anchors/homelab-ca.crt && sudo update-ca-trust`],
    ['Arch', `sudo trust anchor --store ${file}`],
    ['macOS', `sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain ${file}`],
    ['Windows', `certutil -addstore -f ROOT ${file}   (in a terminal of an administrator)`],
    [
      'Firefox',
      'Settings > Privacy & Security > View Certificates > Authorities > Import (it keeps a list of its own)',
    ],
    ['iOS, iPadOS', 'send yourself the file; Settings > General > VPN & Device Management > install,'],
    ['', 'then General > About > Certificate Trust Settings > switch it on'],
    ['Android', 'Settings > Security > Encryption & credentials > Install a certificate > CA certificate'],
  ]
}
