// The sealed files of an environment in Git, and the certificate with which they are sealed.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parse, stringify } from 'yaml'
import { exit, HomelabError, throwProblems } from '../errors.ts'
import { type K8sObject, nameOf } from '../k8s.ts'
import { root } from '../root.ts'
import type { Site } from '../site/site.ts'
import { open } from './format.ts'
import { privateKey, type SealingKey } from './keys.ts'

export interface SealedFile {
  /** Within the repository. */
  file: string
  sealed: K8sObject
}

/** Within the repository: `gitops/environments/prod/sealed`. */
const folder = ({ git }: Pick<Site, 'git'>): string => join(git.path, 'sealed')
export const certificateFile = ({ git }: Pick<Site, 'git'>): string => join(git.path, 'sealing.pem')
export const fileFor = (site: Pick<Site, 'git'>, ref: string): string =>
  join(folder(site), `${ref.replace('/', '.')}.yaml`)

/** Every SealedSecret in Git. @throws HomelabError (exit 2) for a file that holds something else, which must not be there */
export function sealedFiles(site: Pick<Site, 'git'>): SealedFile[] {
  const path = join(root, folder(site))
  if (!existsSync(path)) return []
  const names = readdirSync(path).filter(name => name.endsWith('.yaml'))
  return names.sort().map(name => {
    const file = join(folder(site), name)
    const sealed = read(file)
    if (sealed?.kind === 'SealedSecret' && sealed.metadata?.name && sealed.metadata.namespace) return { file, sealed }
    throw new HomelabError({
      what: `${file} is no SealedSecret`,
      why: `what lies there goes to the cluster and into Git as it is`,
      fix: 'take it away; make seal NAME=NAMESPACE/NAME FROM=FILE seals a Secret',
      code: exit.usage,
    })
  })
}

/** Those that none of the keys opens. */
export const closedFiles = (site: Pick<Site, 'git'>, keys: readonly SealingKey[]): string[] =>
  sealedFiles(site).flatMap(({ file, sealed }) => ('closed' in open(sealed, keys.map(privateKey)) ? [file] : []))

/** Before anything is written. @throws HomelabError (exit 2) with every file that no key of the cluster opens */
export function refuseClosed(site: Pick<Site, 'git'>, keys: readonly SealingKey[]): void {
  throwProblems(
    closedFiles(site, keys).map(file => ({
      what: `${file} opens with no key of this cluster`,
      why: 'it was sealed for another cluster, another name, or with a key that is gone',
      fix: 'make restore-keys FROM=BUNDLE brings the key back; or seal its value again: make seal NAME=… FROM=…',
    })),
  )
}

function read(file: string): K8sObject | undefined {
  try {
    return parse(readFileSync(join(root, file), 'utf8')) as K8sObject
  } catch {
    return undefined
  }
}

/** The certificate in Git; undefined while nothing was ever sealed. */
export function readCertificate(site: Pick<Site, 'git'>): string | undefined {
  const path = join(root, certificateFile(site))
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

/** A SealedSecret as its file. */
export const sealedText = (sealed: K8sObject): string =>
  `# Sealed by make seal for ${nameOf(sealed)}: only the cluster opens it, and the bundle of make backup-keys.\n${stringify(sealed, { sortMapEntries: true, lineWidth: 0 })}`

/** Writes a file of the repository whole, or not at all. */
export function writeWhole(file: string, text: string): void {
  const path = join(root, file)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(`${path}.new`, text)
  renameSync(`${path}.new`, path)
}
