// A minute of wrong input: no crash, no hang, no stack trace, no written file. FUZZ_SEED and FUZZ_SECONDS repeat or lengthen it.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { needed } from '../../scripts/lib/yaml/check.ts'
import { closedPort, kubeconfigOf } from '../e2e/closed.ts'
import { checkout, script, withTools } from '../e2e/support.ts'
import { report } from '../figures.ts'
import { random } from '../fixtures/random.ts'
import { describe, fuzz } from './fuzz.ts'
import { mutate } from './mutate.ts'
import { type Planted, planted } from './planted.ts'

// New luck on every laptop; in CI the same each time, so that a red build is of its change.
const seed = Number(process.env.FUZZ_SEED) || (process.env.CI ? 11 : Math.floor(Math.random() * 2 ** 31))
const seconds = Number(process.env.FUZZ_SECONDS) || 60
const leads = 11
const from = Number(process.env.FUZZ_CASE) || 0

for (const mistake of Object.keys(planted) as Planted[])
  test(`it finds a function that ${mistake}`, async t => {
    // A seed that is known to lead there within a few dozen cases: this shows that a finding is seen, not that luck is good.
    const found = await fuzz({ seed: leads, seconds: 60, planted: mistake })
    assert.ok(found.finding, `seed ${leads}: ${found.cases} cases, and the mistake was not found`)
    t.diagnostic(`after ${found.cases} cases: ${found.finding.problem.split('\n')[0]}`)
    const expected = { throws: /TypeError/, hangs: /no end/, writes: /rejected\.txt/ }[mistake]
    assert.match(found.finding.problem, expected)
  })

test(`seed ${seed}, ${seconds} s: whatever the files hold, they are accepted or refused with a reason`, async t => {
  const [inside, outside] = await Promise.all([fuzz({ seed, seconds, from }), processes(seconds)])
  assert.equal(describe(inside), '')
  assert.ok(inside.refused > inside.accepted / 20 && inside.accepted > 0, JSON.stringify(inside))
  assert.ok(inside.cases > seconds, `only ${inside.cases} cases in ${seconds} s`)
  report(t, 'fuzz', {
    seed,
    seconds,
    cases: inside.cases,
    refused: inside.refused,
    accepted: inside.accepted,
    processes: outside,
    findings: 0,
  })
})

/** The real command on such files, as a process. Its cluster is a closed port, so nothing can go well: it must end with 2. */
async function processes(budget: number): Promise<number> {
  const end = Date.now() + budget * 1000
  const folder = checkout()
  const env = { ...(await withTools()), KUBECONFIG: undefined, ENV: undefined }
  writeFileSync(join(folder, 'kube'), kubeconfigOf(`https://127.0.0.1:${await closedPort()}`), { mode: 0o600 })
  const good = `DOMAIN=lab.home.arpa\nMETALLB_POOL=192.168.1.200-192.168.1.220\nKUBE_CONTEXT=lab\nKUBECONFIG=${join(folder, 'kube')}\nGIT_REPOSITORY=https://git.home.arpa/me/homelab.git\n`
  const files = ['.env', '.env', ...needed]
  const state = () =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile() && !entry.parentPath.includes(`${folder}/scripts`))
      .map(entry => join(entry.parentPath, entry.name))
      .map(path => `${path} ${statSync(path).mtimeMs} ${statSync(path).size}`)
  let count = 0
  for (; Date.now() < end; count++) {
    const chance = random(seed + count)
    for (let i = 0; i < 3; i++) chance()
    const file = files[Math.floor(chance() * files.length)] ?? '.env'
    writeFileSync(join(folder, '.env'), good, { mode: 0o600 })
    const path = join(folder, file)
    const original = readFileSync(path)
    const content = mutate(original, chance)
    writeFileSync(path, content)
    const before = new Set(state())
    const ended = await script(join(folder, 'bootstrap/bootstrap-all.ts'), ['--plan'], { env, cwd: folder })
    const said = `seed ${seed}, process ${count}, ${file}:\n${ended.stdout}${ended.stderr}\n${JSON.stringify(content.toString('latin1').slice(0, 2_000))}`
    assert.equal(ended.code, 2, said)
    assert.doesNotMatch(ended.stderr + ended.stdout, /mistake in the scripts|\n\s+at .+:\d+:\d+|\(node:\d+\)/, said)
    assert.match(ended.stderr, /✗/, said)
    assert.ok(ended.milliseconds < 30_000, `${ended.milliseconds} ms: ${said}`)
    const written = state().filter(line => !before.has(line))
    assert.deepEqual(written, [], said)
    writeFileSync(path, original)
  }
  rmSync(folder, { recursive: true, force: true })
  return count
}
