// The troubleshooting page and the messages of the scripts belong together: no entry without a message, and what owners
// meet most has an entry or a page of its own.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { describe } from '../../../scripts/lib/command.ts'
import { root } from '../../../scripts/lib/root.ts'
import { anchorOf, entriesOf, troubleshooting, withPage } from '../../../scripts/lib/troubleshooting.ts'
import { anchorsOf, pages } from './pages.ts'

const page = pages.get(troubleshooting) ?? ''
const entries = entriesOf(page)
const sources = readdirSync(join(root, 'scripts'), { recursive: true, encoding: 'utf8' })
  .filter(path => path.endsWith('.ts'))
  .map(path => `scripts/${path}`)

/** Lines of code with quotes as they are printed. */
const code = (path: string) => readFileSync(join(root, path), 'utf8').replaceAll("\\'", "'").split('\n')

test('every heading is a message of the scripts', () => {
  const lines = sources.flatMap(code)
  assert.ok(entries.length > 80)
  assert.deepEqual(
    entries.filter(({ pattern }) => !lines.some(line => pattern.test(line))).map(({ heading }) => heading),
    [],
  )
})

test('no heading is so short that it fits every message, and none stands twice', () => {
  assert.deepEqual(
    entries.filter(({ heading }) => heading.replaceAll('…', '').trim().length < 7).map(({ heading }) => heading),
    [],
  )
  assert.equal(anchorsOf(page).size, new Set(anchorsOf(page)).size)
  assert.equal(new Set(entries.map(({ heading }) => anchorOf(heading))).size, entries.length)
})

// What a cluster, a network or a neighbour does to an owner. Elsewhere (wrong options, .env, YAML, the sandbox) a message is
// about what has just been typed, and says all there is to say.
const met = [/^scripts\/lib\/(preflight|backup|applications)\//, /^scripts\/lib\/sealing\/(keys|files|rotate)\.ts$/]
const metFiles = ['run', 'wait', 'lock', 'helm', 'charts', 'chart-lock', 'verify', 'adguard', 'shell', 'site/choose']
const isMet = (path: string) =>
  met.some(one => one.test(path)) || metFiles.some(name => path === `scripts/lib/${name}.ts`)

/** Messages of these files that need no entry: about what has just been typed, and they say all there is to say. */
const enough = [
  'interrupted',
  'there is no such source of charts',
  'has no stand-in',
  'there is no step',
  'needs ${other}',
  'is the parent of all applications',
  'there is no namespace',
  'was deleted while Velero worked on it',
  'has nothing of',
  'not confirmed, nothing was written',
  "info(node, 'architecture')",
  // Their cause leads on.
  'the storage location',
]

test('what owners meet most has an entry, or leads to a page of its own', () => {
  const open: string[] = []
  for (const path of sources.filter(isMet)) {
    const lines = code(path)
    for (const [i, line] of lines.entries()) {
      if (!/\bwhat:\s*([`'"]|$|\w+\s*(\?|$))/.test(line)) continue
      const said = lines.slice(i, i + 3)
      const about = lines.slice(i, i + 12)
      const end = about.findIndex((one, n) => n > 0 && /^\s*\}/.test(one))
      if (about.slice(0, end < 0 ? undefined : end + 1).some(one => /\blink\b/.test(one))) continue
      if (enough.some(text => line.includes(text)) || line.endsWith('what: string')) continue
      if (said.some(one => entries.some(({ pattern }) => pattern.test(one)))) continue
      open.push(`${path}:${i + 1} ${said[0]?.trim()}`)
    }
  }
  assert.deepEqual(open, [])
})

test('a message leads to its entry, by its cause before what came of it, and keeps a way of its own', () => {
  const link = (heading: string) => `${troubleshooting}#${anchorOf(heading)}`
  assert.equal(
    withPage({
      what: 'workloads/traefik is not ready after 90 s',
      why: 'traefik: pod traefik-1 fits on no node: it asks for 64Gi memory, and the largest node has 8Gi in all',
    }).link,
    link('pod … fits on no node: …'),
  )
  assert.equal(
    withPage({ what: 'workloads/traefik is not ready after 90 s', why: 'no cause is known' }).link,
    link('… is not ready after … s'),
  )
  assert.equal(withPage({ what: 'another run is at work on this cluster', link: 'elsewhere' }).link, 'elsewhere')
  assert.equal(withPage({ what: 'a message that nobody has written about' }).link, undefined)
  assert.match(
    describe({ what: 'another run is at work on this cluster' }),
    /\n {2}see {2}infrastructure\/docs\/TROUBLESHOOTING\.md#another-run-is-at-work-on-this-cluster$/,
  )
})
