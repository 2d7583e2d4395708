// What moves: what the cluster runs against what this checkout pins, step by step. Reads, never writes.
import { dirname } from 'node:path'
import { aboutChart } from '../chart-file.ts'
import { type Chart, pins } from '../charts.ts'
import { HomelabError, type Problem } from '../errors.ts'
import { inputsOf, type Release } from '../helm.ts'
import type { K8sObject } from '../k8s.ts'
import { components } from '../preflight/ours.ts'
import { judgeCharts } from '../preflight/versions.ts'
import type { Run } from '../run.ts'
import { programOf } from '../status/component.ts'
import type { Step } from '../step.ts'
import { type Belongings, belongingsOf, type ReleaseNote } from '../uninstall/recording.ts'
import { type CrdChange, crdChanges } from './kinds.ts'
import { type Note, readNotes, wayBack } from './notes.ts'
import { between, type Versions } from './versions.ts'
import { type Roll, rollsOf, workloadsIn } from './workloads.ts'

export interface Move {
  step: string
  title: string
  /** `moves`: `upgrade --apply` runs its step. The others are told and left alone. */
  state: 'moves' | 'equal' | 'absent' | 'off' | 'elsewhere'
  from: Versions
  to: Versions
  /** In a few words, why it is not simply equal or moving. */
  note?: string
  downgrade: boolean
  remarks: string[]
  /** Addresses of the publisher's notes, where more than a patch moves. */
  notes: string[]
  crds: CrdChange[]
  rolls: Roll[]
  /** Commands that bring back what runs now, and what they do not bring back. */
  back?: { command?: string; not: string }
  /** Why this must not be done, each with its way out. */
  problems: Problem[]
}

/**
 * @param steps those that may move, in their order
 * @param all every step: what it applies must stay possible
 * @param allowDowngrade going back is asked for
 */
export async function readMoves(
  run: Run,
  steps: readonly Step[],
  all: readonly Step[],
  allowDowngrade: boolean,
): Promise<Move[]> {
  const notes = readNotes()
  const [crds, ours] = await Promise.all([
    run.cluster.list('customresourcedefinitions.apiextensions.k8s.io'),
    Promise.all(all.map(step => belongingsOf(run, step))),
  ])
  return Promise.all(
    steps.map(async step => {
      const move: Move = {
        ...{ step: step.id, title: step.title, state: 'equal', from: {}, to: {}, downgrade: false },
        ...{ remarks: [], notes: [], crds: [], rolls: [], problems: [] },
      }
      const belongings = ours.find(one => one.step.id === step.id)
      if (!belongings) throw new Error(`${step.id} is no step`)
      if (step.id === '06-rancher' && !run.site.rancher) return { ...move, state: 'off', note: 'RANCHER=false' }
      const [release] = belongings.releases
      if (release) await readRelease(run, move, release, { belongings, ours, crds, note: notes[step.id] })
      else await readManifests(run, move, belongings, notes[step.id])
      if (move.state !== 'moves') return move
      return finish(move, release?.chart, notes[step.id], allowDowngrade)
    }),
  )
}

async function readRelease(
  run: Run,
  move: Move,
  wanted: ReleaseNote,
  seen: { belongings: Belongings; ours: readonly Belongings[]; crds: readonly K8sObject[]; note: Note | undefined },
): Promise<void> {
  const { cluster, helm, kubernetes } = run
  const { namespace, name } = wanted
  const [release, chart] = await Promise.all([
    helm.release(namespace, name),
    run.chart(wanted.chart).catch((error: unknown) => {
      if (error instanceof HomelabError) return error
      throw error
    }),
  ])
  if (!release) return absent(move)
  move.from = versionsIn(move.step, release.manifest, release)
  if (chart instanceof HomelabError) return withoutChart(move, wanted, release, chart)
  const about = aboutChart(chart.path)
  const values = wanted.values()
  const unfinished = release.status !== 'deployed'
  if (!unfinished && release.inputs === inputsOf(chart, values, kubernetes)) {
    move.to = move.from
    return
  }
  move.to = { chart: about.version, ...programPart(about.appVersion) }
  const fact = { value: { step: move.step, name, version: about.version, constraint: about.kubeVersion } }
  const unfit = judgeCharts([fact], kubernetes).flatMap(one => (one.state === 'problem' ? [told(one)] : []))
  // What does not fit, or does not take our values, cannot be rendered either.
  const rendered = unfit.length ? unfit : await render(run, wanted, chart, values).catch(refusedValues(move))
  if (isProblems(rendered)) {
    move.problems.push(...rendered)
    return sized(move, seen.note, true)
  }
  move.to = versionsIn(move.step, rendered, { chartVersion: about.version, appVersion: about.appVersion ?? '' })
  move.rolls = await rollsOf(cluster, release.manifest, rendered, 'helm')
  if (unfinished) move.note = `the last change was left ${release.status}`
  sized(move, seen.note, unfinished)
  if (move.state !== 'moves') return
  const kinds = [...(await helm.crds(chart)), ...rendered.filter(one => one.kind === 'CustomResourceDefinition')]
  const from = { ...seen.belongings, manifest: release.manifest }
  const changes = await crdChanges(cluster, seen.crds, kinds, from, seen.ours)
  move.crds = changes.crds
  move.problems.push(...changes.problems)
}

/** What lies between the two versions. @param anyway it is to run again although they are equal */
function sized(move: Move, note: Note | undefined, anyway: boolean): void {
  const step = between(move.from, move.to, note?.minors)
  Object.assign(move, { downgrade: step.downgrade, remarks: step.remarks })
  if (step.moves || anyway) move.state = 'moves'
  else if (move.rolls.length) {
    const number = move.step.slice(0, 2)
    move.note = `its configuration differs: make plan STEP=${number} shows it, make install does it`
    move.rolls = []
  }
  if (step.notable) move.notes = note?.notes ?? []
}

const isProblems = (found: readonly K8sObject[] | readonly Problem[]): found is readonly Problem[] =>
  found.some(one => 'what' in one)

/** A newer chart may have other keys, and say so (traefik-helm-chart v34 did). */
function refusedValues({ title, step }: Move) {
  return (error: unknown): Problem[] => {
    if (!(error instanceof HomelabError) || !/values|schema|template|execution error/.test(error.why ?? '')) throw error
    return [
      {
        what: `${title}: the new chart does not take our values`,
        ...(error.why ? { why: error.why } : {}),
        fix: `bring ${folderOf(step)}/values.yaml up to date: the publisher's notes say what moved`,
      },
    ]
  }
}

/** Our own manifests: the versions are those of the images. */
async function readManifests(run: Run, move: Move, belongings: Belongings, note: Note | undefined): Promise<void> {
  const wanted = workloadsIn(belongings.objects)
  const main = mainOf(move.step, wanted)
  if (!main) {
    move.state = 'elsewhere'
    move.note = "k3s's own, which moves with k3s"
    return
  }
  const live = await run.cluster.now(main)
  if (!live) return absent(move)
  move.from = { ...programPart(programOf(live)) }
  move.to = { ...programPart(programOf(main)) }
  move.rolls = await rollsOf(run.cluster, wanted, wanted)
  sized(move, note, false)
}

/** As the cluster would render it; a chart that brings a new kind and an object of it can only be rendered without. */
async function render(
  { helm, kubernetes }: Run,
  { namespace, name }: ReleaseNote,
  chart: Chart,
  values: Record<string, unknown>,
): Promise<K8sObject[]> {
  try {
    return await helm.render(namespace, name, chart, values, kubernetes, true)
  } catch (error) {
    if (!(error instanceof HomelabError) || !/no matches for kind/.test(error.why ?? '')) throw error
    return helm.render(namespace, name, chart, values, kubernetes, false)
  }
}

function absent(move: Move): void {
  move.state = 'absent'
  move.note = `not installed: make install STEP=${move.step.slice(0, 2)}`
}

function withoutChart(move: Move, { chart }: ReleaseNote, release: Release, error: HomelabError): void {
  move.to = { ...move.from }
  const pinned = pins()[chart]?.version ?? '?'
  if (release.chartVersion === pinned) {
    move.note = 'its images and configuration were not compared: the chart is not on this machine'
    return
  }
  move.state = 'moves'
  move.to = { chart: pinned }
  move.problems.push(told(error))
}

function versionsIn(
  step: string,
  manifest: readonly K8sObject[],
  chart: Pick<Release, 'chartVersion' | 'appVersion'>,
): Versions {
  const main = mainOf(step, manifest)
  return { chart: chart.chartVersion, ...programPart((main && programOf(main)) || chart.appVersion) }
}

const programPart = (program: string | undefined): Versions => (program ? { program } : {})

/** The workload by whose version a component is known. */
function mainOf(step: string, objects: readonly K8sObject[]): K8sObject | undefined {
  const component = components.find(one => one.step === step)
  const [kind, name] = component?.needs[0]?.split('/') ?? []
  return objects.find(one => one.kind === kind && one.metadata.name === name)
}

async function finish(
  move: Move,
  chart: string | undefined,
  note: Note | undefined,
  allowDowngrade: boolean,
): Promise<Move> {
  const files = folderOf(move.step)
  const same = move.from.chart === move.to.chart && move.from.program === move.to.program
  if (!same) {
    const pinned = move.from.chart === move.to.chart ? undefined : chart
    const not = note?.back ?? 'nobody has looked'
    // From an older version the way back is an upgrade.
    move.back = { not, ...(move.downgrade ? {} : { command: await wayBack(move.step, files, pinned, move.from) }) }
  }
  if (move.downgrade && !allowDowngrade)
    move.problems.push({
      what: `${move.title} would go back: ${versionText(move.from)} → ${versionText(move.to)}`,
      why: 'an older version may not read what a newer one has written',
      fix: `git log -- ${chart ? 'infrastructure/charts.yaml' : files} shows who moved the pin; if it is meant: make upgrade DOWNGRADE=1`,
    })
  for (const { workload, refused } of move.rolls)
    if (refused)
      move.problems.push({
        what: `${workload} cannot be changed in place`,
        why: refused,
        fix: `read the publisher's notes: ${note?.notes[0] ?? ''}`,
      })
  return move
}

/** Where its values and manifests are. */
const folderOf = (step: string): string => dirname(components.find(one => one.step === step)?.link ?? '')

const told = ({ what, why, fix, link }: Problem): Problem => ({
  what,
  ...(why ? { why } : {}),
  ...(fix ? { fix } : {}),
  ...(link ? { link } : {}),
})

/** `41.3.0 (v3.7.11)`, as `make status` writes it. */
export function versionText({ chart, program }: Versions): string {
  if (chart === undefined) return program ?? '?'
  return program === undefined || chart.replace(/^v/, '') === program.replace(/^v/, '')
    ? chart
    : `${chart} (${program})`
}
