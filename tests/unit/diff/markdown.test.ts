// The comment: counts first, and never longer than a comment may be.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commentLimit, markdown, type Report } from '../../../scripts/lib/diff/markdown.ts'

const report = (applications: Report['applications'], more: Partial<Report> = {}): Report => ({
  compared: '`main` 11111111 → 22222222',
  applications,
  same: 7,
  standIns: [],
  platform: [],
  whole: 'make diff BASE=main FULL=diff.md',
  ...more,
})

const changes = (application: string, lines: number) => ({
  application,
  environments: ['dev', 'prod'],
  objects: [
    { title: 'ConfigMap a/b', result: 'changed' as const, patch: `@@\n${'-an old line of text\n'.repeat(lines)}+new` },
  ],
})

test('counts come first, then one fold an application with its environments', () => {
  const text = markdown(report([changes('loki', 2), { ...changes('notes', 1), comes: 'new' }]))
  assert.ok(text.indexOf('**2 applications** change: 2 changed objects') < text.indexOf('<details>'))
  assert.match(text, /7 not rendered/)
  assert.match(text, /\| loki \| dev, prod \| 0 \| 0 \| 1 \|/)
  assert.match(text, /notes \(new\)/)
  assert.equal(text.split('<details>').length, 3)
  assert.doesNotMatch(text, /Cut to fit/)
})

test('a text that fits is whole; a longer one is cut at a line, with every fold closed and a pointer', () => {
  const all = [changes('large', 9000), changes('small', 3), changes('larger', 20_000)]
  const text = markdown(report(all), commentLimit)
  assert.ok(text.length <= commentLimit, `${text.length}`)
  assert.ok(text.length > commentLimit * 0.9, `only ${text.length}`)
  assert.equal(text.split('<details>').length, text.split('</details>').length)
  assert.equal(text.split('<details>').length, 4, 'each application is there')
  assert.match(text, /The whole of it: make diff BASE=main FULL=diff\.md/)
  assert.match(text, /… \d+ more lines\n```/)
  assert.ok(
    text.includes('small') && /-an old line of text\n-an old line of text\n-an old line of text\n\+new/.test(text),
  )
  assert.ok(markdown(report(all)).length > 500_000)
})

test('a hundred applications still fit', () => {
  const all = Array.from({ length: 100 }, (_, i) => changes(`application-${i}`, 200))
  const text = markdown(report(all), commentLimit)
  assert.ok(text.length <= commentLimit)
  for (let i = 0; i < 100; i++) assert.match(text, new RegExp(`\\| application-${i} \\|`))
  assert.match(text, /Cut to fit/)
})

test('Markdown inside an object does not end its fence', () => {
  const one = changes('pages', 0)
  one.objects[0] = { title: 'ConfigMap a/b', result: 'changed', patch: '@@\n+````\n+```\n+text' }
  const fences = markdown(report([one])).match(/^`{5,}(diff)?$/gm)
  assert.deepEqual(fences, ['`````diff', '`````'])
})

test('stand-in charts, files of the platform and what cannot be rendered are said', () => {
  const text = markdown(
    report([{ application: 'loki', environments: ['prod'], objects: [], failed: 'HEAD: chart not found' }], {
      standIns: ['loki', 'loki'],
      platform: ['infrastructure/platform/traefik/values.yaml'],
    }),
  )
  assert.match(text, /Stand-in charts[^\n]*: loki\.\n/)
  assert.match(text, /1 file of the platform[^\n]*make plan[^\n]*traefik/)
  assert.match(text, /\| loki \| prod \| cannot be rendered/)
  assert.match(text, /HEAD: chart not found/)
  assert.match(markdown(report([])), /No application changes; 7 looked at/)
})
