// Whether the site file of the environment, from which Argo CD makes the applications, says what .env says.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { HomelabError } from '../errors.ts'
import { publish, readSite, type SiteChange, siteChanges, siteFile } from '../gitops/site-file.ts'
import { root } from '../root.ts'
import { git } from '../site/git.ts'
import type { Site } from '../site/site.ts'
import { type Check, problem, warning, well } from './check.ts'

/** What would have to change in it, and whether git knows of it as it is. `unreadable`: why. */
export type SiteFileFacts = { file: string } & (
  | { changes: readonly SiteChange[]; uncommitted: boolean }
  | { unreadable: string }
)

/** @returns undefined where the owner has another layout (GIT_PATH) */
export async function readSiteFile(site: Site, top = root): Promise<SiteFileFacts | undefined> {
  const { environment, domain, s3, adguardAddresses: dnsServers, networkPolicies } = site
  const { repository, revision, path } = site.git
  const file = siteFile(environment)
  if (join(top, path, 'site.yaml') !== join(top, file)) return undefined
  if (!existsSync(join(top, file))) return { file, unreadable: 'it is not there' }
  try {
    const now = readSite(readFileSync(join(top, file), 'utf8'), file)
    const status = await git(top, 'status', '--porcelain', '--', file)
    const facts = { environment, domain, repository, revision, dnsServers, networkPolicies, ...(s3 ? { s3 } : {}) }
    const changes = siteChanges(now, facts)
    return { file, changes, uncommitted: status !== undefined }
  } catch (error) {
    if (!(error instanceof HomelabError)) throw error
    return { file, unreadable: error.why ?? error.what }
  }
}

export const siteFileAgrees: Check = {
  id: 'tools.site-file',
  title: 'Site file',
  look({ site, siteFile: read }) {
    if (!read) return well('not needed here')
    const { file } = read
    const configure = `make configure${site.environment === 'prod' ? '' : ` ENV=${site.environment}`}`
    if ('unreadable' in read)
      return problem({
        what: `${file} cannot be read`,
        why: read.unreadable,
        fix: `git checkout -- ${file}; ${configure}`,
      })
    const [first] = read.changes
    if (first)
      return problem({
        what: `${file} says something else than ${site.file}`,
        why: read.changes
          .map(({ key, from, to }) => `${key} is ${from ?? 'not there'}, and should be ${to}`)
          .join('; '),
        fix: `${configure}; ${publish(file)}`,
      })
    if (read.uncommitted)
      return warning({
        what: `${file} is changed and not committed`,
        why: 'Argo CD reads what was pushed',
        fix: publish(file),
      })
    return well(`${file} agrees with ${site.file}`)
  },
}
