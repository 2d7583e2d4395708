// The site file of an environment: only what .env says is changed in it, and everything else is the owner's.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HomelabError } from '../../../scripts/lib/errors.ts'
import { readSite, type SiteFacts, siteChanges, withSiteChanges } from '../../../scripts/lib/gitops/site-file.ts'

const text = `# mine
apiVersion: v1
kind: ConfigMap
metadata:
  name: site
data:
  environment: prod   # the house
  # where everything is
  domain: lab.home.arpa
  grafanaHost: grafana.lab.home.arpa
  otherHost: elsewhere.example.net
  repository: 'https://github.com/OWNER/homelab.git'
  lokiSize: 20Gi
  revision: main
`
const facts: SiteFacts = {
  environment: 'prod',
  domain: 'my.home.arpa',
  repository: 'https://github.com/me/lab.git',
  revision: '1.0',
}
const changed = (before: string, wanted = facts) =>
  withSiteChanges(before, 'site.yaml', siteChanges(readSite(before, 'site.yaml'), wanted))

test('only the values change; comments, order, quotes of others and unknown keys stay', () => {
  assert.equal(
    changed(text),
    text
      .replace('domain: lab', 'domain: my')
      .replace('grafana.lab', 'grafana.my')
      .replace("'https://github.com/OWNER/homelab.git'", 'https://github.com/me/lab.git')
      .replace('revision: main', 'revision: "1.0"'),
  )
})

test('a second time nothing changes', () => {
  const once = changed(text)
  assert.deepEqual(siteChanges(readSite(once, 'site.yaml'), facts), [])
  assert.equal(changed(once), once)
})

test('what is missing is added at the end, what is empty is filled', () => {
  const bare = text.replace('  revision: main\n', '').replace(" 'https://github.com/OWNER/homelab.git'", '')
  const after = readSite(changed(bare), 'site.yaml')
  assert.equal(after.get('revision'), '1.0')
  assert.equal(after.get('repository'), facts.repository)
  assert.equal(after.get('lokiSize'), '20Gi')
  assert.match(changed(`${bare}# the end\n`), /revision: "1.0"\n# the end\n$/)
})

test('without a line end at the end of the file too', () => {
  assert.equal(readSite(changed(text.replace('  revision: main\n', '').trimEnd()), 'site.yaml').get('revision'), '1.0')
})

for (const [what, broken] of [
  ['nothing', ''],
  ['a list', '- a\n'],
  ['no data', 'kind: ConfigMap\n'],
  ['data that is no map', 'data: [a]\n'],
  ['a bracket never closed', 'data: {a: b\n'],
] as const)
  test(`${what} is said, and not written over`, () => {
    assert.throws(
      () => readSite(broken, 'gitops/environments/prod/site.yaml'),
      (error: unknown) =>
        error instanceof HomelabError && error.code === 2 && /git checkout -- gitops/.test(error.fix ?? ''),
    )
  })
