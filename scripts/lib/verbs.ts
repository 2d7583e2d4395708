// The verbs of a step's script. Each compares, writes only what differs, says in one line what it did,
// and can be repeated after a kill at any point. With --plan it says what it would do and writes nothing.
import { type Applied, nameOf } from './cluster.ts'
import { exit, HomelabError } from './errors.ts'
import { readManifest, readValues, type Vars } from './fill.ts'
import { type Level, podSecurity as podSecurityLabels, readLimits } from './guardrails.ts'
import { inputsOf, isHalfWritten } from './helm.ts'
import { type K8sObject, mapAt } from './k8s.ts'
import { applyPolicies, policiesOf } from './policies/own.ts'
import type { Run } from './run.ts'
import { generatePassword, hashPassword, Secret } from './secrets.ts'
import { servedKinds } from './served.ts'
import type { Site } from './site/site.ts'
import type { Step } from './step.ts'
import { createVerify, type Verify } from './verify.ts'
import { explain, patienceFor, waitFor, webhookNamespace, withCause } from './wait.ts'

/** A value of a Secret: given, or made once by a function that sees the keys before it. */
export type SecretValue =
  | string
  | Secret
  | ((known: Readonly<Record<string, string>>) => string | Secret | Promise<string | Secret>)

export interface Verbs {
  site: Site
  /** True with `--plan`: whatever is not a verb must not write. */
  plan: boolean
  /**
   * A namespace with its Pod Security level (https://kubernetes.io/docs/concepts/security/pod-security-standards/), what
   * it may take and, before its first pod is there, who may talk to whom in it: the files of its name in
   * infrastructure/security.
   */
  namespace(name: string, options: { podSecurity: Level }): Promise<void>
  /**
   * A Secret, by server-side apply from standard input. Given values are kept as given; a function's value is made
   * once and then left alone. Returns what the Secret holds.
   */
  secret: SecretVerb
  /** The objects of a YAML file, filled with the site's facts and `vars`; returns what happened to each. */
  apply(file: string, vars?: Vars): Promise<Applied[]>
  /** A release `namespace/name` of a pinned chart; its CRDs first. Upgraded when chart, values or cluster differ. */
  chart(ref: string, valuesFile: string, options?: { chart?: string; vars?: Vars }): Promise<void>
  /** Until these are healthy: `kind/namespace/name`, `kind/name`, or `workloads/NAMESPACE`. Explains itself. */
  wait(...refs: string[]): Promise<void>
  /** The steps that wait for this one go ahead: everything that their next lines need is installed. */
  installed(): Promise<void>
  /** Until another step has installed what the next line needs; alone, checks that it is there. */
  after(...steps: string[]): Promise<void>
  /** Looks from outside, only reads. */
  verify: Verify
  /** A key of an existing Secret; empty when it is not there yet and this is a plan. */
  read(ref: string, key: string): Promise<string>
  /** The names that YAML files may use. */
  vars: Vars
  /** Says what the step is at. */
  doing(text: string): void
  /** Says, in the past, what it has done; counted as a change unless it begins with "nothing". */
  did(text: string): void
  /** Ends the step here, as one that this site does not want. */
  skip(reason: string): never
  cluster: Run['cluster']
  /** What an uninstall must know besides what the other verbs have made. Does nothing on the way up. */
  onUninstall(notes: OnUninstall): void
}

export interface OnUninstall {
  /** What stays unless the owner asks for it to go, as `kind/namespace/name`, each with its reason. */
  keep?: Record<string, string>
  /** What the component makes by itself and nobody else would miss, as `kind/namespace/name`. */
  made?: readonly string[]
  /** The beginnings of finalizers that it puts on namespaces, and that only it would take off again. */
  finalizers?: readonly string[]
}

export interface SecretVerb {
  (
    ref: string,
    data: Readonly<Record<string, SecretValue>>,
    meta?: {
      labels?: Record<string, string>
      annotations?: Record<string, string>
      /** `Opaque` unless said; it cannot be changed later. */
      type?: string
      /** A chart takes the Secret over: once it is there it is left alone. */
      handedOver?: boolean
    },
  ): Promise<Record<string, string>>
  /** A password made once, at least 24 characters. */
  generated(length?: number): SecretValue
  /** The bcrypt hash of another key's password, made once. */
  bcrypt(key: string): SecretValue
}

/** Thrown by `skip`. */
export class Skipped extends Error {}

/** On a CRD that we apply because Helm does not upgrade it: the release, as `namespace.name`. */
export const releaseOf = 'homelab/release'

export const ourLabels = { 'app.kubernetes.io/managed-by': 'homelab', 'app.kubernetes.io/part-of': 'homelab' } as const

/** The verbs as one step of one run uses them. */
export function createVerbs(run: Run, step: Step): Verbs {
  const { cluster, reporter, site, plan } = run
  const doing = (text: string) => {
    run.checkpoint()
    reporter.doing(step.id, text)
  }
  const did = (text: string) => {
    if (!text.startsWith('nothing')) run.changes.set(step.id, (run.changes.get(step.id) ?? 0) + 1)
    reporter.did(step.id, text)
  }
  const waiting = (what: string) => reporter.doing(step.id, `waiting: ${what}`)

  const write = async (objects: readonly K8sObject[], manager?: string): Promise<Applied[]> => {
    let silence: (() => void) | undefined
    const waitingFor = (what: string, words: string) => {
      waiting(what)
      const namespace = webhookNamespace(words)
      if (namespace) silence ??= explain(run, step, namespace, `waiting: ${what}`)
    }
    const applied = await cluster
      .apply(objects, {
        plan,
        waiting: waitingFor,
        patience: Math.min(300, patienceFor(site)),
        ...(manager ? { manager } : {}),
      })
      .catch(async error => Promise.reject(await withCause(run, error)))
      .finally(() => silence?.())
    for (const one of applied) tell(one)
    return applied
  }
  const tell = ({ object, result, changes }: Applied) => {
    if (result === 'unchanged') return
    const secret = object.kind === 'Secret'
    const detail = changes
      .slice(0, 3)
      .map(({ path, from, to }) => (secret ? tail(path) : `${tail(path)}: ${from} → ${to}`))
    const more = changes.length > 3 ? `, ${changes.length - 3} more` : ''
    did(
      `${result === 'created' ? '+' : '~'} ${nameOf(object)}${detail.length ? `  (${detail.join(', ')}${more})` : ''}`,
    )
  }

  const mended = async (namespace: string, name: string) => {
    await cluster.lock?.take()
    const left = await run.helm.repair(namespace, name)
    if (left) did(`repaired: the release ${name} was left ${left} by a run that was killed`)
    return run.helm.release(namespace, name)
  }

  const secret = async (...[ref, data, meta = {}]: Parameters<SecretVerb>): Promise<Record<string, string>> => {
    doing(`secret ${ref}`)
    const [namespace = '', name = ''] = ref.split('/')
    const found = await cluster.find(`secret/${ref}`)
    const known = Object.fromEntries(
      Object.entries(mapAt(found, 'data')).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
    )
    if (found && meta.handedOver) return known
    for (const [key, value] of Object.entries(data)) {
      if (typeof value === 'function') known[key] ??= reveal(await value(known))
      else known[key] = reveal(value)
    }
    const wanted = Object.fromEntries(
      Object.keys(data).map(key => [key, Buffer.from(known[key] ?? '').toString('base64')]),
    )
    for (const value of Object.values(known)) if (value.length >= 16) new Secret(value) // hidden from output from here on
    await write([
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: {
          name,
          namespace,
          labels: { ...ourLabels, ...meta.labels },
          ...(meta.annotations ? { annotations: meta.annotations } : {}),
        },
        type: meta.type ?? 'Opaque',
        data: wanted,
      },
    ])
    return known
  }

  return {
    site,
    plan,
    cluster,
    vars: run.vars,
    doing,
    did,
    verify: createVerify(run, step),
    secret: Object.assign(secret, {
      generated: (length?: number) => () => generatePassword(length),
      bcrypt:
        (key: string): SecretValue =>
        known =>
          hashPassword(known[key] ?? ''),
    }),

    async namespace(name, { podSecurity }) {
      doing(`namespace ${name}`)
      const labels = { ...ourLabels, ...podSecurityLabels(podSecurity) }
      await write([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }, ...readLimits(name)])
      if (!site.networkPolicies) return
      doing(`network policies of ${name}`)
      const { wanted, gone, inUse } = await policiesOf(cluster, name)
      if (inUse) return did(`nothing closed: ${name} is in use. make network-policies shows what that would cut`)
      for (const told of await applyPolicies(cluster, wanted, gone, plan)) did(told)
    },

    async apply(file, vars = {}) {
      doing(file.replace('infrastructure/platform/', ''))
      return write(readManifest(file, { ...run.vars, ...vars }))
    },

    async chart(ref, valuesFile, { chart: chartName, vars = {} } = {}) {
      const [namespace = '', name = ''] = ref.split('/')
      doing(`chart ${name}`)
      const { helm } = run
      const values = readValues(valuesFile, { ...run.vars, ...vars })
      const [chart, found] = await Promise.all([run.chart(chartName ?? name), helm.release(namespace, name)])
      const half = found && isHalfWritten(found)
      if (half && plan) did(`~ release ${name}: its revision ${found.revision} was left ${found.status}`)
      const release = half && !plan ? await mended(namespace, name) : found
      if (chart.imitated) run.imitated.add(step.id)
      const crds = await helm.crds(chart)
      await write(crds.map(crd => labelled(crd, { [releaseOf]: `${namespace}.${name}` })))
      if (!plan) await servedKinds(cluster, crds, waiting) // the chart may have objects of them
      const inputs = inputsOf(chart, values, run.kubernetes)
      const current = release?.status === 'deployed' && release.inputs === inputs
      if (current || plan) {
        const objects = current
          ? release.manifest
          : await helm.render(namespace, name, chart, values, run.kubernetes, release !== undefined)
        if (!release) return did(`+ release ${name} ${chart.version}  (${objects.length} objects)`)
        const drift = (await cluster.apply(objects, { plan: true, manager: 'helm' })).filter(
          one => one.result !== 'unchanged',
        )
        if (plan) for (const one of drift) tell(one)
        if (plan) return
        if (!drift.length) return servedKinds(cluster, objects, waiting)
      }
      doing(`installing ${name} ${chart.version}`)
      const silence = explain(run, step, namespace, `installing ${name}`)
      const made = await helm
        .upgrade(namespace, name, chart, values, inputs, patienceFor(site), waiting)
        .catch(async error => Promise.reject(await withCause(run, error)))
        .finally(silence)
      did(`${release ? '~' : '+'} release ${name} ${chart.version}`)
      await servedKinds(cluster, made.manifest, waiting)
    },

    async read(ref, key) {
      const value = mapAt(await cluster.find(`secret/${ref}`), 'data')[key]
      if (value === undefined && !plan)
        throw stepFailure(step, `the Secret ${ref} has no ${key}`, 'an earlier step makes it')
      return Buffer.from(value ?? '', 'base64').toString()
    },

    async installed() {
      run.openGate(step)
    },

    async wait(...refs) {
      if (plan) return
      await Promise.all(refs.map(ref => waitFor(run, step, ref)))
    },

    async after(...others) {
      if (plan) return
      await Promise.all(others.map(other => run.gate(step, other)))
    },

    skip(reason) {
      throw new Skipped(reason)
    },

    onUninstall() {},
  }
}

function labelled(object: K8sObject, labels: Record<string, string>): K8sObject {
  return { ...object, metadata: { ...object.metadata, labels: { ...object.metadata.labels, ...labels } } }
}

/** The end of a field's path says which it is. */
function tail(path: string): string {
  return path.length > 50 ? `…${path.slice(-48)}` : path
}

function reveal(value: string | Secret): string {
  return value instanceof Secret ? value.reveal() : value
}

/** For a step whose own check fails: an error that names the file to run again. */
function stepFailure(step: Step, what: string, why: string, fix?: string): HomelabError {
  return new HomelabError({ what, why, fix: fix ?? `./bootstrap/${step.id}.ts --debug`, code: exit.failed })
}
