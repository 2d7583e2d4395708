// The reference page names everything that can be set: each key of .env, of site.yaml, and each variable that a script reads.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { readSite } from '../../../scripts/lib/gitops/site-file.ts'
import { root } from '../../../scripts/lib/root.ts'
import { siteKeys, variables } from '../../../scripts/lib/site/reference.ts'
import { keys } from '../../../scripts/lib/site/schema.ts'
import { pages } from './pages.ts'

const page = pages.get('infrastructure/docs/CONFIGURATION.md') ?? ''
const missing = (names: readonly string[]) => names.filter(name => !page.includes(`| \`${name}\``))

test('each key of .env is in the reference', () => {
  assert.deepEqual(missing(keys), [])
})

test('each key of site.yaml is in the reference, and no other', () => {
  for (const environment of ['dev', 'staging', 'prod']) {
    const file = `gitops/environments/${environment}/site.yaml`
    const there = [...readSite(readFileSync(join(root, file), 'utf8'), file).keys()]
    // The host of an application of the owner's own is explained by its name.
    const ours = there.filter(key => key in siteKeys || !key.endsWith('Host'))
    assert.deepEqual(ours.sort(), Object.keys(siteKeys).sort(), file)
  }
})

test('each variable that the scripts read is a key of .env, or in the reference', () => {
  // Between processes of ours, or everybody's own.
  const others = [
    'PATH',
    'HOME',
    'TERM',
    'CI',
    'FORCE_COLOR',
    'HOMELAB_SUMMARY_FD',
    'HOMELAB_SANDBOX_SITE',
    'XDG_DATA_HOME',
  ]
  const read = readdirSync(join(root, 'scripts'), { recursive: true, encoding: 'utf8' })
    .filter(path => path.endsWith('.ts'))
    .flatMap(path => [...readFileSync(join(root, 'scripts', path), 'utf8').matchAll(/process\.env\.([A-Z_]+)/g)])
    .map(([, name = '']) => name)
  assert.ok(read.length > 15)
  const known = [...keys, ...Object.keys(variables), ...others]
  assert.deepEqual(
    [...new Set(read)].filter(name => !known.includes(name)),
    [],
  )
  assert.deepEqual(
    Object.keys(variables).filter(name => !read.includes(name)),
    [],
  )
})
