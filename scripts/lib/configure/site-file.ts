// The site file of the environment in gitops/, which Argo CD reads: it must say what .env says.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  readSite,
  type SiteChange,
  type SiteFacts,
  siteChanges,
  siteFile,
  withSiteChanges,
} from '../gitops/site-file.ts'
import { root } from '../root.ts'
import type { Examined } from '../site/examine.ts'
import { formatAddress } from '../site/network.ts'
import { fixedAddresses } from '../site/rules.ts'
import { placeholders } from '../site/values.ts'

export interface SiteWrite {
  /** From the top of the repository. */
  name: string
  path: string
  text: string
  changes: SiteChange[]
  /** It still is the example of the repository that was forked: nothing of an owner's is overwritten. */
  untouched: boolean
}

/** The repository's own example, as it stands in every fork that nobody has configured. */
const example = 'https://github.com/OWNER/homelab.git'

/**
 * What would be written there; undefined where the checkout has no such file.
 * @param after the .env as it is about to be
 * @throws HomelabError when the file is there and is no site file
 */
export function siteWrite({ environment, draft, git }: Examined, top = root): SiteWrite | undefined {
  const name = siteFile(environment)
  const path = join(top, name)
  const { DOMAIN: domain } = draft.values
  if (!existsSync(path) || !domain || !git.repository || placeholders.get('DOMAIN') === domain) return undefined
  const before = readFileSync(path, 'utf8')
  const now = readSite(before, name)
  const { S3_ENDPOINT: s3Endpoint, S3_BUCKET: s3Bucket = '', S3_REGION: s3Region = '' } = draft.values
  const s3 = s3Endpoint === undefined ? {} : { s3Endpoint, s3Bucket, s3Region }
  const facts: SiteFacts = {
    environment,
    domain,
    repository: git.repository,
    revision: git.revision,
    ...s3,
    ...dnsServers(draft.values, now),
  }
  const changes = siteChanges(now, facts)
  return {
    ...{ name, path, changes },
    text: changes.length ? withSiteChanges(before, name, changes) : before,
    untouched: now.get('repository') === example,
  }
}

/** Where the probes ask for names; a file without these keys has no probes. */
function dnsServers(values: Examined['draft']['values'], now: ReadonlyMap<string, string>): Partial<SiteFacts> {
  if (!values.METALLB_POOL || !now.has('adguardAddress1')) return {}
  const [, first = 0, second = 0] = fixedAddresses(values.METALLB_POOL, values)
  return { adguardAddress1: formatAddress(first), adguardAddress2: formatAddress(second) }
}

/** What brings it to the cluster: Argo CD follows the remote, not this folder. */
export const publish = (name: string): string => `git add ${name} && git commit -m 'The site' ${name} && git push`
