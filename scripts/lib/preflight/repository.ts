// The Git repository that Argo CD will follow: is it there, may we read it, has it the branch?
import { type Check, problem, unknown, well } from './check.ts'

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
