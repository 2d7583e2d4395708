// Our verdicts on objects (resource.customizations in infrastructure/platform/argocd/values.yaml), by Argo CD's own Lua.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { at } from '../../scripts/lib/k8s.ts'
import { builtExtra, notBuilt } from '../../scripts/lib/sandbox/extra-build.ts'
import { temporaryFolder } from '../temporary.ts'
import { releases, valuesOf } from './rendered.ts'

const skip = await notBuilt('argocd')
const built = await builtExtra('argocd')
const folder = temporaryFolder('health')

const write = (name: string, object: object) => {
  writeFileSync(join(folder, name), JSON.stringify(object))
  return join(folder, name)
}
const argocd = releases.find(({ chart }) => chart === 'argo-cd')
assert.ok(argocd)
const settings = Object.entries(at(valuesOf(argocd), 'configs', 'cm') ?? {}).map(([key, value]) => [key, String(value)])
const labels = { 'app.kubernetes.io/part-of': 'argocd' }
const map = write('cm.yaml', {
  ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'argocd-cm', namespace: 'argocd', labels } },
  data: Object.fromEntries(settings),
})

function verdict(apiVersion: string, kind: string, rest: object): string {
  const file = write('object.yaml', { apiVersion, kind, metadata: { name: 'one', namespace: 'lab' }, ...rest })
  const args = ['admin', 'settings', 'resource-overrides', 'health', file, '--argocd-cm-path', map]
  const said = execFileSync(join(built?.dir ?? '', 'argocd'), args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return /^STATUS: (\w+)$/m.exec(said)?.[1] ?? said
}

const available = (status: string, reason = '') => ({ status: { conditions: [{ type: 'Available', status, reason }] } })
const spec = { source: { repoURL: 'https://example.org/lab.git', path: 'a', targetRevision: 'main' } }
const compared = (sync: string, health: string, more: object = {}) => ({
  spec,
  status: { sync: { status: sync, comparedTo: spec }, health: { status: health }, ...more },
})
const application = ['argoproj.io/v1alpha1', 'Application'] as const
const template = ['templates.gatekeeper.sh/v1', 'ConstraintTemplate'] as const

for (const [what, [apiVersion, kind], rest, expected] of [
  ['that was never compared', application, { spec }, 'Progressing'],
  ['that is well', application, compared('Synced', 'Healthy'), 'Healthy'],
  ['that is degraded', application, compared('Synced', 'Degraded'), 'Degraded'],
  [
    'whose source has changed since',
    application,
    { ...compared('Synced', 'Healthy'), spec: { source: { ...spec.source, path: 'b' } } },
    'Progressing',
  ],
  ['with a sync asked for', application, { ...compared('Synced', 'Healthy'), operation: { sync: {} } }, 'Progressing'],
  [
    'with a sync under way',
    application,
    compared('Synced', 'Healthy', { operationState: { phase: 'Running' } }),
    'Progressing',
  ],
  [
    'whose sync failed',
    application,
    compared('OutOfSync', 'Healthy', { operationState: { phase: 'Failed' } }),
    'Degraded',
  ],
  [
    'whose sync failed, and that is synced now',
    application,
    compared('Synced', 'Healthy', { operationState: { phase: 'Failed' } }),
    'Healthy',
  ],
  ...['Prometheus', 'Alertmanager'].flatMap(name => {
    const one = ['monitoring.coreos.com/v1', name] as const
    return [
      ['that nobody has looked at', one, {}, 'Progressing'],
      ['without its StatefulSet', one, available('False', 'StatefulSetNotFound'), 'Progressing'],
      ['whose first pod starts', one, available('False', 'NoPodReady'), 'Progressing'],
      ['that is available', one, available('True'), 'Healthy'],
    ] as const
  }),
  ['without its kind', template, { status: {} }, 'Progressing'],
  ['whose kind is there', template, { status: { created: true } }, 'Healthy'],
  ['that does not compile', template, { status: { byPod: [{ errors: [{ message: 'a mistake' }] }] } }, 'Degraded'],
] as const)
  test(`${kind} ${what}: ${expected}`, { skip }, () => assert.equal(verdict(apiVersion, kind, rest), expected))
