// make backup-keys: the bundle, made anew or looked into.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Values } from '../command.ts'
import { createAsker } from '../configure/ask.ts'
import { exit, HomelabError } from '../errors.ts'
import { type K8sObject, mapAt, nameOf, textAt } from '../k8s.ts'
import { paint, print } from '../output.ts'
import { root } from '../root.ts'
import { Secret } from '../secrets.ts'
import { requireRight } from '../site/right-cluster.ts'
import {
  askPassphrase,
  type Bundle,
  bundleFile,
  keysIn,
  type Lock,
  readBundle,
  recordBundle,
  writeBundle,
} from './bundle.ts'
import { closedFiles, refuseClosed, sealedFiles } from './files.ts'
import { keyNamespace, readKeys } from './keys.ts'
import { type Lab, withLab } from './lab.ts'

const authority = 'cert-manager/internal-ca'

export function backupCommand(values: Values): Promise<number> {
  return withLab(values, async lab => {
    const path = typeof values.out === 'string' ? resolve(values.out) : bundleFile(lab.site)
    if (values.check) return check(lab, path)
    await requireRight(lab.cluster, lab.site)
    const keys = await readKeys(lab.cluster)
    if (!keys.length)
      throw new HomelabError({ what: 'the cluster has no sealing key yet', fix: './bootstrap/07-argocd.ts' })
    const token = values.token ? readFileSync(0, 'utf8').trim() : ''
    if (token) new Secret(token)
    const { ageRecipients = [] } = lab.site
    if (values.token && !ageRecipients.length)
      throw new HomelabError({
        what: '--token reads standard input, so no passphrase can be asked',
        fix: `set AGE_RECIPIENT in ${lab.site.file}`,
        code: exit.usage,
      })
    const bundle: Bundle = {
      format: 'homelab-keys/1',
      environment: lab.site.environment,
      made: new Date().toISOString(),
      keys: keys.map(({ name, certificate, key }) => ({ name, certificate, key: key.reveal() })),
      secrets: await secretsOf(lab),
      env: lab.site.sandbox ? '' : readFileSync(resolve(root, lab.site.file), 'utf8'),
      token,
    }
    refuseClosed(lab.site, keys) // found out on the worst day otherwise
    const sha256 = await writeBundle(path, bundle, await lockOf(ageRecipients))
    await recordBundle(lab.cluster, bundle, sha256)
    describe(bundle, path, lab)
    return exit.done
  })
}

async function lockOf(recipients: readonly string[]): Promise<Lock> {
  if (recipients.length) return { recipients }
  const asker = createAsker()
  try {
    const passphrase = await askPassphrase(asker, 'A passphrase for the bundle (keep it off this computer): ')
    if (passphrase.length < 12)
      throw new HomelabError({
        what: 'the passphrase is too short',
        why: 'whoever has the file can guess at leisure',
        fix: 'twelve characters at least; several words are easy to keep',
        code: exit.usage,
      })
    if (process.stdin.isTTY && (await asker.secret('Once more: ')) !== passphrase)
      throw new HomelabError({ what: 'the two are not the same, nothing was written', code: exit.usage })
    return { passphrase: new Secret(passphrase) }
  } finally {
    asker.close()
  }
}

/** The CA, and what the steps have generated: with it a rebuilt lab has its passwords back. */
async function secretsOf({ cluster }: Lab): Promise<K8sObject[]> {
  const ours = await cluster.list('secrets', { labels: 'app.kubernetes.io/managed-by=homelab' })
  const ca = await cluster.find(`secret/${authority}`)
  return [...(ca ? [ca] : []), ...ours.filter(({ metadata }) => metadata.namespace !== keyNamespace)].map(found => {
    const { name, namespace = '', labels = {}, annotations = {} } = found.metadata
    const metadata = { name, namespace, labels, annotations }
    return {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata,
      type: textAt(found, 'type') ?? 'Opaque',
      data: mapAt(found, 'data'),
    }
  })
}

function describe(bundle: Bundle, path: string, { site }: Lab): void {
  const hasCa = bundle.secrets.some(one => nameOf(one) === authority)
  print(`${paint('green', '✓')} ${path}`)
  print(
    `  ${bundle.keys.length} sealing key${bundle.keys.length === 1 ? '' : 's'}: ${bundle.keys.map(({ name }) => name).join(', ')}`,
  )
  print(
    `  ${hasCa ? 'the lab’s CA' : 'no CA: the cluster has none'}, ${bundle.secrets.length - (hasCa ? 1 : 0)} generated or given Secrets`,
  )
  print(`  ${bundle.env ? `${site.file} with its secrets` : 'no .env: this is a rehearsal'}`)
  if (bundle.token) print('  the server token')
  else
    print(
      '! no server token in it. It is a file on the first server; once AGE_RECIPIENT is set:\n' +
        '  ssh SERVER sudo cat /var/lib/rancher/k3s/server/token | scripts/backup-keys.ts --token\n' +
        '  (RKE2: /var/lib/rancher/rke2/server/token)',
    )
  print('  next: copy it off this computer; make backup-keys CHECK=1 shows that it opens')
}

/** Opens the bundle, and with it every sealed file in Git. */
async function check(lab: Lab, path: string): Promise<number> {
  const asker = createAsker()
  const bundle = await readBundle(path, lab.site.ageIdentityFile, () => asker).finally(() => asker.close())
  const keys = keysIn(bundle)
  const problems: string[] = []
  if (bundle.environment !== lab.site.environment)
    problems.push(`it is the bundle of ${bundle.environment}, not of ${lab.site.environment}`)
  const files = sealedFiles(lab.site)
  for (const file of closedFiles(lab.site, keys)) problems.push(`it does not open ${file}`)
  const current = await requireRight(lab.cluster, lab.site)
    .then(() => readKeys(lab.cluster))
    .catch((error: unknown) => {
      if (!(error instanceof HomelabError) || error.code !== exit.failed) throw error
      print('the cluster does not answer: the bundle is compared with Git only')
      return []
    })
  for (const { name, fingerprint } of current)
    if (!keys.some(one => one.fingerprint === fingerprint)) problems.push(`it lacks the key ${name}`)
  for (const problem of problems) print(`${paint('red', '✗')} ${problem}`)
  if (problems.length) print('  fix  make backup-keys')
  else
    print(
      `${paint('green', '✓')} of ${bundle.made.slice(0, 10)}, ${keys.length} keys; it opens all ${files.length} sealed files in Git`,
    )
  return problems.length ? exit.failed : exit.done
}
