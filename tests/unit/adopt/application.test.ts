import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  ancestorsOf,
  holds,
  idOf,
  pausedMark,
  pauseOf,
  readApplication,
  readTracking,
  trackedBy,
} from '../../../scripts/lib/adopt/application.ts'
import { hindrances } from '../../../scripts/lib/adopt/plan.ts'
import type { K8sObject } from '../../../scripts/lib/k8s.ts'

function application(name: string, children: readonly string[] = [], more: Partial<K8sObject> = {}): K8sObject {
  return {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Application',
    metadata: { name, namespace: 'argocd' },
    spec: { project: 'lab', source: { repoURL: 'https://git.lab/a.git', path: name } },
    status: {
      resources: children.map(child => ({
        group: 'argoproj.io',
        kind: 'Application',
        namespace: 'argocd',
        name: child,
      })),
    },
    ...more,
  }
}

const service = (metadata: Partial<K8sObject['metadata']>): K8sObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'traefik', namespace: 'traefik', ...metadata },
})

const standard = readTracking(undefined)

test('an Application is read with what drives it', () => {
  const one = readApplication({
    ...application('traefik'),
    spec: {
      project: 'lab',
      sources: [{ repoURL: 'https://git.lab/a.git', chart: 'traefik' }, { repoURL: 'https://git.lab/b.git' }],
      syncPolicy: { automated: { prune: true } },
    },
    operation: null,
  })
  assert.equal(one.source, 'traefik of https://git.lab/a.git')
  assert.deepEqual(one.automated, { prune: true })
  assert.equal(one.busy, false, 'a request taken away with null is none')
  assert.equal(readApplication({ ...application('a'), operation: { sync: {} } }).busy, true)
  const running = { operationState: { phase: 'Running' } }
  assert.equal(readApplication({ ...application('a'), status: running }).busy, true)
})

test('outside of the namespace of Argo CD its marks carry the namespace', () => {
  const one = application('traefik', [], { status: { controllerNamespace: 'argocd' } })
  assert.equal(readApplication(one).mark, 'traefik')
  const other = { ...one, metadata: { name: 'traefik', namespace: 'teams' } }
  assert.equal(readApplication(other).mark, 'teams_traefik')
})

test('a mark counts on the object that it names, and not on a copy of it', () => {
  const one = readApplication(application('traefik'))
  const mark = (id: string) => service({ annotations: { 'argocd.argoproj.io/tracking-id': id } })
  assert.equal(trackedBy(mark('traefik:/Service:traefik/traefik'), one, standard, false), 'annotation')
  assert.equal(trackedBy(mark('traefik:/Service:traefik/other'), one, standard, false), undefined)
  assert.equal(trackedBy(mark('other:/Service:traefik/traefik'), one, standard, false), undefined)
  const role: K8sObject = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    // Argo CD writes the Application's namespace where the object has none.
    metadata: {
      name: 'reader',
      annotations: { 'argocd.argoproj.io/tracking-id': 'traefik:rbac.authorization.k8s.io/ClusterRole:traefik/reader' },
    },
  }
  assert.equal(trackedBy(role, one, standard, false), 'annotation')
})

test('the common label alone says nothing: nearly every chart sets it', () => {
  const one = readApplication(application('traefik'))
  const object = service({ labels: { 'app.kubernetes.io/instance': 'traefik' } })
  assert.equal(trackedBy(object, one, standard, false), undefined)
  assert.equal(trackedBy(object, one, standard, true), 'label')
  const own = readTracking({
    ...service({}),
    data: { 'application.instanceLabelKey': 'argocd.argoproj.io/instance' },
  })
  const marked = service({ labels: { 'argocd.argoproj.io/instance': 'traefik' } })
  assert.equal(trackedBy(marked, one, own, false), 'label')
})

test('all who would put an Application back are found, the topmost first', () => {
  const all = [
    application('traefik'),
    application('platform', ['traefik', 'metallb']),
    application('root', ['platform', 'root']),
    application('other', ['welcome']),
    application('welcome'),
  ].map(readApplication)
  const found = ancestorsOf(new Set(['argocd/traefik']), all, () => standard)
  assert.deepEqual(
    found.map(({ name }) => name),
    ['argocd/root', 'argocd/platform'],
  )
})

test('a parent is also known by its mark on the child, when its own list is out of date', () => {
  const [parent, child] = [
    application('root'),
    application('traefik', [], {
      metadata: {
        name: 'traefik',
        namespace: 'argocd',
        annotations: { 'argocd.argoproj.io/tracking-id': 'root:argoproj.io/Application:argocd/traefik' },
      },
    }),
  ].map(readApplication)
  assert.equal(parent && child && holds(parent, child, standard), true)
})

test('a pause is read as it was written', () => {
  const pause = { automated: { prune: true }, gone: ['argocd/traefik'] }
  const paused = application('root', [], {
    metadata: { name: 'root', namespace: 'argocd', annotations: { [pausedMark]: JSON.stringify(pause) } },
  })
  assert.deepEqual(pauseOf(readApplication(paused)), pause)
  assert.equal(pauseOf(readApplication(application('root'))), undefined)
})

test('an object is the same in another version of its API', () => {
  const old = { ...service({}), apiVersion: 'apps/v1beta1', kind: 'Deployment' }
  assert.equal(idOf(old), idOf({ ...old, apiVersion: 'apps/v1' }))
  assert.equal(idOf(service({})), '/Service/traefik/traefik')
})

test('what would undo the handover is refused, with the way out', () => {
  const made = application('traefik', [], {
    metadata: {
      name: 'traefik',
      namespace: 'argocd',
      ownerReferences: [{ kind: 'ApplicationSet', name: 'fleet', uid: 'u' }],
    },
  })
  const ending = application('metallb', [], {
    metadata: {
      name: 'metallb',
      namespace: 'argocd',
      deletionTimestamp: '2026-01-01T00:00:00Z',
      finalizers: ['resources-finalizer.argocd.argoproj.io'],
    },
  })
  const found = hindrances([made, ending, application('cert-manager')].map(readApplication))
  assert.equal(found.length, 2)
  assert.match(found[0]?.what ?? '', /argocd\/traefik is made by the ApplicationSet fleet/)
  assert.match(found[0]?.fix ?? '', /delete applicationset fleet --cascade=orphan/)
  assert.match(found[1]?.what ?? '', /argocd\/metallb is being deleted/)
})
