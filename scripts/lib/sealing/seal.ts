// make seal: Secrets of the cluster, or one of the owner's, as sealed files for Git. What is sealed already with the same
// value is left alone: sealing gives other bytes each time, so the file is opened with the cluster's own keys and compared.
import { readFileSync } from 'node:fs'
import type { Values } from '../command.ts'
import { exit, HomelabError } from '../errors.ts'
import { type K8sObject, mapAt, nameOf } from '../k8s.ts'
import { paint, print } from '../output.ts'
import { requireRight } from '../site/right-cluster.ts'
import { certificateFile, fileFor, readCertificate, sealedFiles, sealedText, writeWhole } from './files.ts'
import { open } from './format.ts'
import { keyNamespace, managed, origin, privateKey, readKeys, type SealingKey } from './keys.ts'
import { findKubeseal, seal, usable } from './kubeseal.ts'
import { type Lab, withLab } from './lab.ts'
import { sameSecret, sealable, secretFrom, unsealed } from './secret.ts'

interface Outcome {
  secret: string
  file: string
  /** The last two: a step writes it at each run, so it is not sealed, and a file of it has to go. */
  result: 'new' | 'changed' | 'unchanged' | 'differs' | 'not sealed' | 'twice'
  keys: string[]
  /** Of those two: from where. */
  from?: string
}

export function sealCommand(values: Values): Promise<number> {
  return withLab(values, async lab => {
    const outcomes = await sealAll(lab, {
      plan: values.plan === true,
      ...(typeof values.name === 'string' ? { name: values.name } : {}),
      ...(typeof values.from === 'string' ? { from: values.from } : {}),
    })
    if (values.json) print(JSON.stringify(outcomes))
    else report(outcomes, values.plan === true)
    return exit.done
  })
}

async function sealAll(lab: Lab, options: { name?: string; from?: string; plan: boolean }): Promise<Outcome[]> {
  const { site } = lab
  const { name, from, plan } = options
  if (name !== undefined && !/^[a-z0-9-]+\/[a-z0-9.-]+$/.test(name))
    throw new HomelabError({
      what: `${name} is no NAMESPACE/NAME`,
      fix: 'such as NAME=monitoring/grafana-admin',
      code: exit.usage,
    })
  if (from !== undefined && name === undefined)
    throw new HomelabError({
      what: 'FROM without NAME',
      fix: 'NAME=NAMESPACE/NAME says which Secret it is',
      code: exit.usage,
    })
  if (name?.startsWith(`${keyNamespace}/`))
    throw new HomelabError({
      what: `${name} is not sealed`,
      why: 'a sealing key cannot open itself',
      fix: 'make backup-keys puts the keys into the bundle',
      code: exit.usage,
    })
  const given = from === undefined ? undefined : secretFrom(readFileSync(from === '-' ? 0 : from, 'utf8'), name ?? '')
  const keys = await keysOf(lab, given !== undefined)
  if (name !== undefined && keys.length) refuseWritten(await lab.cluster.find(`secret/${name}`), site)
  const kubeseal = await findKubeseal(site)
  const certificate = keepCertificate(site, keys, plan)
  const found = given ? [given] : await fromCluster(lab, name)
  const files = sealedFiles(site)
  const outcomes: Outcome[] = []
  for (const secret of found) {
    const file = fileFor(site, nameOf(secret))
    const before = files.find(one => one.file === file)
    const from = secret.metadata.annotations?.[origin]
    if (from !== undefined) {
      outcomes.push({ secret: nameOf(secret), file, result: before ? 'twice' : 'not sealed', keys: [], from })
      continue
    }
    const opened = before && open(before.sealed, keys.map(privateKey))
    const same = before && opened && 'data' in opened && sameSecret(unsealed(before.sealed, opened.data), secret)
    // Without a name nothing is overwritten: once sealed, Git says what a Secret is, not the cluster.
    const result = same ? 'unchanged' : !before ? 'new' : name === undefined ? 'differs' : 'changed'
    outcomes.push({ secret: nameOf(secret), file, result, keys: Object.keys(mapAt(secret, 'data')).sort() })
    if (plan || result === 'unchanged' || result === 'differs') continue
    writeWhole(file, sealedText(await seal(kubeseal, secret, certificate)))
  }
  return outcomes
}

/** The cluster's keys. Offline a Secret of the owner's can be sealed too, with the certificate in Git. */
async function keysOf(lab: Lab, offline: boolean): Promise<SealingKey[]> {
  try {
    await requireRight(lab.cluster, lab.site)
    const keys = await readKeys(lab.cluster)
    if (keys.length) return keys
  } catch (error) {
    const refused = error instanceof HomelabError && error.code !== exit.failed
    if (refused || !offline || readCertificate(lab.site) === undefined) throw error
    print(`The cluster does not answer: sealed with ${certificateFile(lab.site)}, not compared.`, process.stderr)
    return []
  }
  if (offline && readCertificate(lab.site) !== undefined) return []
  throw new HomelabError({
    what: 'the cluster has no sealing key yet',
    why: `step 07 makes it, in the namespace ${keyNamespace}`,
    fix: './bootstrap/07-argocd.ts, or make restore-keys FROM=BUNDLE for a lab that was rebuilt',
  })
}

/** Git's certificate is that of the newest key. @returns its file */
function keepCertificate(site: Lab['site'], [newest]: readonly SealingKey[], plan: boolean): string {
  const file = certificateFile(site)
  if (newest && newest.certificate !== readCertificate(site) && !plan) {
    writeWhole(file, newest.certificate)
    print(`+ ${file}: with it secrets are sealed without the cluster`, process.stderr)
  }
  usable(newest?.certificate ?? readCertificate(site) ?? '', file)
  return file
}

async function fromCluster({ cluster }: Lab, name: string | undefined): Promise<K8sObject[]> {
  if (name !== undefined) {
    const found = await cluster.find(`secret/${name}`)
    if (found) return [sealable(found)]
    throw new HomelabError({
      what: `there is no Secret ${name}`,
      fix: `FROM=FILE, or FROM=- and the values as lines KEY=VALUE on standard input`,
      code: exit.usage,
    })
  }
  const all = await cluster.list('secrets', { labels: 'app.kubernetes.io/managed-by=homelab' })
  return all.flatMap(one => {
    const { [managed]: may, [origin]: from } = one.metadata.annotations ?? {}
    return from === undefined ? (may === 'true' ? [sealable(one)] : []) : [one]
  })
}

/** @throws HomelabError (exit 2) for one that a step writes at each run */
function refuseWritten(found: K8sObject | undefined, { file }: Lab['site']): void {
  const from = found?.metadata.annotations?.[origin]
  if (found === undefined || from === undefined) return
  throw new HomelabError({
    what: `${nameOf(found)} is not sealed`,
    why: `it comes from ${from}, and each make install writes that again: sealed in Git it would have two owners`,
    fix: from === '.env' ? `change it in ${file}; make backup-keys keeps that` : `nothing to do: it follows ${from}`,
    code: exit.usage,
  })
}

const marks = { new: '+', changed: '~', unchanged: '=', differs: '!', 'not sealed': '-', twice: '!' } as const

function report(all: readonly Outcome[], plan: boolean): void {
  for (const { secret, file, result, from } of all) {
    if (result === 'not sealed') print(`- ${secret} comes from ${from}, and each make install writes it: not sealed`)
    if (result === 'twice')
      print(`${paint('yellow', '!')} ${file} is of no use: ${secret} comes from ${from};\n  git rm ${file}`)
  }
  const outcomes = all.filter(({ from }) => from === undefined)
  for (const { file, result, keys } of outcomes)
    print(`${marks[result]} ${file}${result === 'unchanged' ? '' : `  (${keys.join(', ')})`}`)
  for (const { file } of outcomes.filter(one => one.result === 'differs'))
    print(
      `${paint('yellow', '!')} ${file} holds another value than the cluster: Git's comes with the next sync;\n  make seal NAME=NAMESPACE/NAME takes the cluster's instead`,
    )
  const written = outcomes.filter(({ result }) => result === 'new' || result === 'changed')
  if (!outcomes.length && !all.length) print('no Secret to seal: none is marked as one that Git may take over')
  else if (plan) print(`\n${written.length} to seal, nothing written; next: the same without --plan`)
  else if (!written.length) print('\nnothing to seal')
  else
    print(
      `\n${paint('green', '✓')} ${written.length} sealed; next: git add gitops && git commit, push, make backup-keys`,
    )
}
