// The Secret that is sealed: from the cluster, or from its owner, without what only a cluster knows.
import { parse as parseEnv } from 'dotenv'
import { parse } from 'yaml'
import { exit, HomelabError } from '../errors.ts'
import { at, type K8sObject, mapAt, textAt } from '../k8s.ts'
import { Secret } from '../secrets.ts'
import { managed } from './keys.ts'

/** A Secret stays when its SealedSecret goes. Without it, taking a file out of Git would delete a password in use. */
const keepWithout = 'sealedsecrets.bitnami.com/skip-set-owner-references'

/** A Secret of the cluster as it is sealed: its values and what our scripts would write about it, nothing else. */
export function sealable(found: K8sObject): K8sObject {
  const labels = mapAt(found.metadata, 'labels')
  const ours = mapAt(found.metadata, 'annotations')[managed] === 'true'
  const data = mapAt(found, 'data')
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: found.metadata.name,
      ...(found.metadata.namespace ? { namespace: found.metadata.namespace } : {}),
      ...(Object.keys(labels).length ? { labels } : {}),
      // With the same marks as before, the step that made it finds nothing to change after the take-over.
      ...(ours ? { annotations: { [managed]: 'true', [keepWithout]: 'true' } } : {}),
    },
    type: textAt(found, 'type') ?? 'Opaque',
    data,
  }
}

/**
 * A Secret from what its owner has: a manifest of one, or lines KEY=VALUE.
 * @param ref `namespace/name`: a manifest may leave both out, and must not say another
 */
export function secretFrom(text: string, ref: string): K8sObject {
  const [namespace = '', name = ''] = ref.split('/')
  const refused = (what: string, why: string) =>
    new HomelabError({ what, why, fix: 'a manifest of kind Secret, or lines KEY=VALUE', code: exit.usage })
  let manifest: unknown
  try {
    manifest = parse(text)
  } catch {
    manifest = undefined // not YAML: perhaps lines
  }
  const isSecret = textAt(manifest, 'kind') === 'Secret'
  if (!isSecret && textAt(manifest, 'kind'))
    throw refused(`that is a ${textAt(manifest, 'kind')}`, 'only a Secret is sealed')
  const plain = isSecret ? mapAt(manifest, 'stringData') : parseEnv(text)
  const data = {
    ...(isSecret ? mapAt(manifest, 'data') : {}),
    ...Object.fromEntries(Object.entries(plain).map(([key, value]) => [key, Buffer.from(value).toString('base64')])),
  }
  if (!Object.keys(data).length) throw refused('there is no value in it', 'a Secret without values is of no use')
  for (const value of Object.values(data)) new Secret(Buffer.from(value, 'base64').toString()) // never printed from here on
  const said = [textAt(manifest, 'metadata', 'namespace') ?? namespace, textAt(manifest, 'metadata', 'name') ?? name]
  if (isSecret && said.join('/') !== ref)
    throw refused(`the manifest is of ${said.join('/')}, not ${ref}`, 'what is sealed opens under one name only')
  const labels = mapAt(at(manifest, 'metadata'), 'labels')
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace, ...(Object.keys(labels).length ? { labels } : {}) },
    type: (isSecret ? textAt(manifest, 'type') : undefined) ?? 'Opaque',
    data,
  }
}

/** The Secret that a SealedSecret becomes. */
export function unsealed(sealed: K8sObject, data: Readonly<Record<string, Buffer>>): K8sObject {
  const template = at(sealed.spec, 'template')
  const [labels, annotations] = [mapAt(template, 'metadata', 'labels'), mapAt(template, 'metadata', 'annotations')]
  const { name, namespace = '' } = sealed.metadata
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name,
      namespace,
      ...(Object.keys(labels).length ? { labels } : {}),
      ...(Object.keys(annotations).length ? { annotations } : {}),
    },
    type: textAt(template, 'type') ?? 'Opaque',
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, value.toString('base64')])),
  }
}

/** Whether two Secrets are the same, whatever the order of what is in them. */
export function sameSecret(a: K8sObject, b: K8sObject): boolean {
  const facts = ({ metadata: { name, namespace, labels = {}, annotations = {} }, type, data }: K8sObject) =>
    JSON.stringify([name, namespace, type, ...[labels, annotations, data ?? {}].map(map => Object.entries(map).sort())])
  return facts(a) === facts(b)
}
