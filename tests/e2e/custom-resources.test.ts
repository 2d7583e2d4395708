// Every custom resource of ours passes the real API server with the real CRDs; the charts' CRDs lie beside the checkout.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readManifest } from '../../scripts/lib/fill.ts'
import { root } from '../../scripts/lib/root.ts'
import { sandboxSite } from '../../scripts/lib/sandbox/site.ts'
import { vars } from '../../scripts/lib/site/site.ts'
import { Lab, sandboxFor } from './support.ts'

const schemas = join(root, '../shared/schemas')
const skip = existsSync(schemas) ? false : 'the upstream CRDs (../shared/schemas) are not beside this checkout'
const name = 'e2e-schemas'
let lab: Lab
let names: Record<string, unknown>

before(async () => {
  if (skip) return
  lab = new Lab(await sandboxFor(name))
  names = vars((await sandboxSite(name)).site)
  for (const chart of ['metallb', 'traefik', 'cert-manager', 'argo-cd']) {
    const folder = join(schemas, chart, 'crds')
    const input = readdirSync(folder)
      .map(file => readFileSync(join(folder, file), 'utf8'))
      .join('\n---\n')
    const ran = await lab.cluster.kubectl(['apply', '--server-side', '-f', '-'], { input })
    assert.equal(ran.code, 0, ran.stderr)
  }
  await lab.cluster.kubectl(['wait', 'crd', '--all', '--for=condition=Established', '--timeout=20s'])
  for (const namespace of ['metallb-system', 'traefik', 'cert-manager', 'cattle-system', 'argocd'])
    await lab.cluster.kubectl(['create', 'namespace', namespace])
})
after(() => lab?.end())

const platform = 'infrastructure/platform'
const files: readonly [string, Record<string, string>?][] = [
  [`${platform}/metallb/pool.yaml`],
  [`${platform}/traefik/dashboard.yaml`],
  [`${platform}/cert-manager/issuers.yaml`],
  [`${platform}/cert-manager/wildcard.yaml`],
  [`${platform}/cert-manager/acme-cloudflare.yaml`],
  [`${platform}/cert-manager/acme-digitalocean.yaml`],
  [
    `${platform}/cert-manager/acme-rfc2136.yaml`,
    { nameserver: '192.168.1.53:53', tsigKeyName: 'homelab', tsigAlgorithm: 'HMACSHA256' },
  ],
  [`${platform}/rancher/certificate.yaml`],
  [`${platform}/argocd/project.yaml`],
  ['gitops/bootstrap/applications.yaml'],
  ['gitops/applications/welcome.yaml'],
]

/** What the API server says to an object; a dry run, so that one file does not depend on another. */
async function refused(objects: readonly unknown[]): Promise<string> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
  const args = ['apply', '--server-side', '--dry-run=server', '--validate=strict', '-f', '-']
  const ran = await lab.cluster.kubectl(args, { input })
  return ran.code === 0 ? '' : ran.stderr
}

for (const [file, more] of files)
  test(`${file} is accepted`, { skip }, async () => {
    assert.equal(await refused(readManifest(file, { acmeEmail: 'me@example.net', ...names, ...more })), '')
  })

test('a field that does not exist is refused: the check can fail', { skip }, async () => {
  const [pool] = readManifest(`${platform}/metallb/pool.yaml`, names)
  assert.match(await refused([{ ...pool, spec: { ...(pool?.spec as object), autoAsign: true } }]), /autoAsign/)
})
