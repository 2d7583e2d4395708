// The site file of the environment in gitops/, which Argo CD reads: it must say what .env says.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readSite, type SiteChange, siteChanges, siteFile, withSiteChanges } from '../gitops/site-file.ts'
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
  const { S3_ENDPOINT: endpoint, S3_BUCKET: bucket = '', S3_REGION: region = '', METALLB_POOL: pool } = draft.values
  const { NETWORK_POLICIES: networkPolicies } = draft.values
  const [, first = 0, second = 0] = pool ? fixedAddresses(pool, draft.values) : []
  const changes = siteChanges(now, {
    ...{ environment, domain, repository: git.repository, revision: git.revision },
    ...(endpoint === undefined ? {} : { s3: { endpoint, bucket, region } }),
    ...(networkPolicies === undefined ? {} : { networkPolicies }),
    ...(pool ? { dnsServers: [formatAddress(first), formatAddress(second)] } : {}),
  })
  return {
    ...{ name, path, changes },
    text: changes.length ? withSiteChanges(before, name, changes) : before,
    untouched: now.get('repository') === example,
  }
}
