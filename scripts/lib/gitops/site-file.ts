// gitops/environments/<environment>/site.yaml as text: what it says, and the same text with some of it said otherwise.
// Lines are changed and never written anew, so that comments, order and keys that nobody here knows stay. Pure.
import { isMap, isScalar, parseDocument, stringify } from 'yaml'
import { HomelabError } from '../errors.ts'

/** The file of an environment, from the top of the repository. */
export const siteFile = (environment: string): string => `gitops/environments/${environment}/site.yaml`

/** What brings it to the cluster: Argo CD follows the remote, not this folder. */
export const publish = (name: string): string => `git add ${name} && git commit -m 'The site' ${name} && git push`

/** What the file must say, because .env says it. */
export interface SiteFacts {
  environment: string
  domain: string
  repository: string
  revision: string
  /** Where .env says where backups go; otherwise what the file says stays. */
  s3?: { endpoint: string; bucket: string; region: string }
  /** Once the pool is known; a file without their keys has no probes for them. */
  dnsServers?: readonly [string, string]
  /** Whether the applications' namespaces are closed; a file without that key knows nothing of it. */
  networkPolicies?: boolean
}

const policies = 'infrastructure/security/network-policies'

/** As the keys of the file. */
function keysOf(
  { s3, dnsServers, networkPolicies, ...plain }: SiteFacts,
  now: ReadonlyMap<string, string>,
): [string, string][] {
  const [adguardAddress1, adguardAddress2] = (now.has('adguardAddress1') && dnsServers) || []
  return Object.entries({
    ...plain,
    ...(s3 ? { s3Endpoint: s3.endpoint, s3Bucket: s3.bucket, s3Region: s3.region } : {}),
    ...(adguardAddress1 && adguardAddress2 ? { adguardAddress1, adguardAddress2 } : {}),
    ...(now.has('networkPolicies') && networkPolicies !== undefined
      ? { networkPolicies: networkPolicies ? policies : `${policies}/none` }
      : {}),
  })
}

/**
 * The keys below `data`.
 * @throws HomelabError when it is no such file
 */
export function readSite(text: string, file: string): Map<string, string> {
  const data = dataOf(text, file)
  return new Map(
    data.items.flatMap(({ key, value }) =>
      isScalar(key) && isScalar(value) ? [[String(key.value), String(value.value ?? '')] as const] : [],
    ),
  )
}

export interface SiteChange {
  key: string
  /** Undefined when the key is new. */
  from?: string
  to: string
}

/** What would have to change for the file to agree. Hosts below the former domain move along with it. */
export function siteChanges(now: ReadonlyMap<string, string>, facts: SiteFacts): SiteChange[] {
  const wanted = new Map<string, string>(keysOf(facts, now))
  const former = now.get('domain')
  if (former && former !== facts.domain)
    for (const [key, value] of now)
      if (key.endsWith('Host') && value.endsWith(`.${former}`))
        wanted.set(key, `${value.slice(0, -former.length)}${facts.domain}`)
  return [...wanted].flatMap(([key, to]) => {
    const from = now.get(key)
    return from === to ? [] : [{ key, to, ...(from === undefined ? {} : { from }) }]
  })
}

/**
 * The text with other values; all else byte for byte as it was.
 * @throws HomelabError when it is no such file
 */
export function withSiteChanges(text: string, file: string, changes: readonly SiteChange[]): string {
  const data = dataOf(text, file)
  const edits: { at: number; until: number; text: string }[] = []
  for (const { key, to } of changes) {
    // Quoted where YAML would read something else than text: a branch called 1.0, a domain called no.
    const value = stringify(to, { lineWidth: 0 }).trim()
    const pair = data.items.find(item => isScalar(item.key) && item.key.value === key)
    const at = isScalar(pair?.value) ? pair.value.range : undefined
    if (at) edits.push({ at: at[0], until: at[1], text: at[0] === at[1] ? ` ${value}` : value })
    else {
      const end = nextLine(text, data.range?.[1] ?? text.length)
      const begin = end > 0 && text[end - 1] !== '\n' ? '\n' : ''
      edits.push({ at: end, until: end, text: `${begin}  ${key}: ${value}\n` })
    }
  }
  return edits
    .sort((a, b) => b.at - a.at)
    .reduce((after, { at, until, text: part }) => after.slice(0, at) + part + after.slice(until), text)
}

/** Where the line after this place begins. */
function nextLine(text: string, at: number): number {
  const before = text.slice(0, at).trimEnd().length
  const next = text.indexOf('\n', before)
  return next === -1 ? text.length : next + 1
}

function dataOf(text: string, file: string) {
  const document = parseDocument(text, { keepSourceTokens: true })
  const data = document.get('data')
  const [error] = document.errors
  if (!error && isMap(data)) return data
  throw new HomelabError({
    what: `${file} is not the facts of an environment`,
    why: error?.message.split('\n')[0] ?? 'it has no map called data',
    fix: `restore it: git checkout -- ${file}`,
    code: 2,
  })
}
