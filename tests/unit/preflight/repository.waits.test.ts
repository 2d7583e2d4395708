// The repository is asked as Argo CD would ask it: a real git against a server on loopback.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { branchTip } from '../../../scripts/lib/applications/print-sync.ts'
import { examine } from '../../../scripts/lib/preflight/check.ts'
import { repository } from '../../../scripts/lib/preflight/repository.ts'
import { Secret } from '../../../scripts/lib/secrets.ts'
import { askRepository } from '../../../scripts/lib/site/remote.ts'
import type { Site } from '../../../scripts/lib/site/site.ts'
import { temporaryFolder } from '../../temporary.ts'
import { listen } from '../servers.ts'
import { facts } from './support.ts'

const folder = temporaryFolder('repository')
const git = (...args: string[]) =>
  execFileSync('git', ['-C', folder, '-c', 'user.name=o', '-c', 'user.email=o@home.arpa', ...args])

// The old protocol of plain files, which git still speaks: no CGI program is needed for a look at the branches.
const server = createServer((request, response) => {
  const [, area, , ...path] = (request.url ?? '').split('?')[0]?.split('/') ?? []
  const login = Buffer.from((request.headers.authorization ?? '').replace('Basic ', ''), 'base64').toString()
  if (area === 'hangs') return
  if (area === 'private' && login !== 'me:right-token') {
    response.writeHead(401, { 'www-authenticate': 'Basic' }).end()
    return
  }
  try {
    if (area === 'missing') throw new Error('not there')
    response.end(readFileSync(join(folder, '.git', ...path)))
  } catch {
    response.writeHead(404).end()
  }
})

git('init', '-q', '-b', 'main')
git('commit', '-q', '--allow-empty', '-m', 'first')
git('update-server-info')
const port = await listen(server)

const at = (area: string) => `http://127.0.0.1:${port}/${area}/homelab.git`
const site = (area: string, more: Partial<Site['git']> = {}) =>
  ({ git: { repository: at(area), revision: 'main', path: 'gitops', ...more }, file: '.env' }) as unknown as Site

/** What the check says of it. */
async function said(one: Site) {
  const [examined] = examine(repository, facts({ site: one, repository: await askRepository(one, 'argocd') }))
  const [result] = examined?.results ?? []
  return result
}

test('a repository with the branch is well', async () => {
  assert.deepEqual(await said(site('open')), { state: 'well', text: `${at('open')}, main` })
})

test('a branch that is not there is named, with the command that brings it', async () => {
  const found = await said(site('open', { revision: 'mian' }))
  assert.equal(found?.state, 'problem')
  assert.match(JSON.stringify(found), /has no branch or tag mian.*git push origin HEAD:mian/)
})

test('a repository that is not there, or not for us, is refused before Argo CD fails on it', async () => {
  for (const [one, fix] of [
    [site('missing'), 'set GIT_TOKEN in .env'],
    [site('private'), 'set GIT_TOKEN in .env'],
    [site('private', { credentials: { username: 'me', password: new Secret('wrong-token') } }), 'the token'],
  ] as const) {
    const found = await said(one)
    assert.equal(found?.state, 'problem', JSON.stringify(found))
    assert.match(JSON.stringify(found), new RegExp(fix))
  }
})

test('the token opens it', async () => {
  const credentials = { username: 'me', password: new Secret('right-token') }
  assert.equal((await said(site('private', { credentials })))?.state, 'well')
})

test('a server that does not answer is no verdict', async () => {
  const found = await said(site('hangs'))
  assert.match(JSON.stringify(found), /"state":"unknown".*was not asked: no answer within 3 s/)
})

test('an address that only the cluster knows, and SSH, are not asked', async () => {
  for (const url of ['http://git.git.svc/cgi-bin/git/homelab', 'git@github.com:me/homelab.git'])
    assert.equal((await said(site('', { repository: url })))?.state, 'unknown')
})

test('make sync asks with the token too, and knows which commit the cluster must get', async () => {
  const head = git('rev-parse', 'HEAD').toString().trim()
  const credentials = { username: 'me', password: new Secret('right-token') }
  assert.equal((await branchTip(site('private', { credentials }), folder)).commit, head)
  assert.equal((await branchTip(site('open'), folder)).commit, head)
  assert.equal((await branchTip(site('missing'), folder)).commit, undefined)
})
