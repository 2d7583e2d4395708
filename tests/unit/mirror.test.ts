import assert from 'node:assert/strict'
import { test } from 'node:test'
import { indexText, readSums, sumsText } from '../../scripts/lib/mirror/files.ts'
import { imagesOf } from '../../scripts/lib/mirror/images.ts'

test('images are found wherever a program takes one from, each once and in full', () => {
  const digest = `sha256:${'0'.repeat(64)}`
  const found = imagesOf([
    {
      kind: 'Deployment',
      spec: {
        template: {
          spec: {
            initContainers: [{ name: 'a', image: 'busybox:1.37.0' }],
            containers: [
              {
                name: 'b',
                image: 'docker.io/traefik:v3.7.11',
                args: ['--acme-http01-solver-image=quay.io/jetstack/solver:v1', '--log-level=info'],
                env: [
                  { name: 'SHELL_IMAGE', value: 'rancher/shell:v0.6' },
                  { name: 'IMAGE_PULL', value: 'always' },
                ],
              },
              { name: 'c', image: `registry.lab.home.arpa:5000/own@${digest}` },
            ],
          },
        },
      },
    },
    {
      kind: 'ConfigMap',
      data: { 'pod.yaml': 'containers:\n  - image: busybox:1.37.0\n  - image: "quay.io/helper"\n' },
    },
    { kind: 'CustomResourceDefinition', spec: { properties: { image: 'of-no-container' } } },
    { kind: 'Prometheus', spec: { image: 'quay.io/prometheus/prometheus:v3' } },
  ])
  assert.deepEqual(found, [
    'docker.io/library/busybox:1.37.0',
    'docker.io/library/traefik:v3.7.11',
    'docker.io/rancher/shell:v0.6',
    'quay.io/helper:latest',
    'quay.io/jetstack/solver:v1',
    'quay.io/prometheus/prometheus:v3',
    `registry.lab.home.arpa:5000/own@${digest}`,
  ])
})

test('checksums come back as they were written', () => {
  const sums = { 'b.tgz': 'b'.repeat(64), 'a.tgz': 'a'.repeat(64) }
  assert.equal(sumsText(sums), `${'a'.repeat(64)}  a.tgz\n${'b'.repeat(64)}  b.tgz\n`)
  assert.deepEqual(readSums(sumsText(sums)), sums)
  assert.deepEqual(readSums('half a line'), {})
})

test('the index of the same archives is the same text', () => {
  const archives = [{ file: 'demo-1.0.0.tgz', digest: 'd', about: { name: 'demo', version: '1.0.0' } }]
  assert.equal(indexText(archives), indexText(archives))
  assert.match(indexText(archives), /urls:\n\s+- demo-1\.0\.0\.tgz/)
})
