// make rotate-keys: a new pair beside the old ones, and every sealed file in Git sealed with it.
import type { Values } from '../command.ts'
import { exit, HomelabError } from '../errors.ts'
import { nameOf } from '../k8s.ts'
import { paint, print } from '../output.ts'
import { confirmByName } from '../site/confirm-by-name.ts'
import { requireRight } from '../site/right-cluster.ts'
import { makeKeyPair } from './certificate.ts'
import { certificateFile, refuseClosed, sealedFiles, sealedText, writeWhole } from './files.ts'
import { open } from './format.ts'
import { keySecret, newKeyName, parseKey, privateKey, readKeys, type SealingKey } from './keys.ts'
import { findKubeseal, seal } from './kubeseal.ts'
import { type Lab, withLab } from './lab.ts'
import { unsealed } from './secret.ts'

export function rotateCommand(values: Values): Promise<number> {
  return withLab(values, async lab => {
    await requireRight(lab.cluster, lab.site)
    const { site, cluster } = lab
    const kubeseal = await findKubeseal(site)
    const before = await readKeys(cluster)
    // Lost for good with a rotation that nobody looked at.
    refuseClosed(site, before)
    const files = sealedFiles(site)
    if (!values.reseal) {
      print(`A new key pair beside the ${before.length} there, and ${files.length} sealed files in Git sealed anew.`)
      print('The old keys stay: earlier commits open with them only.')
      await confirmByName(cluster, site, values, { asker: 'a rotation', doing: 'rotate its keys' })
      await addKey(lab, before)
    }
    const [newest, ...older] = await readKeys(cluster)
    if (!newest) throw new HomelabError({ what: 'the cluster has no sealing key yet', fix: './bootstrap/07-argocd.ts' })
    writeWhole(certificateFile(site), newest.certificate)
    const count = await resealAll(lab, kubeseal, newest, older)
    if (values.json) print(JSON.stringify({ key: newest.name, sealed: count }))
    else
      print(
        `${paint('green', '✓')} ${newest.name} seals from now on; ${count} files sealed anew\n  next: make backup-keys, then git add gitops && git commit, push`,
      )
    return exit.done
  })
}

async function addKey({ cluster }: Lab, before: readonly SealingKey[]): Promise<void> {
  // Certificates count whole seconds, and the later one seals.
  const now = Math.max(Date.now(), ...before.map(({ since }) => since + 1000))
  const { key, certificate } = await makeKeyPair(now)
  const made = parseKey(newKeyName(new Date(now)), certificate, key.reveal())
  await cluster.apply([keySecret(made)])
  print(`+ Secret sealed-secrets/${made.name}`)
}

/** @returns how many were sealed with an older key than the newest */
async function resealAll({ site }: Lab, kubeseal: string, newest: SealingKey, older: SealingKey[]): Promise<number> {
  let count = 0
  for (const { file, sealed } of sealedFiles(site)) {
    if ('data' in open(sealed, [privateKey(newest)])) continue
    const opened = open(sealed, older.map(privateKey))
    if ('closed' in opened) continue // refused before anything was written
    writeWhole(file, sealedText(await seal(kubeseal, unsealed(sealed, opened.data), certificateFile(site))))
    print(`~ ${file}  (${nameOf(sealed)})`)
    count++
  }
  return count
}
