// What the pages tell people to type exists: the make target with its variables, the script with its options, the key in
// .env. tests/e2e/docs.test.ts types them.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { accessSync, constants, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from '../../../scripts/lib/root.ts'
import { keys } from '../../../scripts/lib/site/schema.ts'
import { commands, commandsOf, declares, single, wordsOf } from './commands.ts'
import { applications, linesOf, pages } from './pages.ts'

/** The recipe of each make target. */
const recipes = new Map(
  [...readFileSync(join(root, 'Makefile'), 'utf8').matchAll(/^([a-z][a-z0-9-]*):.*\n((?:\t.*\n)*)/gm)].map(
    ([rule, name = '']) => [name, rule] as const,
  ),
)

/** Variables that every command knows, by the environment. */
const everywhere = ['ENV', 'SANDBOX', 'CHARTS']

/** Programs that an owner has anyway, and whose use nobody here has to show. */
const ordinary = ['git', 'cd', 'printf', 'echo', 'npx', 'export', 'chmod']

/** The application of the owner's own in the examples. */
const example = 'notes'

/** What is wrong with a single command; undefined when it is one that only hardware knows. */
function flaws(command: string): string[] | undefined {
  const [program = '', ...rest] = wordsOf(command)
  if (program === 'make') {
    const [target = ''] = rest.filter(word => !word.includes('='))
    const recipe = recipes.get(target)
    if (recipe === undefined) return [`there is no make ${target}`]
    return rest.flatMap(word => {
      const [name = '', value] = word.split('=')
      if (value === undefined) return word === target ? [] : [`make ${target} takes no ${word}`]
      if (name === 'APP' && /^[a-z]/.test(value) && ![...applications, example].includes(value))
        return [`there is no application ${value}`]
      return everywhere.includes(name) || recipe.includes(`$(${name})`) ? [] : [`make ${target} knows no ${name}`]
    })
  }
  if (/^(\.\/)?(bootstrap|scripts)\/.+\.ts$/.test(program)) {
    try {
      accessSync(join(root, program), constants.X_OK)
    } catch {
      return [`there is no script ${program}`]
    }
    const options = rest.flatMap(word => /^--([^=]+)/.exec(word)?.[1] ?? [])
    return options.filter(option => !declares(program, option)).map(option => `${program} knows no --${option}`)
  }
  return program === 'kubectl' || ordinary.includes(program) ? [] : undefined
}

test('every command in the pages is one that there is', () => {
  assert.ok(commands.length > 150, `${commands.length} commands`)
  const wrong = commands
    .filter(({ hardware }) => hardware === undefined)
    .flatMap(({ at, text }) =>
      single(text).flatMap(one =>
        (flaws(one) ?? [`no test knows "${one}": mark its fence with <!-- hardware: … -->`]).map(
          flaw => `${at} ${flaw}`,
        ),
      ),
    )
  assert.deepEqual(wrong, [])
})

test('every make target and script that a page mentions in passing is one that there is', () => {
  const wrong = [...pages].flatMap(([path, page]) =>
    linesOf(page)
      .filter(({ fence }) => fence === undefined)
      .flatMap(({ text, number }) =>
        [...text.matchAll(/`((?:make|\.?\/?scripts\/|\.\/bootstrap\/)[^`]*)`/g)].flatMap(([, command = '']) =>
          /^make [^-a-z]|\/$|\/lib\b/.test(command) || command === 'make'
            ? []
            : (flaws(command) ?? []).map(flaw => `${path}:${number} ${flaw}`),
        ),
      ),
  )
  assert.deepEqual(wrong, [])
})

test('the shell reads every line', () => {
  const script = commands.map(({ text }) => text.replaceAll('…', '...')).join('\n')
  const read = spawnSync('/bin/sh', ['-n'], { input: script, encoding: 'utf8' })
  assert.equal(read.stderr, '')
})

test('at most one command in five needs hardware, and the list is here', t => {
  const bound = commands.filter(({ hardware }) => hardware !== undefined)
  t.diagnostic(`${bound.length} of ${commands.length} commands in the pages need hardware, no test has typed them:`)
  for (const { at, text, hardware } of bound) t.diagnostic(`${at} (${hardware}) ${text}`)
  assert.ok(bound.length * 5 <= commands.length, `${bound.length} of ${commands.length}`)
})

test('what is marked as hardware could not have been tested', () => {
  const tested = commands
    .filter(({ hardware }) => hardware !== undefined)
    .filter(({ text }) => single(text).every(one => flaws(one) !== undefined))
    .filter(({ text }) => !/^echo .*\/etc\//.test(text))
  assert.deepEqual(
    tested.map(({ at, text }) => `${at} ${text}`),
    [],
  )
})

test('what the pages write into .env are keys of .env', () => {
  const written = [...pages].flatMap(([path, page]) =>
    linesOf(page)
      .filter(({ fence }) => fence === 'dotenv')
      .map(({ text, number }) => ({ at: `${path}:${number}`, key: text.split('=')[0] ?? '' })),
  )
  assert.ok(written.length > 5)
  assert.deepEqual(
    written.filter(({ key }) => !(keys as readonly string[]).includes(key)),
    [],
  )
})

test('a command that is not there is found', () => {
  const page =
    '```sh\nmake instal\nmake install STEPS=04\nscripts/status.ts --jsn | cat   # no\n```\n```sh\nmake "a # b"\n```\n'
  const found = commandsOf('page.md', page)
  assert.deepEqual(
    found.map(({ text }) => text),
    ['make instal', 'make install STEPS=04', 'scripts/status.ts --jsn | cat', 'make "a # b"'],
  )
  assert.deepEqual(
    found.slice(0, 3).map(({ text }) => flaws(single(text)[0] ?? '')),
    [['there is no make instal'], ['make install knows no STEPS'], ['scripts/status.ts knows no --jsn']],
  )
  assert.equal(flaws('zpool status'), undefined)
})
