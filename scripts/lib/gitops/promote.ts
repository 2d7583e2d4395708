// make promote: one environment runs the versions that another has tried.
//
// A version is pinned in gitops/applications (a chart) or in gitops/apps (an image), and every environment follows that.
// What was promoted to an environment is written down in its folder `versions`, and from then on it stands still there.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { exit, HomelabError } from '../errors.ts'
import { at, type K8sObject, listAt, textAt } from '../k8s.ts'
import { root } from '../root.ts'
import { environments } from '../site/examine.ts'
import { parseManifest } from '../yaml/manifest.ts'
import { sourcesOf } from './application.ts'
import { buildWith, type Files, readText } from './change.ts'
import { withEntry, withoutEntry } from './lists.ts'

/** One version of an application: of its chart, or of an image of its own manifests. */
export interface Pin {
  application: string
  /** The chart, or the image without its version. */
  of: string
  version: string
}

export interface Move extends Pin {
  /** Undefined for one that was not pinned there before. */
  from?: string
}

const folderOf = (environment: string) => `gitops/environments/${environment}`

/** @throws HomelabError (exit 2) for what is no environment, or the same twice */
export function readEnvironments(from: unknown, to: unknown): { from: string; to: string } {
  const known: readonly string[] = environments
  const wrong = (what: string, fix: string) => new HomelabError({ what, fix, code: exit.usage })
  const example = 'make promote FROM=staging TO=prod'
  if (typeof from !== 'string' || !known.concat('base').includes(from))
    throw wrong(`FROM ${from ?? 'is missing'}: no environment`, `${example}   (FROM: ${known.join(', ')} or base)`)
  if (typeof to !== 'string' || !known.includes(to))
    throw wrong(`TO ${to ?? 'is missing'}: no environment`, `${example}   (TO: ${known.join(', ')})`)
  if (from === to) throw wrong(`${from} to itself`, example)
  return { from, to }
}

/**
 * What would move, and the files of it. From `base`: the environment follows gitops/applications again.
 * @throws HomelabError (exit 2) when one of the two cannot be built
 */
export async function promotion(
  from: string,
  to: string,
  top = root,
): Promise<{ moves: Move[]; kept: number; files: Files }> {
  const source = from === 'base' ? 'gitops/applications' : folderOf(from)
  const [wanted, now] = await Promise.all([pinsOf(source, top), pinsOf(folderOf(to), top)])
  const before = new Map(now.pins.map(pin => [`${pin.application} ${pin.of}`, pin.version]))
  const there = new Set(now.applications.map(({ metadata }) => metadata.name))
  const pins = wanted.pins.filter(pin => there.has(pin.application))
  const moves = pins.flatMap(pin => {
    const version = before.get(`${pin.application} ${pin.of}`)
    return version === pin.version ? [] : [{ ...pin, ...(version === undefined ? {} : { from: version }) }]
  })
  const list = `${folderOf(to)}/kustomization.yaml`
  const file = `${folderOf(to)}/versions/kustomization.yaml`
  const text = readText(list, top)
  const files = new Map<string, string | undefined>()
  if (from === 'base') {
    if (existsSync(join(top, file))) {
      files.set(`${folderOf(to)}/versions`, undefined)
      files.set(list, withoutEntry(text, 'components', 'versions'))
    }
  } else {
    files.set(file, written(from, to, patchesFor(pins, now.applications)))
    if (!/^\s*- versions$/m.test(text)) files.set(list, withEntry(text, 'components', 'versions'))
    if (existsSync(join(top, file)) && readText(file, top) === files.get(file)) files.delete(file)
  }
  await check(files, to, pins, top)
  return { moves, kept: pins.length - moves.length, files }
}

/** As it would be, it must have exactly these versions. */
async function check(files: Files, to: string, pins: readonly Pin[], top: string): Promise<void> {
  if (files.size === 0) return
  const [text = ''] = await buildWith(files, [folderOf(to)], top)
  const after = await pinsIn(parseManifest(text), top)
  const missing = pins.filter(
    pin => !after.some(one => one.application === pin.application && one.of === pin.of && one.version === pin.version),
  )
  if (missing.length)
    throw new HomelabError({
      what: `${to} would not have ${missing.map(one => `${one.of} ${one.version}`).join(', ')}`,
      why: `a patch in ${folderOf(to)}/kustomization.yaml says otherwise`,
      fix: 'take it out, or promote by hand',
      code: exit.usage,
    })
}

async function pinsOf(folder: string, top: string): Promise<{ applications: K8sObject[]; pins: Pin[] }> {
  const [text = ''] = await buildWith(new Map(), [folder], top)
  const applications = parseManifest(text)
  return { applications, pins: await pinsIn(applications, top) }
}

async function pinsIn(applications: readonly K8sObject[], top: string): Promise<Pin[]> {
  const found = applications.map(async (application): Promise<Pin[]> => {
    const { name } = application.metadata
    const charts = sourcesOf(application).flatMap(({ chart, revision }) =>
      chart ? [{ application: name, of: chart, version: revision }] : [],
    )
    const path = textAt(application.spec, 'source', 'path')
    if (!path?.startsWith('gitops/apps/')) return charts
    const [text = ''] = await buildWith(new Map(), [path], top)
    const held = new Map(listAt(application.spec, 'source', 'kustomize', 'images').map(one => split(String(one))))
    const images = [...new Set(parseManifest(text).flatMap(imagesOf))].map(split)
    return images.map(([of, version]) => ({ application: name, of, version: held.get(of) ?? version }))
  })
  return (await Promise.all(found)).flat()
}

function imagesOf({ spec }: K8sObject): string[] {
  const pod = at(spec, 'template', 'spec') ?? at(spec, 'jobTemplate', 'spec', 'template', 'spec')
  return ['initContainers', 'containers'].flatMap(list =>
    listAt(pod, list).flatMap(container => textAt(container, 'image') ?? []),
  )
}

/** `ghcr.io/owner/notes:1.4.2` as name and version; of a digest, everything behind the @. */
function split(image: string): [name: string, version: string] {
  const [, name = image, version = ''] = /^(.+?)[:@]((?:sha256:)?[^/:]+)$/.exec(image) ?? []
  return [name, version]
}

function patchesFor(pins: readonly Pin[], applications: readonly K8sObject[]): object[] {
  return applications.flatMap(application => {
    const { name } = application.metadata
    const own = pins.filter(pin => pin.application === name)
    const charts = sourcesOf(application).flatMap(({ chart, pointer }) => {
      const pin = own.find(one => one.of === chart)
      return pin ? [{ op: 'replace', path: `${pointer}/targetRevision`, value: pin.version }] : []
    })
    const images = charts.length
      ? []
      : own.map(({ of, version }) => (version.startsWith('sha256:') ? `${of}@${version}` : `${of}:${version}`))
    const patch = charts.length
      ? charts
      : // A merge, because what it is merged into may or may not be there.
        {
          apiVersion: application.apiVersion,
          kind: 'Application',
          metadata: { name },
          spec: { source: { kustomize: { images } } },
        }
    return charts.length || images.length
      ? [{ target: { kind: 'Application', name }, patch: stringify(patch, { lineWidth: 0, singleQuote: true }) }]
      : []
  })
}

function written(from: string, to: string, patches: readonly object[]): string {
  const head = [
    `# The versions that ${to} runs, whatever gitops/applications has meanwhile. Written by make promote FROM=${from} TO=${to};`,
    `# make promote FROM=base TO=${to} takes it away, and ${to} follows gitops/applications again.`,
  ]
  const content = { apiVersion: 'kustomize.config.k8s.io/v1alpha1', kind: 'Component', patches }
  return `${head.join('\n')}\n${stringify(content, { lineWidth: 0, singleQuote: true })}`
}
