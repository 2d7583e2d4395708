// What a step has brought, told by its own script: its body runs with verbs that write nothing and take notes.
import { readManifest, readValues } from '../fill.ts'
import { readLimits, readPolicies } from '../guardrails.ts'
import { type K8sObject, mapAt } from '../k8s.ts'
import type { Run } from '../run.ts'
import type { Step } from '../step.ts'
import type { Verbs } from '../verbs.ts'

export interface ReleaseNote {
  namespace: string
  name: string
  /** The pinned chart. */
  chart: string
  /** What it is installed with; read when asked for. */
  values: () => Record<string, unknown>
}

export interface Belongings {
  step: Step
  /** The steps without which it does not work. */
  needs: string[]
  /** Namespaces of its own; those of `objects` hold somebody else's work. */
  namespaces: string[]
  releases: ReleaseNote[]
  /** In the order in which they were applied. */
  objects: K8sObject[]
  notes: { keep: Record<string, string>; made: string[]; finalizers: string[] }
}

/** What the script of a step reads while it is read. */
type Reading = Pick<Run, 'site' | 'cluster' | 'vars'>

/** Reads a step's script for what it makes. Nothing is written, and only its own questions reach the cluster. */
export async function belongingsOf(run: Reading, step: Step): Promise<Belongings> {
  const found: Belongings = {
    step,
    needs: [],
    namespaces: [],
    releases: [],
    objects: [],
    notes: { keep: {}, made: [], finalizers: [] },
  }
  await step.body(notingVerbs(run, found))
  return found
}

function notingVerbs(run: Reading, found: Belongings): Verbs {
  const nothing = async () => {}
  const split = (ref: string) => {
    const [namespace = '', name = ''] = ref.split('/')
    return { namespace, name }
  }
  const secret = async (ref: string) => {
    found.objects.push({ apiVersion: 'v1', kind: 'Secret', metadata: split(ref) })
    return {}
  }
  return {
    // Rancher may have been switched off after it was installed.
    site: { ...run.site, rancher: true },
    plan: true,
    cluster: run.cluster,
    vars: run.vars,
    doing: () => {},
    did: () => {},
    installed: nothing,
    wait: nothing,
    verify: { dns: nothing, redirect: nothing, certificate: nothing, issued: nothing, https: nothing },
    read: async (ref, key) => {
      const value = mapAt(await run.cluster.find(`secret/${ref}`), 'data')[key]
      return Buffer.from(value ?? '', 'base64').toString()
    },
    skip: reason => {
      throw new Error(`a step ends itself while it is read for its uninstall: ${reason}`)
    },
    secret: Object.assign(secret, { generated: () => '', bcrypt: () => '' }),
    namespace: async name => {
      found.namespaces.push(name)
      found.objects.push(...readLimits(name), ...readPolicies(name))
    },
    chart: async (ref, valuesFile, { chart, vars = {} } = {}) => {
      const { namespace, name } = split(ref)
      const values = () => readValues(valuesFile, { ...run.vars, ...vars })
      found.releases.push({ namespace, name, chart: chart ?? name, values })
    },
    apply: async (file, vars = {}) => {
      found.objects.push(...readManifest(file, { ...run.vars, ...vars }))
      return []
    },
    after: async (...steps) => void found.needs.push(...steps),
    onUninstall: ({ keep, made, finalizers }) => {
      Object.assign(found.notes.keep, keep)
      found.notes.made.push(...(made ?? []))
      found.notes.finalizers.push(...(finalizers ?? []))
    },
  }
}
