// The workflows: what actionlint and zizmor say, and our own rules. `make lint-workflows`.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { root } from '../../scripts/lib/root.ts'
import { temporaryFolder } from '../temporary.ts'
import { looked, toolsOf, tracked, zizmor } from './tools.ts'

const files = tracked('.github/workflows/*.yaml', '.github/actions/*.yaml')
const workflows = files.filter(file => file.startsWith('.github/workflows/'))
const read = (file: string) => readFileSync(join(root, file), 'utf8')

interface Job {
  permissions?: Record<string, string>
  'timeout-minutes'?: number
  steps: { uses?: string; run?: string; with?: Record<string, unknown> }[]
}
interface Workflow {
  on: Record<string, unknown>
  permissions?: unknown
  jobs: Record<string, Job>
}

const checks = await toolsOf('checks')
test('actionlint finds nothing', { skip: checks.skip }, async () => {
  const { code, said } = await looked(join(checks.dir, 'actionlint'), ['-no-color', ...workflows])
  assert.equal(code, 0, said)
})

const audit = zizmor()
const audited = (...what: string[]) => looked(audit.path, ['--offline', '--no-progress', '--persona=regular', ...what])
test('zizmor finds nothing', { skip: audit.skip }, async () => {
  const { code, said } = await audited(join(root, '.github'))
  assert.equal(code, 0, said)
})

test('zizmor would: a title of a pull request in a script is refused', { skip: audit.skip }, async () => {
  const folder = temporaryFolder('workflow')
  const file = join(folder, 'bad.yaml')
  const run = 'run: echo "${{ github.event.pull_request.title }}"'
  writeFileSync(file, `on: pull_request_target\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - ${run}\n`)
  const { code, said } = await audited(file)
  assert.notEqual(code, 0)
  assert.match(said, /template-injection/)
})

test('every action is pinned by commit, with its version beside it', () => {
  const used = files.flatMap(file => [...read(file).matchAll(/uses: (.+)$/gm)].map(([, what = '']) => what))
  assert.ok(used.length > 10)
  assert.deepEqual(
    used.filter(what => !/^\.\/|^[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(what)),
    [],
  )
})

test('the token reads only, but for the one job that comments, which runs nothing of the pull request', () => {
  for (const file of workflows) {
    const { on, permissions, jobs } = parse(read(file)) as Workflow
    assert.deepEqual(permissions, { contents: 'read' }, file)
    assert.ok(!('pull_request_target' in on), `${file}: a fork's code with our secrets`)
    for (const [name, job] of Object.entries(jobs)) {
      assert.ok(job['timeout-minutes'], `${file}: ${name} has no limit`)
      if (!job.permissions) continue
      assert.deepEqual([name, job.permissions], ['comment', { 'pull-requests': 'write' }])
      assert.ok(job.steps.every(({ uses }) => uses === undefined))
    }
    // The token that comes with a run is all that is used: a fork has no other.
    assert.deepEqual([...read(file).matchAll(/\$\{\{[^}]*secrets\./g)], [], file)
  }
})

test('each job of validate.yaml is a make target that is there', () => {
  const targets = new Set([...read('Makefile').matchAll(/^([a-z0-9-]+):/gm)].map(([, name]) => name))
  const { jobs } = parse(read('.github/workflows/validate.yaml')) as Workflow
  for (const [name, { steps }] of Object.entries(jobs)) {
    if (name === 'comment') continue
    const made = steps.flatMap(({ run = '' }) =>
      [...run.matchAll(/^\s*make (?:--silent )?([a-z0-9-]+)/gm)].map(one => one[1]),
    )
    assert.ok(made.length, `${name} runs no make target`)
    for (const target of made) assert.ok(targets.has(target), `make ${target} is not there`)
  }
})
