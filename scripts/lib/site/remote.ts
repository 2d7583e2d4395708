// A Git server, asked for the commit of the revision that Argo CD follows.
import { run } from '../shell.ts'
import type { Site } from './site.ts'

/** What it said: its commit, or why there is none. `away`: nobody answered from here. */
export type RepositoryAnswer = { commit: string } | { refused: string } | { lacksRevision: true } | { away: string }

/**
 * Asks with the token of .env, which goes by the environment: arguments are everybody's to read.
 * @param as `argocd`: nothing of this machine may answer in the cluster's place, so over SSH nothing is asked: the deploy key
 *   is for the cluster. `owner`: this machine's own keys and logins count too.
 * @param patience seconds; on a home network an answer takes tenths
 */
export async function askRepository({ git }: Site, as: 'argocd' | 'owner', patience = 3): Promise<RepositoryAnswer> {
  const { repository, revision, credentials } = git
  const http = /^https?:/.test(repository)
  if (as === 'argocd' && !http) return { away: 'over SSH only Argo CD asks, with its own key' }
  if (http && /\.svc(\.|$)/.test(new URL(repository).hostname))
    return { away: 'its address means something only in the cluster' }
  const { username, password } = credentials ?? {}
  const login = Buffer.from(`${username}:${typeof password === 'object' ? password.reveal() : password}`)
  const header: Record<string, string> =
    password && http
      ? {
          GIT_CONFIG_COUNT: '1',
          GIT_CONFIG_KEY_0: 'http.extraHeader',
          GIT_CONFIG_VALUE_0: `Authorization: Basic ${login.toString('base64')}`,
        }
      : {}
  const ran = await run(
    'git',
    [...(as === 'argocd' ? ['-c', 'credential.helper='] : []), 'ls-remote', repository, revision],
    {
      timeout: patience,
      env: { GIT_TERMINAL_PROMPT: '0', GIT_SSH_COMMAND: 'ssh -oBatchMode=yes', LC_ALL: 'C', ...header },
    },
  ).catch(() => ({ code: 127, stdout: '', stderr: 'git is not installed' }))
  if (ran.code === 0) {
    const commit = /^[0-9a-f]{40,}/.exec(ran.stdout)?.[0]
    // A commit is no name that a server lists.
    if (commit === undefined && !/^[0-9a-f]{7,40}$/.test(revision)) return { lacksRevision: true }
    return { commit: commit ?? revision }
  }
  const words = ran.stderr.trim().split('\n').at(-1) ?? ''
  if (/not found|Authentication failed|could not read Username|access denied|error: 40[0134]/i.test(ran.stderr))
    return { refused: words.replace(/^fatal: /, '') }
  return { away: words.replace(/^fatal: /, '') || `no answer within ${patience} s` }
}
