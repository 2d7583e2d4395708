// What rendered objects offer to be referred to.
import { at, type K8sObject, listAt, mapAt, textAt } from '../../scripts/lib/k8s.ts'
import { podLabels, podsOf } from '../../scripts/lib/policies/world.ts'
import { certificateKeys } from './generated.ts'

/** `Kind namespace/name` */
export const title = ({ kind, metadata: { namespace, name } }: K8sObject): string =>
  `${kind} ${namespace ? `${namespace}/` : ''}${name}`

export class World {
  readonly #objects = new Map<string, K8sObject>()
  /** Keys of each Secret and ConfigMap. */
  readonly #keys = new Map<string, readonly string[]>()
  readonly pods: { namespace: string; labels: Record<string, string>; ports: Set<string> }[] = []

  constructor(objects: readonly K8sObject[], generated: Readonly<Record<string, readonly string[]>>) {
    for (const [name, keys] of Object.entries(generated)) this.#keys.set(name, keys)
    for (const object of objects) {
      const namespace = object.metadata.namespace ?? ''
      this.#objects.set(title(object), object)
      if (object.kind === 'ConfigMap' || object.kind === 'Secret') {
        const keys = ['data', 'binaryData', 'stringData'].flatMap(field => Object.keys(mapAt(object, field)))
        // A Secret without data is filled by the program that it belongs to.
        if (object.kind === 'ConfigMap' || keys.length || !this.#keys.has(title(object)))
          this.#keys.set(title(object), keys)
      }
      if (object.kind === 'Certificate')
        this.#keys.set(`Secret ${namespace}/${textAt(object.spec, 'secretName')}`, certificateKeys)
      const template = at(object.spec, 'template')
      if (at(template, 'spec', 'containers') !== undefined)
        for (const labels of podLabels(object, mapAt(template, 'metadata', 'labels')))
          this.pods.push({ namespace, labels, ports: portsOf(at(template, 'spec')) })
      if (object.kind === 'Prometheus' || object.kind === 'Alertmanager')
        for (const { labels, ports } of podsOf(object))
          this.pods.push({
            ...{ namespace, labels },
            ports: new Set(
              ports.flatMap(({ name, number, protocol }) => [`${name}/${protocol}`, `${number}/${protocol}`]),
            ),
          })
    }
  }

  has(kind: string, namespace: string, name: string | undefined): boolean {
    return this.#objects.has(`${kind} ${namespace ? `${namespace}/` : ''}${name}`)
  }

  get(kind: string, namespace: string, name: string | undefined): K8sObject | undefined {
    return this.#objects.get(`${kind} ${namespace}/${name}`)
  }

  /** What is wrong with a reference to a Secret or ConfigMap, or nothing. */
  source(kind: 'Secret' | 'ConfigMap', namespace: string, name: string | undefined, key?: string): string[] {
    const keys = this.#keys.get(`${kind} ${namespace}/${name}`)
    if (!keys) return [`no ${kind} ${namespace}/${name}`]
    return key !== undefined && !keys.includes(key) ? [`${kind} ${namespace}/${name} has no key ${key}`] : []
  }
}

/** `name/protocol` and `number/protocol` of each port. */
export function portsOf(podSpec: unknown): Set<string> {
  const ports = listAt(podSpec, 'containers').flatMap(container => listAt(container, 'ports'))
  return new Set(
    ports.flatMap(port => {
      const protocol = textAt(port, 'protocol') ?? 'TCP'
      return [at(port, 'name'), at(port, 'containerPort')]
        .filter(one => one !== undefined)
        .map(one => `${one}/${protocol}`)
    }),
  )
}

/** The pods of a namespace that a selector finds. */
export function matches(world: World, namespace: string, selector: Record<string, string>): World['pods'] {
  if (!Object.keys(selector).length) return []
  return world.pods.filter(
    pod => pod.namespace === namespace && Object.entries(selector).every(([key, value]) => pod.labels[key] === value),
  )
}

/** A problem, when no such object is there. */
export function absent(world: World, kind: string, namespace: string, name: string | undefined): string[] {
  return world.has(kind, namespace, name) ? [] : [`no ${kind} ${namespace ? `${namespace}/` : ''}${name}`]
}
