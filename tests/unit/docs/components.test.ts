// Each component of the platform and each application has a page, and all pages have the same shape.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '../../../scripts/lib/root.ts'
import { applications, linesOf, pages } from './pages.ts'

const folder = 'infrastructure/docs/components'
const shape = ['Values', 'Reach it', 'Check', 'Upgrade', 'What breaks']

/** An application that another one's page tells about: it comes from the same file. */
const partOf: Readonly<Record<string, string>> = {
  sealed: 'sealed-secrets',
  policies: 'gatekeeper',
  'monitoring-crds': 'monitoring',
}

const steps = readdirSync(join(root, 'bootstrap')).flatMap(file => /^\d\d-(.+)\.ts$/.exec(file)?.[1] ?? [])
const documented = applications.map(name => partOf[name] ?? name)

const names = [...new Set([...steps, ...documented])]
const pageOf = (name: string) => pages.get(`${folder}/${name}.md`) ?? ''

test('each component and each application has a page, and no page is of something that is gone', () => {
  assert.ok(steps.length === 7 && applications.length > 8, `${names}`)
  const written = [...pages.keys()].flatMap(path =>
    path.startsWith(`${folder}/`) ? path.slice(folder.length + 1, -3) : [],
  )
  assert.deepEqual(written.sort(), names.sort(), `one page a component in ${folder}, with ${shape.join(', ')}`)
})

test('all have the same headings, and say something below each', () => {
  for (const name of names) {
    const lines = linesOf(pageOf(name))
    assert.match(pageOf(name), /^# .+\n\n\S/, `${name}: a title, and what it is here for`)
    assert.deepEqual(
      lines.flatMap(({ text }) => /^## (.+)/.exec(text)?.[1] ?? []),
      shape,
      name,
    )
    for (const heading of shape)
      assert.match(pageOf(name), new RegExp(`^## ${heading}\n\n\\S`, 'm'), `${name}: ${heading}`)
  }
})

test('what to check and how to upgrade are commands, and the index has every page', () => {
  const index = pages.get('infrastructure/docs/README.md') ?? ''
  for (const name of names) {
    for (const heading of ['Check', 'Upgrade']) {
      const part = pageOf(name).split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? ''
      assert.match(part, /```sh\n\S/, `${name}: ${heading}`)
    }
    assert.ok(index.includes(`(components/${name}.md)`), `the index has ${name}`)
  }
})
