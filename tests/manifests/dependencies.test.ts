// infrastructure/docs/dependencies.md names everything that the project is built on, and nothing that it is not.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pins } from '../../scripts/lib/charts.ts'
import { root } from '../../scripts/lib/root.ts'
import { wantedCharts } from '../../scripts/lib/sandbox/gitops/addresses.ts'
import { withEverything } from './rendered.ts'

const text = (file: string) => readFileSync(join(root, file), 'utf8')
const document = text('infrastructure/docs/dependencies.md')

/** The cells of every row of the tables below a heading. */
function rows(heading: string): string[][] {
  const [, section = ''] = new RegExp(`^## ${heading}\n([\\s\\S]*?)(?=^## |$(?![\\s\\S]))`, 'm').exec(document) ?? []
  return section
    .split('\n')
    .filter(line => line.startsWith('| ') && !/^\| (package|folder|chart|image) \|/.test(line))
    .map(line => line.split(' | ').map(cell => cell.replace(/^\| | \|$/g, '')))
}
const named = (heading: string, column = 0) => rows(heading).flatMap(row => row[column]?.split(', ') ?? [])
/** @throws with what lacks a row, and which rows name nothing */
const same = (listed: readonly string[], used: Iterable<string>) =>
  assert.deepEqual([...listed].sort(), [...new Set(used)].sort())

const yamlBelow = (folder: string) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.yaml'))
    .map(file => `${folder}/${file}`)

test('Node packages', () => {
  const { dependencies, devDependencies } = JSON.parse(text('package.json'))
  same(named('Node packages'), [...Object.keys(dependencies), ...Object.keys(devDependencies)])
})

test('Go modules: every folder, and in it every program', () => {
  const sandbox = 'infrastructure/sandbox'
  const folders = readdirSync(join(root, sandbox)).filter(name => existsSync(join(root, sandbox, name, 'go.mod')))
  same(named('Go modules'), folders)
  for (const [folder = '', modules = ''] of rows('Go modules')) {
    const goMod = text(`${sandbox}/${folder}/go.mod`)
    // What is built; of a module that is only read, what it requires.
    const [, several, one] =
      /^tool (?:\(\n([\s\S]*?)^\)|(.*)$)/m.exec(goMod) ?? /^require \(\n([\s\S]*?)^\)/m.exec(goMod) ?? []
    const block = several ?? one ?? ''
    const programs = block.split('\n').flatMap(line => line.trim().split(' ')[0] || [])
    const said = modules.split(', ')
    const without = programs.filter(path => !said.some(module => path === module || path.startsWith(`${module}/`)))
    assert.deepEqual(without, [], folder)
    assert.deepEqual(
      said.filter(module => !programs.some(path => path.startsWith(module))),
      [],
      folder,
    )
  }
})

test('charts', () => {
  const applications = wantedCharts(withEverything('prod')).map(({ name }) => name)
  same(named('Charts'), [...Object.keys(pins()), ...applications])
})

test('images of our own manifests', () => {
  const files = [...yamlBelow('infrastructure'), ...yamlBelow('gitops/apps')]
  // Of the policies' examples nothing is installed.
  const own = files.filter(file => !file.startsWith('infrastructure/sandbox/') && !file.includes('/samples/'))
  const images = own.flatMap(file => [...text(file).matchAll(/^\s*(?:- )?image: ['"]?([^\s:'"]+\/[^\s:'"]+):/gm)])
  same(
    named('Images'),
    images.map(([, image = '']) => image),
  )
})

test('a row too many, and one too few, are noticed', () => {
  assert.throws(() => same(['zx', 'left-pad'], ['zx']), /left-pad/)
  assert.throws(() => same(['zx'], ['zx', 'yaml']), /yaml/)
})
