// Which container images the platform needs, as far as its charts and manifests name them.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { allSteps } from '../../../bootstrap/bootstrap-all.ts'
import type { Chart } from '../charts.ts'
import { Cluster } from '../cluster.ts'
import { asKubectl } from '../fill.ts'
import { Helm } from '../helm.ts'
import { at, type K8sObject, textAt } from '../k8s.ts'
import { root } from '../root.ts'
import { type Site, vars } from '../site/site.ts'
import { belongingsOf } from '../uninstall/recording.ts'

/** A cluster in which nothing is there: to read the steps' scripts without one. */
class NoCluster extends Cluster {
  override async list(): Promise<K8sObject[]> {
    return []
  }
  override async find(): Promise<undefined> {
    return undefined
  }
}

/**
 * The images of every step and of what Argo CD finds in gitops/, sorted, each once.
 * @param chart a pinned chart by its name
 * @param kubernetes as which cluster charts are rendered: `v1.36.3`
 */
export async function neededImages(
  site: Site,
  chart: (name: string) => Promise<Chart>,
  kubernetes: string,
): Promise<string[]> {
  const cluster = new NoCluster(site)
  const helm = new Helm(cluster)
  const steps = (await allSteps()).filter(({ id }) => id !== '06-rancher' || site.rancher)
  const objects = await Promise.all(
    steps.map(async step => {
      const { releases, objects } = await belongingsOf({ site, cluster, vars: vars(site) }, step)
      const rendered = releases.map(async one =>
        helm.render(one.namespace, one.name, await chart(one.chart), one.values(), kubernetes, false, true),
      )
      return [...objects, ...(await Promise.all(rendered)).flat()]
    }),
  )
  return imagesOf([...objects.flat(), ...fromGit()])
}

function fromGit(): K8sObject[] {
  const folder = join(root, 'gitops')
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.yaml'))
    .flatMap(file => {
      const documents = parseAllDocuments(readFileSync(join(folder, file), 'utf8'), asKubectl)
      return Array.isArray(documents) ? documents.map(document => document.toJS() as K8sObject) : []
    })
}

/**
 * Every image that some objects name: of containers, and of the pods that a program starts by itself (templates in
 * ConfigMaps, arguments such as `--acme-http01-solver-image=…`, variables such as `SHELL_IMAGE`).
 */
export function imagesOf(objects: readonly unknown[]): string[] {
  const found = new Set<string>()
  const take = (text: string | undefined) => {
    const image = text?.replace(/^["']|["']$/g, '')
    if (image && /^[a-z0-9][\w.-]*(:\d+)?(\/[\w.-]+)*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$/.test(image))
      found.add(inFull(image))
  }
  const walk = (value: unknown): void => {
    if (typeof value === 'string') take(/^--[\w-]*image=(\S+)$/.exec(value)?.[1])
    if (typeof value !== 'object' || value === null) return
    if (/_IMAGE$/.test(textAt(value, 'name') ?? '')) take(textAt(value, 'value'))
    for (const [key, one] of Object.entries(value)) {
      if (key === 'image' && typeof one === 'string') take(one)
      else walk(one)
    }
  }
  for (const object of objects) {
    if (at(object, 'kind') === 'CustomResourceDefinition') continue // its schema has fields of that name
    walk(object)
    if (at(object, 'kind') !== 'ConfigMap') continue
    for (const text of Object.values(at(object, 'data') ?? {}))
      for (const [, image] of String(text).matchAll(/^\s*(?:- )?image:\s*(\S+)\s*$/gm)) take(image)
  }
  return [...found].sort()
}

/** With registry and tag, as every tool that copies images takes it. */
function inFull(image: string): string {
  const first = image.split('/')[0] ?? ''
  const named = image.includes('/') && (/[.:]/.test(first) || first === 'localhost')
  const path = named ? image : `docker.io/${image}`
  const whole = path.replace(/^docker\.io\/([^/]+)$/, 'docker.io/library/$1')
  return /:[^/]+$/.test(whole) ? whole : `${whole}:latest`
}
