// A link in a page leads to a file that is there, and to a heading that it has.
import assert from 'node:assert/strict'
import { existsSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'
import { root } from '../../../scripts/lib/root.ts'
import { anchorsOf, linesOf, pages } from './pages.ts'

/** What is wrong with the links of a page. @param path the page's, in the repository */
function dead(path: string, page: string): string[] {
  return linesOf(page).flatMap(({ text, number, fence }) => {
    if (fence !== undefined) return []
    return [...text.replace(/`[^`]*`(?!\])/g, '').matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, target = '']) => {
      if (/^(https?|mailto):/.test(target)) return []
      const [file = '', anchor] = target.split('#')
      const wanted = file === '' ? path : normalize(join(dirname(path), decodeURI(file)))
      const at = `${path}:${number} ${target}`
      if (file !== '' && (wanted.startsWith('..') || !existsSync(join(root, wanted))))
        return [`${at}: there is no ${wanted}`]
      if (anchor === undefined) return []
      const other = file === '' ? page : pages.get(wanted)
      return other !== undefined && anchorsOf(other).has(anchor) ? [] : [`${at}: ${wanted} has no such heading`]
    })
  })
}

test('every relative link leads to a file, every anchor to a heading', () => {
  assert.ok(pages.size > 40, `${pages.size} pages`)
  assert.deepEqual(
    [...pages].flatMap(([path, page]) => dead(path, page)),
    [],
  )
})

test('a dead link and a dead anchor are found', () => {
  const page = '# One\n\n[a](two.md) [b](#one) [c](#two) [d](README.md#nothing) `[e](f.md)`\n'
  assert.deepEqual(
    dead('page.md', page).map(one => one.replace(/^page\.md:3 /, '')),
    [
      'two.md: there is no two.md',
      '#two: page.md has no such heading',
      'README.md#nothing: README.md has no such heading',
    ],
  )
})

// Named in passing, and gone after the next restructuring unless somebody looks.
test('every path of the repository that a page names is there', () => {
  const made = ['gitops/environments/prod/versions/', 'infrastructure/charts.lock.yaml'] // by make promote, by the first pull
  const path = /`((?:bootstrap|gitops|infrastructure|scripts|tests|\.github)\/[^`\s]*?)(?::\d+)?`/g
  const named = [...pages].flatMap(([page, text]) =>
    [...text.matchAll(path)].map(([, target = '']) => ({ page, target })),
  )
  assert.ok(named.length > 100, `${named.length} paths`)
  assert.deepEqual(
    named.filter(
      ({ target }) => !/[A-Z]{3}|[*<{…]/.test(target) && !made.includes(target) && !existsSync(join(root, target)),
    ),
    [],
  )
})

// A page that nothing leads to is a page that nobody finds.
test('every page of infrastructure/docs is reached from its index', () => {
  const docs = 'infrastructure/docs'
  const reached = new Set<string>()
  const follow = (path: string) => {
    if (reached.has(path) || !path.startsWith(docs)) return
    reached.add(path)
    for (const [, target = ''] of (pages.get(path) ?? '').matchAll(/\]\(([^)#\s]+)/g)) {
      const wanted = normalize(join(dirname(path), target))
      if (existsSync(join(root, wanted)) && statSync(join(root, wanted)).isFile()) follow(wanted)
    }
  }
  follow(`${docs}/README.md`)
  // Each alert leads to its runbook, and their folder is linked as one.
  const lost = [...pages.keys()].filter(
    path => path.startsWith(docs) && !path.startsWith(`${docs}/runbooks/`) && !reached.has(path),
  )
  assert.deepEqual(lost, [])
})
