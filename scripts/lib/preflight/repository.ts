// The Git repository that Argo CD will follow: is it there, may we read it, has it the branch?
import { run } from '../shell.ts'
import type { Site } from '../site/site.ts'
import { type Check, problem, unknown, well } from './check.ts'

/** What the repository said: its commit of the revision, or why there is none. `away`: nobody answered from here. */
export type RepositoryAnswer = { commit: string } | { refused: string } | { lacksRevision: true } | { away: string }

// Seconds. As long as for a chart's repository, which is asked meanwhile.
const patience = 3

/**
 * Asks the repository for the revision, as Argo CD will. The token goes by the environment: arguments are everybody's
 * to read. Over SSH nothing is asked: the deploy key is for the cluster, and this machine's own would prove nothing.
 */
export async function askRepository({ git }: Site): Promise<RepositoryAnswer> {
  const { repository, revision, credentials } = git
  if (!/^https?:/.test(repository)) return { away: 'over SSH only Argo CD asks, with its own key' }
  if (/\.svc(\.|$)/.test(new URL(repository).hostname))
    return { away: 'its address means something only in the cluster' }
  const { username, password } = credentials ?? {}
  const login = Buffer.from(`${username}:${typeof password === 'object' ? password.reveal() : password}`)
  const header: Record<string, string> = password
    ? {
        GIT_CONFIG_COUNT: '1',
        GIT_CONFIG_KEY_0: 'http.extraHeader',
        GIT_CONFIG_VALUE_0: `Authorization: Basic ${login.toString('base64')}`,
      }
    : {}
  // No helper of this machine may answer in the cluster's place.
  const ran = await run('git', ['-c', 'credential.helper=', 'ls-remote', repository, revision], {
    timeout: patience,
    env: { GIT_TERMINAL_PROMPT: '0', LC_ALL: 'C', ...header },
  }).catch(() => ({ code: 127, stdout: '', stderr: 'git is not installed' }))
  if (ran.code === 0) {
    const commit = /^[0-9a-f]{40,}/.exec(ran.stdout)?.[0]
    // A commit is no name that a server lists.
    if (commit === undefined && !/^[0-9a-f]{7,40}$/.test(revision)) return { lacksRevision: true }
    return { commit: commit ?? revision }
  }
  const words =
    ran.stderr
      .trim()
      .split('\n')
      .at(-1)
      ?.replace(/^fatal: /, '') ?? ''
  if (/not found|Authentication failed|could not read Username|access denied|error: 40[0134]/i.test(ran.stderr))
    return { refused: words }
  return { away: words || `no answer within ${patience} s` }
}

export const repository: readonly Check[] = [
  {
    id: 'tools.repository',
    title: 'Git repository',
    look({ repository: answer, site }) {
      if (answer === undefined) return well('not needed here')
      const { repository: url, revision } = site.git
      if ('commit' in answer) return well(`${url}, ${revision}`)
      if ('away' in answer) return unknown(`${url} was not asked: ${answer.away}`)
      if ('lacksRevision' in answer)
        return problem({
          what: `${url} has no branch or tag ${revision}`,
          why: 'Argo CD would follow something that is not there',
          fix: `git push origin HEAD:${revision}, or set GIT_REVISION in ${site.file}`,
        })
      return problem({
        what: `${url} cannot be read`,
        why: answer.refused,
        fix: site.git.credentials
          ? `look at the address and the token (it must be allowed to read): GIT_REPOSITORY, GIT_TOKEN in ${site.file}`
          : `look at the address; if the repository is private, set GIT_TOKEN in ${site.file}`,
      })
    },
  },
]
