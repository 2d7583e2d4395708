// make restore-keys: from the bundle into a new cluster, before step 07 starts a controller or makes a key of its own.
import { existsSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Values } from '../command.ts'
import { createAsker } from '../configure/ask.ts'
import { exit, HomelabError } from '../errors.ts'
import { type K8sObject, nameOf } from '../k8s.ts'
import { paint, print } from '../output.ts'
import { root } from '../root.ts'
import { confirmByName } from '../site/confirm-by-name.ts'
import { requireRight } from '../site/right-cluster.ts'
import { ourLabels } from '../verbs.ts'
import { type Bundle, keysIn, readBundle, recordBundle } from './bundle.ts'
import { keyNamespace, keySecret, readKeys } from './keys.ts'
import { type Lab, withLab } from './lab.ts'

export async function restoreCommand(values: Values): Promise<number> {
  if (typeof values.from !== 'string')
    throw new HomelabError({
      what: 'which bundle?',
      fix: 'make restore-keys FROM=homelab-prod-keys.age',
      code: exit.usage,
    })
  const from = resolve(values.from)
  if (!values.sandbox && restoredEnv(values.env)) return restoreEnv(from, String(values.env ?? ''))
  return withLab(values, async lab => {
    await requireRight(lab.cluster, lab.site)
    const bundle = await opened(from, lab.site.ageIdentityFile)
    if (bundle.environment !== lab.site.environment)
      throw new HomelabError({
        what: `${from} is the bundle of ${bundle.environment}, not of ${lab.site.environment}`,
        fix: `ENV=${bundle.environment} make restore-keys FROM=${values.from}`,
        code: exit.refused,
      })
    print(
      `The bundle of ${bundle.environment}, ${bundle.made.slice(0, 10)}: ${bundle.keys.length} sealing keys, ${bundle.secrets.length} Secrets.`,
    )
    await confirmByName(lab.cluster, lab.site, values, { asker: 'restoring keys', doing: 'put them back' })
    const restored = await putBack(lab, bundle)
    await recordBundle(lab.cluster, bundle, '')
    if (values.json) print(JSON.stringify(restored))
    else {
      for (const one of restored.made) print(`+ Secret ${one}`)
      for (const one of restored.kept) print(`= Secret ${one} was there already and stays as it is`)
      print(`${paint('green', '✓')} next: make install`)
    }
    return exit.done
  })
}

async function opened(from: string, identityFile: string | undefined): Promise<Bundle> {
  const asker = createAsker()
  return readBundle(from, identityFile, () => asker).finally(() => asker.close())
}

const envFile = (env: string) => resolve(root, env === '' || env === 'prod' ? '.env' : `.env.${env}`)
const restoredEnv = (env: Values[string]) => !existsSync(envFile(String(env ?? process.env.ENV ?? '')))

/** Without a .env nothing says which cluster is meant: that file is the first thing to come back. */
async function restoreEnv(from: string, env: string): Promise<number> {
  const path = envFile(env || (process.env.ENV ?? ''))
  const bundle = await opened(from, process.env.AGE_IDENTITY_FILE)
  if (!bundle.env)
    throw new HomelabError({ what: 'the bundle holds no .env', fix: 'make configure writes one', code: exit.usage })
  writeFileSync(path, bundle.env, { mode: 0o600, flag: 'wx' })
  print(
    `+ ${path}\n  next: look at it (a rebuilt cluster has another context and no CLUSTER_UID), then the same command again`,
  )
  return exit.done
}

/** What is there already is somebody's: it stays. */
async function putBack({ cluster }: Lab, bundle: Bundle): Promise<{ made: string[]; kept: string[] }> {
  const there = await readKeys(cluster)
  const keys = keysIn(bundle).filter(({ fingerprint }) => !there.some(one => one.fingerprint === fingerprint))
  const taken = new Set(there.map(({ name }) => name))
  const wanted: K8sObject[] = [
    // Step 07 of a cluster that is not new has made a key of the same name: the old one gets another, and both open.
    ...keys.map(key => keySecret(taken.has(key.name) ? { ...key, name: `${key.name}-restored` } : key)),
    ...bundle.secrets,
  ]
  const made: string[] = []
  const kept: string[] = []
  const namespaces = new Set([keyNamespace, ...wanted.map(({ metadata }) => metadata.namespace ?? '')])
  for (const name of namespaces)
    if (!(await cluster.find(`namespace/${name}`)))
      await cluster.apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: { ...ourLabels } } }])
  for (const secret of wanted) {
    if (await cluster.find(`secret/${nameOf(secret)}`)) kept.push(nameOf(secret))
    else {
      await cluster.apply([secret])
      made.push(nameOf(secret))
    }
  }
  return { made, kept }
}
