import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { HomelabError } from '../../scripts/lib/errors.ts'
import { fill, readManifest, readYaml } from '../../scripts/lib/fill.ts'
import { temporaryFolder } from '../temporary.ts'

const vars = {
  domain: 'lab.home.arpa',
  list: ['1.1.1.1', '9.9.9.9'],
  on: true,
  odd: 'a: b\n- "c" {{ x }} $(touch /tmp/x)',
}

test('a placeholder inside a text becomes text, one that stands alone keeps its type', () => {
  assert.deepEqual(fill({ host: 'argocd.${domain}', upstreams: '${list}', flag: '${on}', n: 3 }, vars), {
    host: 'argocd.lab.home.arpa',
    upstreams: ['1.1.1.1', '9.9.9.9'],
    flag: true,
    n: 3,
  })
})

test('a value is data: what looks like YAML, a template or a command stays as it is', () => {
  const filled = fill({ x: 'before ${odd} after' }, vars)
  assert.equal(filled.x, `before ${vars.odd} after`)
})

test("other tools' placeholders are left alone", () => {
  const text = 'run $(POD_NAME) $HOME {{ .Values.x }} ${HOME:-x}'
  assert.equal(fill(text, vars), text)
})

test('YAML is read as kubectl reads it: octal modes, but no dates', () => {
  const file = write("mode: 0400\nwhen: 2024-01-01\ntext: 'no'\nflag: no\n")
  assert.deepEqual(readYaml(file, {}), [{ mode: 256, when: '2024-01-01', text: 'no', flag: false }])
})

test('an unknown name is refused, with the place and the names that there are', () => {
  assert.throws(
    () => fill({ spec: { hosts: ['${domian}'] } }, vars, 'ingress.yaml'),
    (error: HomelabError) =>
      error.code === 2 &&
      error.what === 'ingress.yaml.spec.hosts[0]: nothing is called ${domian}' &&
      /domain/.test(error.why ?? ''),
  )
})

test('malformed YAML is one error with file and line', () => {
  const file = write('a: 1\nb: [1, 2\n')
  assert.throws(
    () => readYaml(file, {}),
    (error: HomelabError) =>
      error.code === 2 && error.what === `${file}:2: a [ or { that is opened here is never closed`,
  )
})

test('a manifest that is no Kubernetes object is refused', () => {
  assert.throws(() => readManifest(write('apiVersion: v1\nkind: ConfigMap\n'), {}), HomelabError)
})

test('empty documents are skipped', () => {
  const file = write('---\n# nothing\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n')
  assert.equal(readManifest(file, {}).length, 1)
})

function write(text: string): string {
  const file = join(temporaryFolder('fill'), 'x.yaml')
  writeFileSync(file, text)
  return file
}
